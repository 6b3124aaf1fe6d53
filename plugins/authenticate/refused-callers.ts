import type { RequestFacts } from '../../lib/http/request-facts.ts'
import type { Identity } from '../../lib/identity.ts'

/** Callers with a valid but insufficient credential. Their requests have no identity. */
const refusedCallers = new WeakMap<RequestFacts, Identity>()

/** Records which caller was rejected, for the access log. */
export function noteRefusedCaller (facts: RequestFacts, identity: Identity): void {
  refusedCallers.set(facts, identity)
}

export function refusedCallerOf (facts: RequestFacts): Identity | undefined {
  return refusedCallers.get(facts)
}

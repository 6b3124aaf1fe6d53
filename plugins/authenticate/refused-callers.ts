import type { RequestFacts } from '../../lib/http/request-facts.ts'
import type { Identity } from '../../lib/principal.ts'

/** The callers whose credential was good, but not good enough: these requests have no identity. */
const refusedCallers = new WeakMap<RequestFacts, Identity>()

/** Keeps for the access line which caller was refused. */
export function noteRefusedCaller (facts: RequestFacts, identity: Identity): void {
  refusedCallers.set(facts, identity)
}

export function refusedCallerOf (facts: RequestFacts): Identity | undefined {
  return refusedCallers.get(facts)
}

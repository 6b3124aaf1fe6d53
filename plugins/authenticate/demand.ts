import { ScopeInsufficientError, StepUpRequiredError, TokenInvalidError } from '../../lib/errors.ts'
import type { Identity } from '../../lib/principal.ts'
import { seconds } from '../../lib/session/lifetime.ts'
import type { Store } from '../../stores/store.ts'

/** The store's clock. */
export type Clock = Pick<Store, 'nowMs'>

/** What a route demands, checked and with every default filled in. */
export interface Demand {
  /** Null only where `access` is public. */
  audience: string | null
  access: 'any' | 'session' | 'token' | 'public'
  scopes: readonly string[]
  /** `methods: null`: all of them. */
  stepUp: { maxAgeSeconds: number, methods: readonly string[] | null } | null
  consistency: 'replica' | 'strict'
  isUse: boolean
  ignoreBearer: boolean
}

/** Throws when a good credential is not good enough here. */
export function assertAllowed (identity: Identity, demand: Demand, method: string, clock: Clock): void {
  if (demand.audience !== null && !identity.audiences.includes(demand.audience)) throw wrongAudience(identity)
  for (const scope of demand.scopes) if (!identity.scopes.includes(scope)) throw new ScopeInsufficientError({ cause: new Error(`the scope ${scope} is missing`) })
  if (demand.stepUp !== null && (demand.stepUp.methods?.includes(method) ?? true)) assertRecent(identity, demand.stepUp.maxAgeSeconds, clock)
}

/** Throws StepUpRequiredError unless the subject authenticated within `maxAgeSeconds` (RFC 9470), by the clock that wrote it down. */
export function assertRecent (identity: Pick<Identity, 'authTime'>, maxAgeSeconds: number, clock: Clock): void {
  if (seconds(clock.nowMs()) - identity.authTime > maxAgeSeconds) throw new StepUpRequiredError({ cause: new Error(`the authentication is older than ${maxAgeSeconds} s`) })
}

/** A token for another service is no token here. A session that was opened for other services is one that may not do this. */
function wrongAudience ({ credential }: Identity): Error {
  const cause = new Error('not for this audience')
  return credential === 'token' ? new TokenInvalidError({ cause }) : new ScopeInsufficientError({ cause })
}

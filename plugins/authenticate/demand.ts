import { ScopeInsufficientError, StepUpRequiredError } from '../../lib/errors.ts'
import type { Identity } from '../../lib/identity.ts'
import { seconds } from '../../lib/session/record.ts'
import type { Access } from '../../lib/settings/upstream.ts'
import type { Store } from '../../stores/store.ts'
import type { Scheme } from './scheme.ts'
import { schemeOf } from './schemes.ts'

/** Clock of the store. */
export type Clock = Pick<Store, 'nowMs'>

/** Requirements of a route, checked and with every default filled in. */
export interface Demand extends Credentials {
  /** Required audience; null only if access is public. */
  audience: string | null
  scopes: readonly string[]
  /** `methods: null` stands for all methods. */
  stepUp: { maxAgeSeconds: number, methods: readonly string[] | null } | null
  consistency: 'replica' | 'strict'
  isUse: boolean
  ignoreBearer: boolean
}

/** Meaning of `access`. */
export interface Credentials {
  /** True if a request without a valid credential is admitted too. */
  isPublic: boolean
  /** Schemes of the accepted credentials. */
  schemes: readonly Scheme[]
  /** Description of what a request without an accepted credential lacks, for the log. */
  missing: string
  /** Challenges for an accepted credential; schemes may share one. */
  challenges: ReadonlyArray<Scheme['challenge']>
}

/** Returns the meaning of `access` among these schemes. */
export function credentialsFor (access: Access, among: readonly Scheme[]): Credentials {
  const schemes = among.filter(({ accesses }) => accesses.includes(access))
  const others = among.filter(scheme => !schemes.includes(scheme))
  return { isPublic: access === 'public', schemes, missing: describeMissing(schemes, others), challenges: [...new Set(schemes.map(({ challenge }) => challenge))] }
}

function describeMissing (schemes: readonly Scheme[], others: readonly Scheme[]): string {
  if (others.length === 0 && schemes.length > 1) return `neither ${schemes.map(({ title }) => title).join(' nor ')}`
  const missing = `no ${schemes.map(nounOf).join(' and no ')}`
  return others.length === 0 ? missing : `${missing}; ${others.map(scheme => `${nounOf(scheme)}s`).join(' and ')} do not count here`
}

function nounOf ({ title }: Scheme): string {
  return title.replace(/^an? /, '')
}

/** Throws if a valid credential does not meet the requirements. */
export function assertAllowed (identity: Identity, demand: Demand, method: string, clock: Clock): void {
  if (demand.audience !== null && !identity.audiences.includes(demand.audience)) throw new (schemeOf(identity).errors.OtherAudience)({ cause: new Error('not for this audience') })
  for (const scope of demand.scopes) if (!identity.scopes.includes(scope)) throw new ScopeInsufficientError({ cause: new Error(`the scope ${scope} is missing`) })
  if (demand.stepUp !== null && (demand.stepUp.methods?.includes(method) ?? true)) assertRecent(identity, demand.stepUp.maxAgeSeconds, clock)
}

/**
 * Throws StepUpRequiredError unless the subject authenticated within `maxAgeSeconds` (RFC 9470), by the clock that recorded the
 * authentication.
 */
export function assertRecent (identity: Pick<Identity, 'authTime'>, maxAgeSeconds: number, clock: Clock): void {
  if (seconds(clock.nowMs()) - identity.authTime > maxAgeSeconds) throw new StepUpRequiredError({ cause: new Error(`the authentication is older than ${maxAgeSeconds} s`) })
}

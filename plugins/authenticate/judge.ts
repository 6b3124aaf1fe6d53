import { CsrfRefusedError, ScopeInsufficientError, StepUpRequiredError } from '../../lib/errors.ts'
import { publish, sourceOf } from '../../lib/events.ts'
import { withLoginUrl } from '../../lib/http/login-url.ts'
import { asError } from '../../lib/as-error.ts'
import { foreignReason, isForeign, isSafe } from '../../lib/http/csrf.ts'
import { loggedPath } from '../../lib/http/logged-path.ts'
import type { RequestFacts } from '../../lib/http/request-facts.ts'
import type { Identity } from '../../lib/identity.ts'
import type { Portcullis } from '../portcullis.ts'
import { createLoginUrls, type LoginUrls } from './login-urls.ts'
import { noteRefusedCaller } from './refused-callers.ts'
import type { Scheme } from './scheme.ts'
import { createVerifiers, schemeOf } from './schemes.ts'
import { sessionCookie } from './schemes/session-cookie.ts'
import { VerificationCounts, Verifier, type CredentialDemand } from './verifier.ts'
import { isOneOf } from '../../lib/session/authentication.ts'
import { seconds } from '../../lib/session/record.ts'
import type { Access } from '../../lib/settings/upstream.ts'
import type { Store } from '../../stores/store.ts'

/* The judgement of a request: the requirements of a route, and whether a request meets them. */

/**
 * Decides from the facts of a request whether it meets the requirements, and which caller it is from. It depends on no server, so that
 * every front end can use it.
 */
export class Judge {
  /** The schemes of this scope. */
  readonly schemes: readonly Scheme[]
  readonly verifications: VerificationCounts
  readonly loginUrls: LoginUrls
  readonly #parts: Portcullis
  readonly #origin: string
  readonly #verifier: Verifier

  /** Creates the judge. `origin` is the one that browsers see; other origins may not cause state changes. */
  constructor (parts: Portcullis, origin: string) {
    const verifiers = createVerifiers(parts)
    this.schemes = verifiers.map(({ scheme }) => scheme)
    this.verifications = new VerificationCounts(this.schemes.map(({ name }) => name))
    this.loginUrls = createLoginUrls(parts)
    this.#parts = parts
    this.#origin = origin
    this.#verifier = new Verifier(parts, verifiers, this.verifications)
  }

  /**
   * Returns the identity; null only if access is public. It is synchronous if everything is cached, and returns a promise only if the store
   * or a key must be queried. Throws, or rejects with, the error that rejects the request, with its challenge.
   */
  judge (facts: RequestFacts, demand: Demand): Identity | null | Promise<Identity | null> {
    let identity: Identity | null | Promise<Identity | null>
    try {
      if (!isSafe(facts.method) && this.#verifier.hasAmbientCredential(facts)) this.assertOwn(facts)
      identity = this.#verifier.verify(facts, demand)
    } catch (error) {
      throw this.refusal(error, demand, null)
    }
    if (!(identity instanceof Promise)) return this.#admit(facts, identity, demand)
    return identity.then(verified => this.#admit(facts, verified, demand), (error: unknown) => { throw this.refusal(error, demand, null) })
  }

  /**
   * Returns the error with its challenge, and with the address at which a browser meets the requirements, if signing in with an identity
   * provider helps.
   */
  refusal (thrown: unknown, demand: Refused, provider: string | null): Error {
    const error: Error & { code?: string } = challenged(thrown, demand)
    const { code = '' } = error
    if (code === 'PTC_ERR_STEP_UP_REQUIRED' && provider !== null) return withLoginUrl(error, this.loginUrls.stepUp(provider, { maxAgeSeconds: demand.stepUp?.maxAgeSeconds, acrValues: demand.strength?.acr ?? [] }))
    const isMissing = code === 'PTC_ERR_CREDENTIALS_MISSING' || code === 'PTC_ERR_SESSION_INVALID'
    // A provider opens sessions, and issues no tokens of the gateway.
    return isMissing && demand.schemes.includes(sessionCookie) ? withLoginUrl(error, this.loginUrls.signIn()) : error
  }

  /** Throws CsrfRefusedError, and publishes the event, if a browser reports that another origin caused the request. */
  assertOwn (facts: RequestFacts): void {
    if (!isForeign(facts.headers, this.#origin)) return
    publish({ event: 'csrf.refused', ...sourceOf(facts), method: facts.method, path: loggedPath(facts.originalUrl) }, this.#parts)
    throw new CsrfRefusedError({ cause: new Error(foreignReason(facts.headers)) })
  }

  #admit (facts: RequestFacts, identity: Identity | null, demand: Demand): Identity | null {
    if (identity === null) return null
    try {
      assertAllowed(identity, demand, facts.method, this.#parts.store)
      return identity
    } catch (error) {
      noteRefusedCaller(facts, identity)
      if (demand.isPublic) return null
      throw this.refusal(error, demand, identity.provider?.name ?? null)
    }
  }
}

/** Requirements that a refusal names. */
type Refused = Pick<Credentials, 'challenges' | 'schemes'> & Pick<Demand, 'scopes' | 'strength'> & { stepUp: { maxAgeSeconds: number } | null }

/** Adds the challenge that tells the client which credential would be sufficient. Errors without a challenge are returned unchanged. */
function challenged (thrown: unknown, { challenges, scopes, stepUp, strength }: Refused): Error {
  const error: Error & { code?: string, headers?: object } = asError(thrown)
  const details = { scopes, acrValues: strength?.acr ?? [], ...stepUp === null ? {} : { maxAgeSeconds: stepUp.maxAgeSeconds } }
  const values = challenges.flatMap(challenge => challenge(error.code ?? '', details) ?? [])
  return values.length === 0 ? error : Object.assign(error, { headers: { ...error.headers, 'www-authenticate': values.join(', ') } })
}

/** Clock of the store. */
export type Clock = Pick<Store, 'nowMs'>

/** Requirements of a route, checked and with every default filled in. */
export interface Demand extends Credentials, CredentialDemand {
  /** Required audience; null only if access is public. */
  audience: string | null
  scopes: readonly string[]
  /** `methods: null` stands for all methods. */
  stepUp: { maxAgeSeconds: number, methods: readonly string[] | null } | null
  /** `acr`: the accepted values, null for any. `amr`: the methods of which all are required. */
  strength: { acr: readonly string[] | null, amr: readonly string[] } | null
}

/** Meaning of `access`. */
export interface Credentials extends Pick<CredentialDemand, 'isPublic' | 'schemes' | 'missing'> {
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
function assertAllowed (identity: Identity, demand: Demand, method: string, clock: Clock): void {
  if (demand.audience !== null && !identity.audiences.includes(demand.audience)) throw new (schemeOf(identity).errors.OtherAudience)({ cause: new Error('not for this audience') })
  for (const scope of demand.scopes) if (!identity.scopes.includes(scope)) throw new ScopeInsufficientError({ cause: new Error(`the scope ${scope} is missing`) })
  if (demand.stepUp !== null && (demand.stepUp.methods?.includes(method) ?? true)) assertRecent(identity, demand.stepUp.maxAgeSeconds, clock)
  if (demand.strength !== null) assertStrong(identity, demand.strength)
}

/** Throws StepUpRequiredError unless the subject authenticated in a required way (RFC 9470). An access token states the authentication of its issue. */
function assertStrong (identity: Identity, { acr, amr }: NonNullable<Demand['strength']>): void {
  if (acr !== null && !isOneOf(identity.acr, acr)) throw new StepUpRequiredError({ cause: new Error(`the acr is not ${acr.join(' or ')}`) })
  for (const method of amr) if (!identity.amr.includes(method)) throw new StepUpRequiredError({ cause: new Error(`the amr does not have ${method}`) })
}

/**
 * Throws StepUpRequiredError unless the subject authenticated within `maxAgeSeconds` (RFC 9470), by the clock that recorded the
 * authentication.
 */
export function assertRecent (identity: Pick<Identity, 'authTime'>, maxAgeSeconds: number, clock: Clock): void {
  if (seconds(clock.nowMs()) - identity.authTime > maxAgeSeconds) throw new StepUpRequiredError({ cause: new Error(`the authentication is older than ${maxAgeSeconds} s`) })
}

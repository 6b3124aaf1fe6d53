import { CsrfRefusedError } from '../../lib/errors.ts'
import { publish, sourceOf } from '../../lib/events.ts'
import { asError } from '../../lib/as-error.ts'
import { foreignReason, isForeign, isSafe } from '../../lib/http/csrf.ts'
import { loggedPath } from '../../lib/http/logged-path.ts'
import type { RequestFacts } from '../../lib/http/request-facts.ts'
import type { Identity } from '../../lib/identity.ts'
import type { Portcullis } from '../portcullis.ts'
import { assertAllowed, type Credentials, type Demand } from './demand.ts'
import { noteRefusedCaller } from './refused-callers.ts'
import type { Scheme } from './scheme.ts'
import { createVerifiers } from './schemes.ts'
import { VerificationCounts } from './verification-counts.ts'
import { Verifier } from './verifier.ts'

/**
 * Decides from the facts of a request whether it meets the requirements, and which caller it is from. It depends on no server, so that
 * every front end can use it.
 */
export class Judge {
  /** The schemes of this scope. */
  readonly schemes: readonly Scheme[]
  readonly verifications: VerificationCounts
  readonly #parts: Portcullis
  readonly #origin: string
  readonly #verifier: Verifier

  /** Creates the judge. `origin` is the one that browsers see; other origins may not cause state changes. */
  constructor (parts: Portcullis, origin: string) {
    const verifiers = createVerifiers(parts)
    this.schemes = verifiers.map(({ scheme }) => scheme)
    this.verifications = new VerificationCounts(this.schemes.map(({ name }) => name))
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
      throw challenged(error, demand)
    }
    if (!(identity instanceof Promise)) return this.#admit(facts, identity, demand)
    return identity.then(verified => this.#admit(facts, verified, demand), (error: unknown) => { throw challenged(error, demand) })
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
      throw challenged(error, demand)
    }
  }
}

/** Adds the challenge that tells the client which credential would be sufficient. Errors without a challenge are returned unchanged. */
export function challenged (thrown: unknown, { challenges, scopes, stepUp }: Pick<Credentials, 'challenges'> & Pick<Demand, 'scopes'> & { stepUp: { maxAgeSeconds: number } | null }): Error {
  const error: Error & { code?: string, headers?: object } = asError(thrown)
  const details = { scopes, ...stepUp === null ? {} : { maxAgeSeconds: stepUp.maxAgeSeconds } }
  const values = challenges.flatMap(challenge => challenge(error.code ?? '', details) ?? [])
  return values.length === 0 ? error : Object.assign(error, { headers: { ...error.headers, 'www-authenticate': values.join(', ') } })
}

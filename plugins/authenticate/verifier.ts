import { CredentialsAmbiguousError, CredentialsMissingError, StoreUnavailableError } from '../../lib/errors.ts'
import type { RequestFacts } from '../../lib/http/request-facts.ts'
import type { Identity } from '../../lib/identity.ts'
import { partOrNull, type Portcullis } from '../portcullis.ts'
import type { Scheme, SchemeVerifier } from './scheme.ts'
import { Durations } from '../../lib/histogram.ts'

/** Codes of errors that count as no credential if access is public: an invalid credential, or an unavailable store. */
const ignoredIfPublic = ['PTC_ERR_TOKEN_INVALID', 'PTC_ERR_SESSION_INVALID', 'PTC_ERR_STORE_UNAVAILABLE', 'PTC_ERR_ISSUER_UNAVAILABLE', 'PTC_ERR_CREDENTIALS_AMBIGUOUS', 'PTC_ERR_COOKIE_DUPLICATE']

/** Requirements of a route on the credential of a request. */
export interface CredentialDemand {
  /** True if a request without a valid credential is admitted too. */
  readonly isPublic: boolean
  /** Schemes of the accepted credentials. */
  readonly schemes: readonly Scheme[]
  /** Description of what a request without an accepted credential lacks, for the log. */
  readonly missing: string
  /** `strict`: the store decides about revocation, not the replica in this process. */
  readonly consistency: 'replica' | 'strict'
  /** False if the request leaves the idle time unchanged. */
  readonly isUse: boolean
  /** True if the Authorization header is for the upstream. */
  readonly ignoreBearer: boolean
}

/** The part that notes which access tokens have reached their clients. */
interface Receipts { noteReceived (identity: Identity): void }

/** Finds the only credential of a request, lets its scheme verify it, and checks that it has not been revoked. */
export class Verifier {
  readonly #parts: Portcullis
  readonly #verifiers: readonly SchemeVerifier[]
  readonly #ambient: readonly SchemeVerifier[]
  #knownReceipts: Receipts | null | undefined
  readonly #counts: VerificationCounts
  /** Source of the identity in the current verification. No other verification runs between its start and its result, or its promise. */
  #cache: VerificationCache = 'miss'

  constructor (parts: Portcullis, verifiers: readonly SchemeVerifier[], counts: VerificationCounts) {
    this.#parts = parts
    this.#verifiers = verifiers
    this.#ambient = verifiers.filter(({ scheme }) => scheme.isAmbient)
    this.#counts = counts
  }

  /**
   * Returns whether the request has a credential that a browser may have added automatically. A credential that cannot be read counts too.
   */
  hasAmbientCredential (facts: RequestFacts): boolean {
    try {
      for (const verifier of this.#ambient) if (verifier.read(facts) !== null) return true
      return false
    } catch {
      return true
    }
  }

  /** Returns null only if access is public, and a promise only if the store must be queried. */
  verify (facts: RequestFacts, demand: CredentialDemand): Identity | null | Promise<Identity | null> {
    if (demand.isPublic) return this.#verifyIfAny(facts, demand)
    const identity = this.#verify(facts, demand)
    if (identity === null) throw new CredentialsMissingError({ cause: new Error(demand.missing) })
    return identity
  }

  #verifyIfAny (facts: RequestFacts, demand: CredentialDemand): Identity | null | Promise<Identity | null> {
    try {
      const identity = this.#verify(facts, demand)
      return identity instanceof Promise ? identity.catch(nullIfPublic) : identity
    } catch (error) {
      return nullIfPublic(error)
    }
  }

  /** Returns null without a credential. This is common on public routes, and creating an error would cost more than a verification. */
  #verify (facts: RequestFacts, demand: CredentialDemand): Identity | null | Promise<Identity> {
    let found: SchemeVerifier | null = null
    let credential = ''
    for (const verifier of this.#verifiers) {
      if (demand.ignoreBearer && verifier.scheme.isInAuthorization) continue
      const text = verifier.read(facts)
      if (text === null) continue
      if (found !== null) throw new CredentialsAmbiguousError({ cause: new Error(`${found.scheme.title} and ${verifier.scheme.title}`) })
      found = verifier
      credential = text
    }
    return found === null || !demand.schemes.includes(found.scheme) ? null : this.#counted(found, credential, facts, demand)
  }

  #counted (verifier: SchemeVerifier, credential: string, facts: RequestFacts, demand: CredentialDemand): Identity | Promise<Identity> {
    const { name } = verifier.scheme
    const startedAt = this.#counts.start()
    this.#cache = 'miss'
    let identity: Identity | Promise<Identity>
    try {
      identity = this.#verifyBy(verifier, credential, facts, demand)
    } catch (error) {
      this.#counts.end(name, outcomeOf(error), this.#cache, startedAt)
      throw error
    }
    if (!(identity instanceof Promise)) {
      this.#counts.end(name, 'accepted', this.#cache, startedAt)
      return identity
    }
    return identity.then(verified => {
      this.#counts.end(name, 'accepted', 'miss', startedAt)
      return verified
    }, (error: unknown) => {
      this.#counts.end(name, outcomeOf(error), 'miss', startedAt)
      throw error
    })
  }

  #verifyBy (verifier: SchemeVerifier, credential: string, facts: RequestFacts, demand: CredentialDemand): Identity | Promise<Identity> {
    if (verifier.verifyInStore !== null && !this.#hasFreshReplica(demand)) return this.#verifyInStore(verifier, credential, facts, demand)
    const identity = verifier.verify(credential, facts, demand.isUse)
    if (identity instanceof Promise) return identity.then(async known => await this.#assertInForce(known, verifier, demand))
    if (verifier.isRemembered) this.#cache = 'hit'
    return this.#assertInForce(identity, verifier, demand)
  }

  /** Verifies by the record in the store, which decides alone: it must exist, not be cut, and have the presented secret. */
  async #verifyInStore (verifier: SchemeVerifier, credential: string, facts: RequestFacts, demand: CredentialDemand): Promise<Identity> {
    try {
      return this.#assertNotRevoked(await verifier.verifyInStore!(credential, facts, demand.isUse), verifier)
    } catch (error) {
      if (!(error instanceof StoreUnavailableError) || demand.consistency === 'strict' || !this.#parts.blocklist.mayAnswerStale()) throw error
      return this.#assertNotRevoked(await verifier.verify(credential, facts, demand.isUse), verifier)
    }
  }

  #assertInForce (identity: Identity, verifier: SchemeVerifier, demand: CredentialDemand): Identity | Promise<Identity> {
    this.#assertNotRevoked(identity, verifier)
    if (identity.generation !== null) this.#receipts()?.noteReceived(identity)
    if (verifier.verifyInStore !== null || this.#hasFreshReplica(demand)) return identity
    return this.#parts.blocklist.isGoodInStore(identity, demand.consistency === 'replica').then(isGood => {
      if (!isGood) throw revoked(verifier)
      return identity
    })
  }

  /** Returns the refresh token part. It is looked up at the first request, because no part is registered later. */
  #receipts (): Receipts | null {
    if (this.#knownReceipts === undefined) this.#knownReceipts = partOrNull(this.#parts, 'refreshToken')
    return this.#knownReceipts
  }

  #hasFreshReplica (demand: CredentialDemand): boolean {
    return demand.consistency === 'replica' && this.#parts.blocklist.isFresh()
  }

  /** Checks the replica for every request, even if the credential is cached. */
  #assertNotRevoked (identity: Identity, verifier: SchemeVerifier): Identity {
    if (this.#parts.blocklist.knowsAsRevoked(identity)) throw revoked(verifier)
    return identity
  }
}

function outcomeOf (error: unknown): VerificationOutcome {
  return error instanceof StoreUnavailableError ? 'unavailable' : 'refused'
}

function nullIfPublic (error: unknown): null {
  if (ignoredIfPublic.includes((error as { code?: string }).code ?? '')) return null
  throw error
}

function revoked ({ scheme }: SchemeVerifier): Error {
  return new scheme.errors.Revoked({ cause: new Error('revoked') })
}

type VerificationOutcome = 'accepted' | 'refused' | 'unavailable'
type VerificationCache = 'hit' | 'miss'

type ByOutcome = Record<VerificationOutcome, number>
type ByCache = Record<VerificationCache, ByOutcome>
type Credential = Identity['credential']

/** One verification in this many is timed: two reads of the clock cost as much as the rest of a cached verification. */
const timedShare = 64

/** Outcomes of the presented credentials, counted in plain numbers, so that a request costs almost nothing. */
export class VerificationCounts {
  readonly byCredential: Readonly<Record<Credential, ByCache>>
  readonly durations = new Durations([0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5])
  #sinceTimed = timedShare - 1

  constructor (credentials: readonly Credential[]) {
    this.byCredential = Object.fromEntries(credentials.map(credential => [credential, byCache()])) as Record<Credential, ByCache>
  }

  /** Returns the start of a verification, or 0 if it is not timed. */
  start (): number {
    if (++this.#sinceTimed < timedShare) return 0
    this.#sinceTimed = 0
    return performance.now()
  }

  end (credential: Credential, outcome: VerificationOutcome, cache: VerificationCache, startedAt: number): void {
    this.byCredential[credential][cache][outcome]++
    if (startedAt !== 0) this.durations.add((performance.now() - startedAt) / 1000)
  }
}

function byCache (): ByCache {
  const none = (): ByOutcome => ({ accepted: 0, refused: 0, unavailable: 0 })
  return { hit: none(), miss: none() }
}

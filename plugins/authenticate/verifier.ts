import type { FastifyRequest } from 'fastify'
import { readBearer } from '../../lib/http/bearer.ts'
import { CredentialsAmbiguousError, CredentialsMissingError, SessionInvalidError, StoreUnavailableError, TokenInvalidError } from '../../lib/errors.ts'
import type { Identity } from '../../lib/principal.ts'
import type { VerificationCache, VerificationCounts, VerificationOutcome } from './verification-counts.ts'
import { partOrNull, type Portcullis } from '../portcullis.ts'
import type { RefreshToken } from '../refresh-token.ts'
import type { Demand } from './demand.ts'

const nobodysErrors = ['PTC_ERR_TOKEN_INVALID', 'PTC_ERR_SESSION_INVALID', 'PTC_ERR_STORE_UNAVAILABLE', 'PTC_ERR_ISSUER_UNAVAILABLE', 'PTC_ERR_CREDENTIALS_AMBIGUOUS', 'PTC_ERR_COOKIE_DUPLICATE']

/** What a request without a credential that counts here lacks. */
const missing = {
  any: 'neither a session cookie nor an access token',
  session: 'no session cookie; access tokens do not count here',
  token: 'no access token; session cookies do not count here'
}

/** Finds the one credential of a request, verifies it, and asks whether it is still good. */
export class Verifier {
  readonly #parts: Portcullis
  #knownRefreshToken: RefreshToken | null | undefined
  readonly #counts: VerificationCounts
  /** Of the verification that is under way: nothing comes between its start and its answer, or its promise. */
  #cache: VerificationCache = 'miss'

  constructor (parts: Portcullis, counts: VerificationCounts) {
    this.#parts = parts
    this.#counts = counts
  }

  /** Whether a browser's own credential is in play; a duplicate is one too. */
  hasSessionCookie (request: FastifyRequest): boolean {
    try {
      return this.#parts.cookies.read(request, 'session') !== null
    } catch {
      return true
    }
  }

  /** Null only where access is public. A promise only when the store has to be asked. */
  verify (request: FastifyRequest, demand: Demand): Identity | null | Promise<Identity | null> {
    if (demand.access === 'public') return this.#verifyIfAny(request, demand)
    const identity = this.#verify(request, demand)
    if (identity === null) throw new CredentialsMissingError({ cause: new Error(missing[demand.access]) })
    return identity
  }

  #verifyIfAny (request: FastifyRequest, demand: Demand): Identity | null | Promise<Identity | null> {
    try {
      const identity = this.#verify(request, demand)
      return identity instanceof Promise ? identity.catch(nobody) : identity
    } catch (error) {
      return nobody(error)
    }
  }

  /** Null without a credential: on public routes that is the ordinary case, and to make an error costs more than to verify. */
  #verify (request: FastifyRequest, demand: Demand): Identity | null | Promise<Identity> {
    const cookie = this.#parts.cookies.read(request, 'session')
    const bearer = demand.ignoreBearer ? null : readBearer(request.raw)
    if (cookie !== null && bearer !== null) throw new CredentialsAmbiguousError({ cause: new Error('a session cookie and an access token') })
    if (cookie !== null && demand.access !== 'token') return this.#counted(request, 'session', cookie, demand)
    if (bearer !== null && demand.access !== 'session') return this.#counted(request, 'token', bearer, demand)
    return null
  }

  #counted (request: FastifyRequest, credential: 'session' | 'token', text: string, demand: Demand): Identity | Promise<Identity> {
    const startedAt = this.#counts.start()
    this.#cache = 'miss'
    let identity: Identity | Promise<Identity>
    try {
      identity = credential === 'session' ? this.#ofCookie(request, text, demand) : this.#ofToken(this.#verifyToken(text), demand)
    } catch (error) {
      this.#counts.end(credential, outcomeOf(error), this.#cache, startedAt)
      throw error
    }
    if (!(identity instanceof Promise)) {
      this.#counts.end(credential, 'accepted', this.#cache, startedAt)
      return identity
    }
    return identity.then(verified => {
      this.#counts.end(credential, 'accepted', 'miss', startedAt)
      return verified
    }, (error: unknown) => {
      this.#counts.end(credential, outcomeOf(error), 'miss', startedAt)
      throw error
    })
  }

  #verifyToken (token: string): Identity | Promise<Identity> {
    const { accessToken } = this.#parts
    const before = accessToken.checked
    const identity = accessToken.verify(token)
    if (accessToken.checked === before) this.#cache = 'hit'
    return identity
  }

  #ofCookie (request: FastifyRequest, cookie: string, demand: Demand): Identity | Promise<Identity> {
    if (!this.#hasFreshReplica(demand)) return this.#ofCookieInStore(request, cookie, demand)
    const identity = this.#parts.session.resolve(cookie, demand.isUse, request)
    if (identity instanceof Promise) return identity.then(known => this.#assertNotRevoked(known))
    this.#cache = 'hit'
    return this.#assertNotRevoked(identity)
  }

  /** The record itself says all: whether it is there, not cut off, and which secret is the right one. */
  async #ofCookieInStore (request: FastifyRequest, cookie: string, demand: Demand): Promise<Identity> {
    const { session, blocklist } = this.#parts
    try {
      return this.#assertNotRevoked(await session.resolveInStore(cookie, demand.isUse, request))
    } catch (error) {
      if (!(error instanceof StoreUnavailableError) || demand.consistency === 'strict' || !blocklist.mayAnswerStale()) throw error
      return this.#assertNotRevoked(await session.resolve(cookie, demand.isUse, request))
    }
  }

  #ofToken (identity: Identity | Promise<Identity>, demand: Demand): Identity | Promise<Identity> {
    if (identity instanceof Promise) return identity.then(async known => await this.#ofToken(known, demand))
    this.#assertNotRevoked(identity)
    if (identity.generation !== null) this.#refreshToken()?.noteReceived(identity)
    if (this.#hasFreshReplica(demand)) return identity
    return this.#parts.blocklist.isGoodInStore(identity, demand.consistency === 'replica').then(isGood => {
      if (!isGood) throw refused(identity)
      return identity
    })
  }

  /** Looked up at the first request: no part is registered after it. */
  #refreshToken (): RefreshToken | null {
    if (this.#knownRefreshToken === undefined) this.#knownRefreshToken = partOrNull(this.#parts, 'refreshToken')
    return this.#knownRefreshToken
  }

  #hasFreshReplica (demand: Demand): boolean {
    return demand.consistency === 'replica' && this.#parts.blocklist.isFresh()
  }

  /** Every request asks the replica, whatever was remembered of the credential. */
  #assertNotRevoked (identity: Identity): Identity {
    if (this.#parts.blocklist.knowsAsRevoked(identity)) throw refused(identity)
    return identity
  }
}

function outcomeOf (error: unknown): VerificationOutcome {
  return error instanceof StoreUnavailableError ? 'unavailable' : 'refused'
}

/** On a public route a bad credential, or a store that is away, is the same as none. */
function nobody (error: unknown): null {
  if (nobodysErrors.includes((error as { code?: string }).code ?? '')) return null
  throw error
}

function refused ({ credential }: Identity): Error {
  const cause = new Error('revoked')
  return credential === 'token' ? new TokenInvalidError({ cause }) : new SessionInvalidError({ cause })
}

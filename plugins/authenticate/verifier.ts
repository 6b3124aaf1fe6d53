import type { FastifyInstance, FastifyRequest } from 'fastify'
import { readBearer } from '../../lib/bearer.ts'
import { CredentialsAmbiguousError, CredentialsMissingError, SessionInvalidError, TokenInvalidError } from '../../lib/errors.ts'
import type { Identity } from '../../lib/identity.ts'
import type { Portcullis } from '../portcullis.ts'
import type { Demand } from './demand.ts'

const nobodysErrors = ['PTC_ERR_TOKEN_INVALID', 'PTC_ERR_SESSION_INVALID', 'PTC_ERR_STORE_UNAVAILABLE', 'PTC_ERR_CREDENTIALS_AMBIGUOUS', 'PTC_ERR_COOKIE_DUPLICATE']

/** Finds the one credential of a request, verifies it, and asks whether it is still good. */
export class Verifier {
  /** Refresh tokens are not everybody's, and may be registered later. */
  readonly #parts: Omit<Portcullis, 'refreshToken'> & Partial<Portcullis>

  constructor (fastify: FastifyInstance) {
    this.#parts = fastify.portcullis
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
    if (identity === null) throw new CredentialsMissingError()
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
    if (cookie !== null && bearer !== null) throw new CredentialsAmbiguousError()
    if (cookie !== null && demand.access !== 'token') return this.#judge(this.#parts.session.resolve(cookie, demand.isUse), demand)
    if (bearer !== null && demand.access !== 'session') return this.#judge(this.#parts.accessToken.verify(bearer), demand)
    return null
  }

  #judge (identity: Identity | Promise<Identity>, demand: Demand): Identity | Promise<Identity> {
    return identity instanceof Promise ? identity.then(async known => await this.#assertStillGood(known, demand)) : this.#assertStillGood(identity, demand)
  }

  /** Every request asks the replica, whatever was remembered of the credential. */
  #assertStillGood (identity: Identity, demand: Demand): Identity | Promise<Identity> {
    const { blocklist, refreshToken } = this.#parts
    if (blocklist.knowsAsRevoked(identity)) throw refused(identity)
    if (identity.generation !== null) refreshToken?.noteReceived(identity)
    if (demand.consistency === 'replica' && blocklist.isFresh()) return identity
    return blocklist.isGoodInStore(identity, demand.consistency === 'replica').then(isGood => {
      if (!isGood) throw refused(identity)
      return identity
    })
  }
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

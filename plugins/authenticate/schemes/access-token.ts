import { TokenInvalidError } from '../../../lib/errors.ts'
import { readBearer } from '../../../lib/http/credentials.ts'
import { challengeFor } from '../../../lib/http/challenge.ts'
import type { RequestFacts } from '../../../lib/http/request-facts.ts'
import { isForeignToken, type Identity } from '../../../lib/identity.ts'
import { partOrNull, type Portcullis } from '../../portcullis.ts'
import type { Scheme, SchemeVerifier } from '../scheme.ts'

/**
 * An access token as a bearer token (RFC 6750), from this gateway or from another issuer. They differ only in the keys that verify them
 * (plugins/access-token.ts), and in that another issuer's token represents no session of the gateway.
 */
export const accessToken: Scheme = {
  name: 'token',
  title: 'an access token',
  plugin: 'portcullis-access-token',
  accesses: ['any', 'token', 'public'],
  isInAuthorization: true,
  headers: [],
  isAmbient: false,
  errors: { Revoked: TokenInvalidError, OtherAudience: TokenInvalidError },
  challenge: challengeFor,
  // Clients replace a token of the gateway while its session continues. Another issuer's token has no session.
  streams: { endMs: identity => isForeignToken(identity) ? (identity.expiresAt + 1) * 1000 : Infinity, asksStore: true, hasDevice: false },
  documentedAs: 'accessToken',
  document: () => ({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' }),
  create: parts => partOrNull(parts, 'accessToken') === null ? null : new AccessTokens(parts)
}

class AccessTokens implements SchemeVerifier {
  readonly scheme = accessToken
  readonly verifyInStore = null
  isRemembered = false
  readonly #parts: Portcullis

  constructor (parts: Portcullis) {
    this.#parts = parts
  }

  read ({ raw }: RequestFacts): string | null {
    return readBearer(raw)
  }

  verify (token: string): Identity | Promise<Identity> {
    const { accessToken } = this.#parts
    const before = accessToken.checked
    const identity = accessToken.verify(token)
    this.isRemembered = accessToken.checked === before
    return identity
  }
}

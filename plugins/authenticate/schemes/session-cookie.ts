import { ScopeInsufficientError, SessionInvalidError } from '../../../lib/errors.ts'
import { challengeFor } from '../../../lib/http/challenge.ts'
import type { RequestFacts } from '../../../lib/http/request-facts.ts'
import type { Identity } from '../../../lib/identity.ts'
import type { Portcullis } from '../../portcullis.ts'
import type { Scheme, SchemeVerifier } from '../scheme.ts'

/** The cookie of a session whose state is in the store. Its device cookie is checked with it (plugins/session/resolver.ts). */
export const sessionCookie: Scheme = {
  name: 'session',
  title: 'a session cookie',
  plugin: 'portcullis-session',
  accesses: ['any', 'session', 'public'],
  isInAuthorization: false,
  headers: [],
  isAmbient: true,
  // A session that was opened for other audiences remains valid, but is not sufficient for this route.
  errors: { Revoked: SessionInvalidError, OtherAudience: ScopeInsufficientError },
  challenge: challengeFor,
  streams: { endMs: ({ expiresAt }) => (expiresAt + 1) * 1000, asksStore: false, hasDevice: true },
  documentedAs: 'sessionCookie',
  document: ({ cookies }) => ({ type: 'apiKey', in: 'cookie', name: cookies.describe('session').name }),
  create: parts => new SessionCookies(parts)
}

class SessionCookies implements SchemeVerifier {
  readonly scheme = sessionCookie
  /** True, because a session that is not cached is read from the store, which returns a promise. */
  readonly isRemembered = true
  readonly #parts: Portcullis

  constructor (parts: Portcullis) {
    this.#parts = parts
  }

  read (facts: RequestFacts): string | null {
    return this.#parts.cookies.read(facts, 'session')
  }

  verify (cookie: string, facts: RequestFacts, isUse: boolean): Identity | Promise<Identity> {
    return this.#parts.session.resolve(cookie, isUse, facts)
  }

  async verifyInStore (cookie: string, facts: RequestFacts, isUse: boolean): Promise<Identity> {
    return await this.#parts.session.resolveInStore(cookie, isUse, facts)
  }
}

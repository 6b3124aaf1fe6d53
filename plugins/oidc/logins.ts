import type { FastifyReply, FastifyRequest } from 'fastify'
import { StoreUnavailableError } from '../../lib/errors.ts'
import { formatTransaction, loginIdOf, loginLifetimeMs, loginsToRemove, parseTransaction, type KnownLogin, type LoginTransaction, type TransactionBinding } from '../../lib/oidc/transaction.ts'
import { seal, sha256, unseal, type DerivedSecret } from '../../lib/secrets.ts'
import type { Portcullis } from '../portcullis.ts'

/** Sign-ins at identity providers that browsers have under way, in sealed cookies. */
export interface Logins {
  /**
   * Sets the cookie of a sign-in. The browser keeps at most five, so the oldest are deleted; `replaces` is the `state` of one that it
   * continues.
   */
  begin (reply: FastifyReply, transaction: LoginTransaction, options?: { replaces?: string | undefined }): void
  /**
   * Returns the sign-in of this browser to which an answer with this `state` belongs; null without one, or if it has expired. Throws
   * CookieDuplicateError if its cookie is present twice, and StoreUnavailableError if it was sealed under a secret that this process does not
   * have (yet).
   */
  find (request: Pick<FastifyRequest, 'headers' | 'server'>, state: string): LoginTransaction | null
  /** Uses a sign-in up. Resolves to true for exactly one caller in all processes. */
  use (transaction: LoginTransaction): Promise<boolean>
  /** Deletes the cookie of a sign-in in the browser. */
  end (reply: FastifyReply, state: string): void
  /** Seals an ID token for the record of a session; null if it is too long to keep. */
  sealIdToken (provider: string, idToken: string): string | null
  /** Opens a sealed ID token; null if it was sealed under another secret. */
  openIdToken (provider: string, sealed: string): string | null
}

/** Maximum length of an ID token that is kept, in characters. A longer one is no hint at sign-out, because the address would be too long. */
const longestIdToken = 6000
/** Maximum number of cookies that one response deletes. */
const mostDeletions = 20

/** Creates the sign-ins of a scope. Its first secret seals. */
export function createLogins ({ store, cookies }: Pick<Portcullis, 'store' | 'cookies'>, secrets: readonly [DerivedSecret, ...DerivedSecret[]]): Logins {
  const bindingOf = (prefix: string): TransactionBinding => ({ origin: cookies.origin, prefix })
  const isOver = ({ beganAtMs }: LoginTransaction): boolean => store.nowMs() >= beganAtMs + loginLifetimeMs

  function known (request: FastifyRequest): KnownLogin[] {
    return [...cookies.readLogins(request)].map(([id, value]) => {
      const parsed = parseTransaction(secrets, id, value, bindingOf(request.server.prefix))
      // A transaction that another process has sealed under a secret that is being rolled out is as old as can be, and not useless.
      const beganAtMs = parsed.result === 'unknown-key' ? 0 : parsed.result === 'genuine' && !isOver(parsed.transaction) ? parsed.transaction.beganAtMs : null
      return { id, bytes: cookies.loginName(id).length + 1 + value.length, beganAtMs }
    })
  }

  return {
    begin (reply, transaction, { replaces } = {}) {
      const id = loginIdOf(transaction.state)
      const value = formatTransaction(secrets[0], transaction, bindingOf(reply.server.prefix))
      const replaced = replaces === undefined ? null : loginIdOf(replaces)
      if (replaced !== null) cookies.clearLogin(reply, replaced)
      const others = known(reply.request).filter(login => login.id !== replaced)
      for (const other of loginsToRemove(others, cookies.loginName(id).length + 1 + value.length).slice(0, mostDeletions)) cookies.clearLogin(reply, other)
      cookies.setLogin(reply, id, value, loginLifetimeMs / 1000)
    },
    find (request, state) {
      const id = loginIdOf(state)
      const value = cookies.readLogin(request, id)
      if (value === null) return null
      const parsed = parseTransaction(secrets, id, value, bindingOf(request.server.prefix))
      if (parsed.result === 'unknown-key') throw new StoreUnavailableError({ cause: new Error('a sign-in of a secret that is not known here (yet)') })
      return parsed.result === 'genuine' && parsed.transaction.state === state && !isOver(parsed.transaction) ? parsed.transaction : null
    },
    // The state must stay used for as long as the sign-in is valid by the clock of any process.
    use: async ({ state }) => await store.useOnce(`login:${sha256(state)}`, 2 * loginLifetimeMs),
    end: (reply, state) => { cookies.clearLogin(reply, loginIdOf(state)) },
    sealIdToken: (provider, idToken) => idToken.length > longestIdToken ? null : seal(secrets[0], idToken, idTokenContext(provider), 'loginKey'),
    openIdToken: (provider, sealed) => unseal(secrets, sealed, idTokenContext(provider), 'loginKey')
  }
}

function idTokenContext (provider: string): string {
  return `id token v1 ${provider}`
}

import type { FastifyReply, FastifyRequest } from 'fastify'
import { LoginForbiddenError, LoginInvalidError } from '../../lib/errors.ts'
import type { LoginTransaction } from '../../lib/oidc/transaction.ts'
import type { SessionRecord } from '../../lib/session/record.ts'
import type { Authenticated, Provider } from '../../plugins/oidc/provider.ts'
import { partOrNull, type Portcullis } from '../../plugins/portcullis.ts'
import { addressKey } from '../../plugins/rate-limit/budget.ts'
import { assertNoCookieTwice, findCarried } from '../../plugins/session/carried-sessions.ts'
import { beginLogin } from './begin.ts'
import { openAtProvider, type Opened } from './open.ts'
import { refused, type Reason } from './refusal.ts'
import { stepUpAtProvider } from './step-up.ts'

export interface CompleteOptions {
  provider: Provider
  /** Parameters of the answer. */
  query: URLSearchParams
  origin: string
  audiences: string[]
  portcullis: Portcullis
}

/** Where the browser goes: back, or to the provider again. A path of null is the default. */
export type Completed = { to: 'return', path: string | null } | { to: 'provider', address: string }

/** Maximum number of times that a sign-in starts again by itself. */
const mostRestarts = 2
/** Difference that is tolerated between the clock of a provider and that of the store, in milliseconds. */
const toleranceMs = 5000

/**
 * Completes a sign-in or a step-up with the answer of a provider. Rejects with LoginInvalidError, LoginForbiddenError or
 * ProviderUnavailableError; no session has then changed. A browser that has been signed in meanwhile goes on without a second answer.
 */
export async function completeLogin (reply: FastifyReply, options: CompleteOptions): Promise<Completed> {
  const { provider, query, portcullis } = options
  const { request } = reply
  const { oidc: { logins } } = portcullis
  assertNoCookieTwice(request, portcullis)
  const state = query.get('state')
  const transaction = state === null ? null : logins.find(request, state)
  if (transaction === null) {
    if (await currentSession(request, options) !== null) return { to: 'return', path: null }
    throw refused(request, { provider: provider.name, reason: 'no-transaction', portcullis }, new LoginInvalidError({ cause: new Error('no sign-in of this browser is under way') }))
  }
  if (transaction.provider !== provider.name) throw refused(request, { provider: provider.name, reason: 'mix-up', portcullis }, new LoginInvalidError({ cause: new Error('the sign-in was begun at another provider') }))
  if (transaction.stepUpSid === null && await isSignedInSince(request, transaction, options)) {
    logins.end(reply, transaction.state)
    return { to: 'return', path: transaction.returnTo }
  }
  if (!await logins.use(transaction)) return await startAgain(reply, transaction, { ...options, demands: transaction.demands, reason: 'repeated' })
  return await countFailures(request, portcullis, async () => await redeem(reply, transaction, options))
}

/** Returns the session of the request, if it is valid. Queries the store. */
async function currentSession (request: FastifyRequest, { origin, portcullis }: CompleteOptions): Promise<SessionRecord | null> {
  if (portcullis.cookies.read(request, 'session') === null) return null
  try {
    const { sid } = await portcullis.identify(request, { audience: origin, access: 'session', consistency: 'strict', isUse: false })
    return sid === null ? null : await portcullis.session.read(sid)
  } catch (error) {
    const { statusCode = 500 } = error as { statusCode?: number }
    if (statusCode === 401 || statusCode === 403) return null
    throw error
  }
}

async function isSignedInSince (request: FastifyRequest, { beganAtMs }: LoginTransaction, options: CompleteOptions): Promise<boolean> {
  const record = await currentSession(request, options)
  return record !== null && record.createdAtMs >= beganAtMs
}

/** Redeems the answer. The cookie of the sign-in is deleted unless the outcome is unknown (503). */
async function redeem (reply: FastifyReply, transaction: LoginTransaction, options: CompleteOptions): Promise<Completed> {
  const { provider, query, portcullis } = options
  const { request } = reply
  const { demands, state, returnTo } = transaction
  portcullis.oidc.logins.end(reply, state)
  // The carried sessions are read first. A user who is signed out in between would otherwise be signed in again by the new session.
  await findCarried(reply, portcullis)
  const user = await redeemAnswer(request, { provider, query, transaction, portcullis })
  if (user === 'weak') return await startAgain(reply, transaction, { ...options, demands: { ...demands, prompt: 'login' }, reason: 'denied' })
  if (!isRecent(user, transaction)) throw refused(request, { provider: provider.name, reason: 'not-recent', subject: `${provider.name}|${user.sub}`, portcullis }, new LoginForbiddenError({ cause: new Error('the provider did not authenticate the user again') }))
  const opened: Opened = transaction.stepUpSid === null
    ? await openAtProvider(reply, user, { ...options, transaction })
    : await stepUpAtProvider(reply, user, { ...options, transaction, sid: transaction.stepUpSid })
  if (opened === 'done') return { to: 'return', path: returnTo }
  return await startAgain(reply, transaction, { ...options, demands: { ...demands, prompt: 'login', maxAgeSeconds: 0 }, reason: 'not-recent' })
}

/** Returns the user; `weak` if the provider has signed the user in silently with less strength than demanded, because it may ignore `acr_values`. */
async function redeemAnswer (request: FastifyRequest, { provider, query, transaction, portcullis }: Pick<CompleteOptions, 'provider' | 'query' | 'portcullis'> & { transaction: LoginTransaction }): Promise<Authenticated | 'weak'> {
  const { state, nonce, codeVerifier, demands } = transaction
  try {
    return await provider.redeem(query, { state, nonce, codeVerifier }, demands)
  } catch (error) {
    const { code, cause } = error as { code?: string, cause?: unknown }
    if (code === 'PTC_ERR_LOGIN_FORBIDDEN' && cause instanceof Error && cause.message === 'acr' && demands.prompt !== 'login' && transaction.restarts < mostRestarts) return 'weak'
    throw refused(request, { provider: provider.name, reason: reasons[code ?? ''] ?? 'invalid', portcullis }, error as Error)
  }
}

const reasons: Record<string, Reason> = { PTC_ERR_LOGIN_FORBIDDEN: 'denied', PTC_ERR_PROVIDER_UNAVAILABLE: 'unavailable' }

/** Returns whether the authentication is as recent as was demanded when the sign-in began. Without a stated time it never is. */
function isRecent ({ authTime }: Authenticated, { demands: { prompt, maxAgeSeconds }, beganAtMs }: LoginTransaction): boolean {
  const maxAge = prompt === 'login' ? 0 : maxAgeSeconds
  // The provider states a second, within which the authentication may be as late as 999 ms.
  return maxAge === undefined || (authTime !== null && authTime * 1000 + 999 + toleranceMs >= beganAtMs - maxAge * 1000)
}

/** Sends the browser to the provider again. Rejects with LoginInvalidError if that was done too often. */
async function startAgain (reply: FastifyReply, { state, restarts, returnTo, stepUpSid }: LoginTransaction, { provider, demands, reason, portcullis }: Pick<CompleteOptions, 'provider' | 'portcullis'> & Pick<LoginTransaction, 'demands'> & { reason: Reason }): Promise<Completed> {
  if (restarts >= (reason === 'repeated' ? 1 : mostRestarts)) {
    portcullis.oidc.logins.end(reply, state)
    throw refused(reply.request, { provider: provider.name, reason, portcullis }, new LoginInvalidError({ cause: new Error('the sign-in has started again too often') }))
  }
  return { to: 'provider', address: await beginLogin(reply, { provider, returnTo, demands, stepUpSid, portcullis }, { restarts: restarts + 1, replaces: state }) }
}

/** Counts failures by the client's address, in the budget of sign-ins. A success and an outage count for nothing. */
async function countFailures (request: FastifyRequest, portcullis: Portcullis, complete: () => Promise<Completed>): Promise<Completed> {
  const rateLimit = partOrNull(portcullis, 'rateLimit')
  if (rateLimit === null) return await complete()
  let failure: unknown
  const completed = await rateLimit.attempt(request, `provider ${addressKey(request)}`, async () => {
    try {
      return await complete()
    } catch (error) {
      if (((error as { statusCode?: number }).statusCode ?? 500) >= 500) throw error
      failure = error
      return null
    }
  })
  if (completed === null) throw failure
  return completed
}

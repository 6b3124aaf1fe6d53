import { LoginForbiddenError, LoginInvalidError, ProviderUnavailableError } from '../../lib/errors.ts'
import { RequestFailure } from './bounded-fetch.ts'

/* The errors of openid-client and of fetch, as those of this package. A reason contains nothing that the provider or a client wrote, except names. */

/** Answers with which a provider states that this user may not sign in now (OpenID Connect Core 1.0, section 3.1.2.6; RFC 6749, section 4.1.2.1). */
const refusals = ['access_denied', 'login_required', 'consent_required', 'interaction_required', 'account_selection_required', 'unmet_authentication_requirements']
const outages = ['server_error', 'temporarily_unavailable']
/** Answers that the operator has to resolve, because the provider does not accept this client. */
const misconfigurations = ['invalid_client', 'unauthorized_client', 'invalid_request_uri', 'request_uri_not_supported', 'invalid_scope', 'unsupported_response_type', 'invalid_redirect_uri']

interface ClientFailure { name?: unknown, code?: unknown, error?: unknown, status?: unknown, cause?: unknown }

/** Returns the error of this package for a failure while a sign-in is completed, with its reason as `cause`. */
export function loginFailure (thrown: unknown): Error {
  if (thrown instanceof LoginInvalidError || thrown instanceof LoginForbiddenError || thrown instanceof ProviderUnavailableError) return thrown
  const { code } = thrown as ClientFailure
  const answer = answerOf(thrown as ClientFailure)
  if (answer !== null && refusals.includes(answer)) return new LoginForbiddenError({ cause: new Error(answer) })
  if (isOutage(thrown)) return providerFailure(thrown)
  if (answer !== null && misconfigurations.includes(answer)) return unavailable(`the provider does not accept this client: ${answer}`)
  return new LoginInvalidError({ cause: new Error(answer ?? nameOf(code) ?? 'invalid') })
}

/** Returns the error for a failure to reach the provider, or to understand what it publishes. */
export function providerFailure (thrown: unknown): Error {
  if (thrown instanceof ProviderUnavailableError) return thrown
  return unavailable(reasonOf(thrown))
}

function unavailable (reason: string): Error {
  return Object.assign(new ProviderUnavailableError({ cause: new RequestFailure(reason) }), { headers: { 'retry-after': '2' } })
}

/** Returns the reason of a failure for the log: codes and texts of this package, and nothing of a response. */
export function reasonOf (thrown: unknown): string {
  const chain = chainOf(thrown instanceof ProviderUnavailableError ? thrown.cause : thrown)
  const [known] = chain.flatMap(error => error instanceof RequestFailure ? error.message : error instanceof Response && !error.ok ? `status ${error.status}` : [])
  if (known !== undefined) return known
  const [name = 'unknown'] = chain.flatMap((error: ClientFailure) => answerOf(error) ?? nameOf(error.code) ?? (slow.includes(String(error.name)) || error.name === 'AbortError' ? String(error.name) : []))
  return slow.includes(name) ? 'no answer in time' : name
}

const slow = ['OAUTH_TIMEOUT', 'TimeoutError']

/** Returns an error with its causes. */
function chainOf (thrown: unknown): object[] {
  const chain: object[] = []
  for (let error = thrown; typeof error === 'object' && error !== null && chain.length < 6; error = (error as ClientFailure).cause) chain.push(error)
  return chain
}

function isOutage (thrown: unknown): boolean {
  const { name, code, error, status, cause } = thrown as ClientFailure
  if (thrown instanceof RequestFailure || cause instanceof RequestFailure) return true
  if (outages.includes(String(error)) || isBusy(status) || (cause instanceof Response && isBusy(cause.status))) return true
  return ['OAUTH_TIMEOUT', 'OAUTH_ABORT', 'ECONNREFUSED', 'ECONNRESET'].includes(String(code)) || ['TimeoutError', 'AbortError'].includes(String(name)) || isFailedFetch(thrown)
}

/** Returns whether a status means that the same request may succeed later. */
function isBusy (status: unknown): boolean {
  return typeof status === 'number' && (status >= 500 || status === 429)
}

function isFailedFetch (thrown: unknown): boolean {
  const inner = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown
  return [thrown, inner].some(error => error instanceof TypeError && error.message === 'fetch failed')
}

/**
 * Returns the name of the error that the provider answered; null if it named none. A challenge for other schemes than those of access tokens
 * means that the provider does not accept the client (RFC 6749, section 5.2).
 */
function answerOf ({ code, error, cause }: ClientFailure): string | null {
  const isForClient = code === 'OAUTH_WWW_AUTHENTICATE_CHALLENGE' && Array.isArray(cause) && !cause.some(({ scheme }: { scheme?: unknown }) => /^(?:bearer|dpop)$/i.test(String(scheme)))
  return isForClient ? 'invalid_client' : nameOf(error)
}

/** Returns a text if it is a name such as `invalid_grant`, and null for everything else that a provider may write. */
function nameOf (text: unknown): string | null {
  return typeof text === 'string' && /^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(text) ? text : null
}

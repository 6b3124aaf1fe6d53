import { randomBytes } from 'node:crypto'
import { checkOptions } from '../../lib/check-options.ts'
import { createBoundedFetch } from './bounded-fetch.ts'
import type { ProviderClient } from './client.ts'
import { createClient } from './create-client.ts'
import { providerOptions, type CheckedProvider, type ProviderOptions } from './provider-options.ts'
import type { Discovered } from './discovered.ts'
import { examineMetadata } from './examine-metadata.ts'
import { explainDiscovery } from './explain-discovery.ts'
import { reasonOf } from './failures.ts'
import { fault, note, type Finding } from './finding.ts'

/* An examination of a provider before users sign in: whether it can be reached, and whether it knows this client as the settings say. */

export interface ExamineOptions {
  provider: ProviderOptions
  /** Address to which the provider redirects browsers. */
  redirectUri: string
  /** Address to which the provider redirects browsers after a sign-out there. */
  postLogoutUri: string
}

interface Examined extends Omit<ExamineOptions, 'provider'> {
  provider: CheckedProvider
  client: ProviderClient
  discovered: Discovered
}

/**
 * Asks a provider for its configuration and its keys, redeems an invented code, and asks for a sign-in without a user. No redirect is
 * followed. Each request ends after five seconds, and at most three follow each other. Rejects with ConfigInvalidError if the options are not valid.
 */
export async function examineProvider ({ provider: options, redirectUri, postLogoutUri }: ExamineOptions): Promise<Finding[]> {
  const provider = checkOptions('portcullis-oidc', providerOptions, options)
  const client = await createClient(provider, { redirectUri, now: Date.now, onProblem () {} })
  try {
    const discovered = await client.prepare()
    const examined = { provider, redirectUri, postLogoutUri, client, discovered }
    const metadata = examineMetadata(discovered.configuration.serverMetadata(), provider)
    const answers = await Promise.all([examineKeys(examined), examineAuthentication(examined), examineRedirect(examined), examineLogout(examined)])
    return [...metadata, ...answers.flat()]
  } catch (error) {
    return [fault('issuer', await explainDiscovery(error, provider.issuer))]
  } finally {
    await client.stop()
  }
}

async function examineKeys ({ discovered: { keys, configuration } }: Examined): Promise<Finding[]> {
  if (await keys.lookAgain()) return []
  return [fault('issuer', `the keys at ${configuration.serverMetadata().jwks_uri} cannot be read, or are no JWK set; see that this machine reaches the address`)]
}

/** Redeems a code that was never issued. A provider authenticates the client before it looks at the code. */
async function examineAuthentication ({ provider, client, discovered }: Examined): Promise<Finding[]> {
  const secrets = inventSecrets()
  const reason = await reasonFrom(client.redeem(new URLSearchParams({ code: randomBytes(32).toString('base64url'), state: secrets.state, iss: discovered.issuer }), secrets, {}))
  if (reason === 'invalid_grant') return []
  const isKey = provider.privateKey !== undefined
  const setting = isKey ? 'privateKey' : 'clientSecret'
  if (reason === 'invalid_client' || reason === 'unauthorized_client') {
    return [fault(setting, `the provider does not accept it for the client ${provider.clientId} (${reason}); ${isKey ? 'register its public key there' : 'copy the id and the secret from the provider again'}`)]
  }
  return [note(setting, `whether the provider accepts it is not known: its answer to an invented code was ${reason}`)]
}

async function examineRedirect (examined: Examined): Promise<Finding[]> {
  const { client, discovered } = examined
  let address: string
  try {
    address = await client.authorizationUrl(inventSecrets(), {})
  } catch (error) {
    return explainPushed(reasonOf(error), examined)
  }
  // A pushed request was accepted with its redirect URI (RFC 9126, section 2.1).
  if (discovered.configuration.serverMetadata().pushed_authorization_request_endpoint !== undefined) return []
  const silent = new URL(address)
  silent.searchParams.set('prompt', 'none')
  const response = await ask(silent, discovered)
  return typeof response === 'string' ? [note('clientId', `whether the redirect URI is registered is not known: ${response}`)] : explainReturn(response, silent, examined)
}

function explainPushed (reason: string, examined: Examined): Finding[] {
  // The examination of the authentication reports it.
  if (reason === 'invalid_client' || reason === 'unauthorized_client') return []
  if (reason === 'invalid_scope') return [badScopes(examined)]
  if (reason === 'invalid_request' || reason === 'invalid_redirect_uri') return [unregistered(examined, reason)]
  return [note('clientId', `whether the redirect URI is registered is not known: the answer to a pushed request was ${reason}`)]
}

/** Answers of a provider that knows the redirect URI, and would have to show something to the user. */
const silentAnswers = ['login_required', 'interaction_required', 'consent_required', 'account_selection_required']

function explainReturn ({ status, headers }: Response, asked: URL, examined: Examined): Finding[] {
  const location = URL.parse(headers.get('location') ?? '', asked)
  if (status >= 500) return [note('clientId', `whether the redirect URI is registered is not known: the answer to an authorization request was ${status}`)]
  if (status < 300 || status > 399 || location === null) return [unregistered(examined, `status ${status}`)]
  const error = location.searchParams.get('error')
  if (location.origin + location.pathname !== examined.redirectUri) {
    return error === null ? [note('clientId', `whether the redirect URI is registered is not known: the provider leads to ${location.origin}${location.pathname} although prompt=none asks for no page`)] : [unregistered(examined, 'an error page')]
  }
  if (error === null || silentAnswers.includes(error)) return []
  if (error === 'invalid_scope') return [badScopes(examined)]
  return [fault('clientId', `the provider refuses sign-ins of this client (${printable(error)}); allow the authorization code flow for it there`)]
}

function unregistered ({ redirectUri, provider }: Examined, reason: string): Finding {
  return fault('clientId', `the provider does not return to ${redirectUri} (${reason}); register exactly this redirect URI for the client ${provider.clientId}`)
}

function badScopes ({ provider }: Examined): Finding {
  return fault('scopes', `the provider refuses one of ${provider.scopes.join(' ')} (invalid_scope); allow them for the client there, or remove it`)
}

async function examineLogout ({ discovered, postLogoutUri }: Examined): Promise<Finding[]> {
  const { library, configuration } = discovered
  if (configuration.serverMetadata().end_session_endpoint === undefined) return []
  const response = await ask(library.buildEndSessionUrl(configuration, { post_logout_redirect_uri: postLogoutUri }), discovered)
  if (typeof response === 'string' || response.status < 400 || response.status > 499) return []
  return [note('clientId', `the provider may not return to ${postLogoutUri} after a sign-out (status ${response.status}); see that it is registered as post-logout redirect URI`)]
}

/** Asks an address of the provider as a browser without cookies does. Resolves to the reason if there is no answer. */
async function ask (address: URL, { issuer }: Discovered): Promise<Response | string> {
  const isLocal = issuer.startsWith('http:')
  try {
    return await createBoundedFetch({ isLocal, signal: new AbortController().signal })(address.href, { headers: { accept: 'text/html' } })
  } catch (error) {
    return reasonOf(error)
  }
}

/** Resolves to the reason of a rejection, as OAuth names it if it does. */
async function reasonFrom (promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'a success'
  } catch (error) {
    const { cause } = error as Error
    const reason = cause instanceof Error ? cause.message : reasonOf(error)
    return reason.replace(/^the provider does not accept this client: /, '')
  }
}

function inventSecrets () {
  const text = (): string => randomBytes(32).toString('base64url')
  return { state: text(), nonce: text(), codeVerifier: text() }
}

function printable (text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 100)
}

import type * as OpenIdClient from 'openid-client'
import type { ClientAuth, Configuration } from 'openid-client'
import { parseKeySet } from '../../lib/jwt/jwks.ts'
import { canonicalAlgorithms, verificationAlgorithms, type VerificationAlgorithm } from '../../lib/jwt/jws.ts'
import { importClientKey } from '../../lib/oidc/client-key.ts'
import { loadPackages } from '../../lib/load-packages.ts'
import { RemoteKeys } from '../issuers/remote-keys.ts'
import { addressFault, createBoundedFetch, RequestFailure } from './bounded-fetch.ts'

type Library = typeof OpenIdClient

/** What discovery has found, ready for use. */
export interface Discovered {
  library: Library
  configuration: Configuration
  issuer: string
  keys: RemoteKeys
  /** Where the keys are, and for which algorithms. While it stays the same, so do the keys. */
  keysId: string
}

export interface DiscoveryOptions {
  issuer: string
  clientId: string
  clientSecret?: string | undefined
  /** Private key of the client, PEM. */
  privateKeyPem?: string | undefined
  privateKeyId?: string | undefined
  signal: AbortSignal
  now: () => number
  onKeysError: (error: unknown) => void
}

/** Minimum time between two requests for the keys, in milliseconds. */
const coolDownMs = 10_000
const clockToleranceSeconds = 5
const timeoutSeconds = 5

const endpoints = ['authorization_endpoint', 'token_endpoint', 'jwks_uri', 'userinfo_endpoint', 'end_session_endpoint', 'pushed_authorization_request_endpoint'] as const
const required: ReadonlyArray<typeof endpoints[number]> = ['authorization_endpoint', 'token_endpoint', 'jwks_uri']

/**
 * Asks the provider for its configuration (OpenID Connect Discovery 1.0), and checks it. The keys of the `former` discovery remain if their
 * address does, because those at hand are still trusted while new ones cannot be read.
 */
export async function discover (options: DiscoveryOptions, former: Discovered | null = null): Promise<Discovered> {
  const { issuer, clientId, signal } = options
  const library = await loadPackages('portcullis-oidc', ['openid-client'], async () => await import('openid-client'))
  const isLocal = issuer.startsWith('http:')
  const configuration = await library.discovery(new URL(issuer), clientId, { [library.clockTolerance]: clockToleranceSeconds }, await clientAuthentication(library, options), {
    [library.customFetch]: createBoundedFetch({ isLocal, signal }) as NonNullable<Configuration[typeof library.customFetch]>,
    timeout: timeoutSeconds,
    ...isLocal ? { execute: [library.allowInsecureRequests] } : {}
  })
  const metadata = configuration.serverMetadata()
  // openid-client accepts other issuers at some providers, so that users of every tenant could sign in.
  if (metadata.issuer !== issuer) throw Object.assign(new Error('another issuer'), { code: 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED' })
  for (const name of endpoints) {
    const address: unknown = metadata[name]
    if (address === undefined && !required.includes(name)) continue
    const fault = typeof address === 'string' ? addressFault(address, { isLocal }) : 'missing'
    if (fault !== null) throw new RequestFailure(`${name} of the discovery document is ${fault}`)
  }
  const algorithms = algorithmsIn(metadata.id_token_signing_alg_values_supported)
  const keysId = JSON.stringify([metadata.jwks_uri, ...algorithms])
  const keys = former?.keysId === keysId ? former.keys : openKeys(metadata.jwks_uri!, algorithms, options)
  return { library, configuration, issuer: metadata.issuer, keys, keysId }
}

function openKeys (address: string, algorithms: readonly VerificationAlgorithm[], { now, onKeysError }: DiscoveryOptions): RemoteKeys {
  return new RemoteKeys(address, coolDownMs, {
    toKeySet: (bytes, before) => parseKeySet(bytes, algorithms, before?.keys),
    onError: onKeysError,
    now
  })
}

/** Returns the algorithms with which the provider signs. A key without `alg` is used if only one of them fits it, which is RS256 by default. */
function algorithmsIn (stated: unknown): VerificationAlgorithm[] {
  const names = Array.isArray(stated) ? stated.filter(name => typeof name === 'string') : ['RS256']
  return canonicalAlgorithms(names).filter(name => verificationAlgorithms.includes(name))
}

/** Returns how this client authenticates: with its key, with its secret in a header, or in the body if the provider takes nothing else. */
async function clientAuthentication (library: Library, { clientSecret, privateKeyPem, privateKeyId }: DiscoveryOptions): Promise<ClientAuth> {
  if (privateKeyPem !== undefined) return library.PrivateKeyJwt({ key: await importClientKey(privateKeyPem), ...privateKeyId === undefined ? {} : { kid: privateKeyId } })
  const post = library.ClientSecretPost(clientSecret)
  const basic = basicAuthentication(clientSecret ?? '')
  return (server, ...request) => {
    const methods = server.token_endpoint_auth_methods_supported
    const isPostOnly = methods !== undefined && !methods.includes('client_secret_basic') && methods.includes('client_secret_post')
    return (isPostOnly ? post : basic)(server, ...request)
  }
}

/**
 * Authenticates with the secret in a header (client_secret_basic). Only characters that must be are encoded: openid-client encodes - and _ as
 * well, which providers that decode nothing reject.
 */
function basicAuthentication (clientSecret: string): ClientAuth {
  return (_server, { client_id: clientId }, _body, headers) => {
    headers.set('authorization', `Basic ${Buffer.from(`${formEncode(clientId)}:${formEncode(clientSecret)}`).toString('base64')}`)
  }
}

/** Encodes a text for a form (RFC 6749, appendix B). */
function formEncode (text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}

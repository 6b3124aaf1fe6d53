import { createHash, randomBytes, verify, type KeyObject } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Test } from 'tap'
import oidc, { type OidcOptions, type ProviderOptions } from '../../plugins/oidc.ts'
import type { AuthorizationDemands, AuthorizationSecrets, Authenticated, Provider } from '../../plugins/oidc/provider.ts'
import blocklist from '../../plugins/blocklist.ts'
import cookies from '../../plugins/cookies.ts'
import session from '../../plugins/session.ts'
import store from '../../plugins/store.ts'
import { createServer, origin, secret } from './build-app.ts'
import { foreignKey, signForeign, type ForeignKey } from './foreign-issuer.ts'
import { learnSecret } from './secrets.ts'
import { startUpstream } from './upstream.ts'

/* An OpenID provider that is right until a test replaces one of its answers, and a client for it. It asks no user anything. */

export const clientId = 'portcullis'
export const clientSecret = 'secret-of-a-client-at-a-hostile-provider'
learnSecret('a configured secret', clientSecret)

export type Endpoint = 'discovery' | 'keys' | 'token' | 'userinfo' | 'pushed'
export type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A request that the provider received. */
export interface Asked { endpoint: Endpoint, authorization: string | undefined, form: URLSearchParams }

const paths: Record<string, Endpoint> = { '/.well-known/openid-configuration': 'discovery', '/jwks': 'keys', '/token': 'token', '/me': 'userinfo', '/par': 'pushed' }

const random = (): string => {
  const text = randomBytes(32).toString('base64url')
  learnSecret('a foreign token', text)
  return text
}

export class HostileProvider {
  readonly asked: Asked[] = []
  /** Answers in place of the right ones. */
  readonly answers: Partial<Record<Endpoint, Answer>> = {}
  /** Changes of the discovery document; undefined removes a member. */
  metadata: Record<string, unknown> = {}
  /** Changes of ID tokens. */
  claims: Record<string, unknown> = {}
  /** Changes of the answer of the userinfo endpoint. */
  userinfo: Record<string, unknown> = {}
  /** Key that signs, which is published. */
  key: ForeignKey = foreignKey('k1')
  published: readonly ForeignKey[] = [this.key]
  /** Public key of a client that authenticates with one (private_key_jwt). */
  clientKey: KeyObject | null = null
  makeIdToken: (claims: Record<string, unknown>) => string = claims => signForeign(this.key, claims, { alg: this.key.algorithm, kid: this.key.kid, typ: 'JWT' })

  readonly issuer: string
  readonly #codes = new Map<string, { nonce: string, challenge: string, account: string }>()
  readonly #pushed = new Map<string, URLSearchParams>()
  readonly #accessTokens = new Map<string, string>()

  constructor (issuer: string) {
    this.issuer = issuer
  }

  /** Returns the answer to an authorization request, as the browser brings it; `changes` replaces or removes parameters. */
  answerTo (address: string, { account = 'ada', ...changes }: { account?: string } & Record<string, string | undefined> = {}): URLSearchParams {
    const { searchParams } = new URL(address)
    const asked = this.#pushed.get(searchParams.get('request_uri') ?? '') ?? searchParams
    const code = random()
    this.#codes.set(code, { nonce: asked.get('nonce')!, challenge: asked.get('code_challenge')!, account })
    const parameters = { code, state: asked.get('state')!, iss: this.issuer, ...changes }
    return new URLSearchParams(Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined))
  }

  idTokenClaims (account: string, nonce: string | undefined): Record<string, unknown> {
    const now = Math.floor(Date.now() / 1000)
    return { iss: this.issuer, sub: account, aud: clientId, nonce, iat: now, exp: now + 300, auth_time: now - 60, sid: 'sid-1', ...this.claims }
  }

  count (endpoint: Endpoint): number {
    return this.asked.filter(asked => asked.endpoint === endpoint).length
  }

  async handle (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const endpoint = paths[new URL(request.url!, this.issuer).pathname]
    if (endpoint === undefined) return json({ error: 'not_found' }, 404)(request, response)
    const asked = { endpoint, authorization: request.headers.authorization, form: new URLSearchParams(Buffer.concat(chunks).toString()) }
    this.asked.push(asked)
    const answer = this.answers[endpoint] ?? this.#right(asked)
    answer(request, response)
  }

  #right ({ endpoint, authorization, form }: Asked): Answer {
    switch (endpoint) {
      case 'discovery': return json(this.discoveryDocument())
      case 'keys': return json({ keys: this.published.map(({ jwk }) => jwk) })
      case 'userinfo': return json({ sub: this.#accessTokens.get(authorization?.slice(7) ?? ''), email: 'ada@example.com', ...this.userinfo })
      case 'pushed': return this.#isClient(authorization, form) ? this.#push(form) : json({ error: 'invalid_client' }, 401)
      case 'token': return this.#isClient(authorization, form) ? this.#redeem(form) : json({ error: 'invalid_client' }, 401)
    }
  }

  discoveryDocument (): Record<string, unknown> {
    const { issuer } = this
    return {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      userinfo_endpoint: `${issuer}/me`,
      end_session_endpoint: `${issuer}/end`,
      response_types_supported: ['code'],
      id_token_signing_alg_values_supported: ['ES256'],
      authorization_response_iss_parameter_supported: true,
      ...this.metadata
    }
  }

  #push (form: URLSearchParams): Answer {
    const uri = `urn:ietf:params:oauth:request_uri:${random()}`
    this.#pushed.set(uri, form)
    return json({ request_uri: uri, expires_in: 60 }, 201)
  }

  #redeem (form: URLSearchParams): Answer {
    const issued = this.#codes.get(form.get('code') ?? '')
    this.#codes.delete(form.get('code') ?? '')
    const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url')
    if (issued === undefined || issued.challenge !== challenge) return json({ error: 'invalid_grant' }, 400)
    const accessToken = random()
    this.#accessTokens.set(accessToken, issued.account)
    return json({ access_token: accessToken, token_type: 'Bearer', id_token: this.makeIdToken(this.idTokenClaims(issued.account, issued.nonce)) })
  }

  #isClient (authorization: string | undefined, form: URLSearchParams): boolean {
    if (this.clientKey !== null) return this.#isAssertion(form.get('client_assertion') ?? '')
    const methods = this.metadata['token_endpoint_auth_methods_supported']
    if (Array.isArray(methods) && !methods.includes('client_secret_basic')) return authorization === undefined && form.get('client_secret') === clientSecret
    return authorization === `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` && !form.has('client_secret')
  }

  #isAssertion (assertion: string): boolean {
    const [header = '', payload = '', signature = ''] = assertion.split('.')
    const { iss, sub, aud, jti } = JSON.parse(Buffer.from(payload, 'base64url').toString() || '{}') as Record<string, unknown>
    const isGenuine = verify('sha256', Buffer.from(`${header}.${payload}`), { key: this.clientKey!, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'))
    return isGenuine && iss === clientId && sub === clientId && [aud].flat().includes(this.issuer) && typeof jti === 'string'
  }
}

export function json (value: unknown, status = 200): Answer {
  return text(JSON.stringify(value), status)
}

export function text (body: string | Buffer, status = 200, headers: Record<string, string> = {}): Answer {
  return (_request, response) => { response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body) }
}

/** Never answers. */
export const silent: Answer = () => {}

/** Sends the beginning of an answer, and a byte from time to time. */
export const endless: Answer = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).write('{')
  const timer = setInterval(() => { response.write(' ') }, 50)
  response.once('close', () => { clearInterval(timer) })
}

export const broken: Answer = request => { request.socket.destroy() }

export async function startHostileProvider (t: Test): Promise<HostileProvider> {
  const { url } = await startUpstream(t, (request, response) => { provider.handle(request, response).catch(() => { response.destroy() }) })
  const provider = new HostileProvider(url)
  return provider
}

/** Returns the client of a provider, from the plugin. Its log is searched for secrets when the test ends. */
export async function clientFor (t: Test, { issuer }: HostileProvider, settings: Partial<ProviderOptions> = {}, options: Partial<OidcOptions> = {}): Promise<Provider> {
  const app = createServer(t)
  await app.register(store, { type: 'sqlite', path: ':memory:' })
  await app.register(cookies, { origin })
  await app.register(blocklist)
  await app.register(session)
  const authentication = settings.privateKey === undefined ? { clientSecret } : {}
  await app.register(oidc, { secret, providers: [{ name: 'corp', issuer, clientId, ...authentication, ...settings }], ...options })
  await app.ready()
  return app.portcullis.oidc.providers.get('corp')!
}

export const newSecrets = (): AuthorizationSecrets => ({ state: random(), nonce: random(), codeVerifier: random() })

/** Signs in: asks for the address, lets the provider answer, and redeems the answer. */
export async function signInAt (provider: HostileProvider, client: Provider, { demands = {}, answer = {} }: { demands?: AuthorizationDemands, answer?: Record<string, string | undefined> } = {}): Promise<Authenticated> {
  const secrets = newSecrets()
  return await client.redeem(provider.answerTo(await client.authorizationUrl(secrets, demands), answer), secrets, demands)
}

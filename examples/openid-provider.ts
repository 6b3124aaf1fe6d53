/*
 * A small identity provider for the demo and the tests: `oidc-provider` on this machine. Its users sign in with a name alone, so it is no
 * example of a provider.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Adapter, AdapterPayload, ClientMetadata, Configuration, default as ProviderClass, JWK } from 'oidc-provider'

type Provider = InstanceType<typeof ProviderClass>

/** Loads oidc-provider without its warning about versions of Node that are newer than it knows. */
async function load (): Promise<typeof ProviderClass> {
  const { warn } = console
  console.warn = () => {}
  try {
    return (await import('oidc-provider')).default
  } finally {
    console.warn = warn
  }
}

export interface ProviderUser {
  claims?: Record<string, unknown>
}

export interface OpenIdProviderOptions {
  /** Port to listen on. Default: a free one. */
  port?: number
  clients: ClientMetadata[]
  /** Claims of the users, by account. A user who is not named has claims made from the name. */
  users?: Record<string, ProviderUser>
  /** Whether requests must be pushed (RFC 9126). Default: they may be. */
  pushed?: 'off' | 'offered' | 'required'
  /** Changes to the configuration of oidc-provider. */
  configuration?: Configuration
}

export interface OpenIdProvider {
  issuer: string
  provider: Provider
  server: Server
  close (): Promise<void>
}

const page = (title: string, body: string): string => `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><h1>${title}</h1>${body}</html>`

/** Starts a provider on a loopback port. */
export async function startOpenIdProvider ({ port = 0, clients, users = {}, pushed = 'offered', configuration = {} }: OpenIdProviderOptions): Promise<OpenIdProvider> {
  const Provider = await load()
  const server = createServer()
  await new Promise<void>(resolve => { server.listen(port, '127.0.0.1', resolve) })
  const issuer = `http://localhost:${(server.address() as AddressInfo).port}`
  const { features, ...others } = configuration
  const provider = new Provider(issuer, {
    adapter: memoryAdapter(),
    clients,
    jwks: { keys: createKeys() },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    claims: { openid: ['sub'], profile: ['name', 'preferred_username', 'groups'], email: ['email', 'email_verified'], acr: null, auth_time: null, amr: null, sid: null, session_expiry: null },
    conformIdTokenClaims: false,
    acrValues: ['1', '2'],
    // The clients are on this machine, to which the dispatcher of oidc-provider does not connect.
    fetch: async (address, options) => await fetch(address, { ...options, dispatcher: undefined } as unknown as RequestInit),
    scopes: ['openid', 'profile', 'email', 'offline_access'],
    pkce: { required: () => true },
    ttl: { Interaction: 600, Session: 86_400, Grant: 86_400, AccessToken: 600, IdToken: 600, AuthorizationCode: 60 },
    findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ sub, name: sub, preferred_username: sub, email: `${sub}@example.com`, email_verified: true, groups: ['staff'], ...users[sub]?.claims }) }),
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      claimsParameter: { enabled: true },
      pushedAuthorizationRequests: { enabled: pushed !== 'off', requirePushedAuthorizationRequests: pushed === 'required' },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource (context, form) { context.body = page('Sign out', `${form}<button type="submit" form="op.logoutForm" name="logout" value="yes">Sign out</button>`) },
        postLogoutSuccessSource (context) { context.body = page('Signed out', '<p>You are signed out of the provider.</p>') }
      },
      ...features
    },
    // A page on this machine alone needs no policy against frames.
    renderError (context, { error, error_description: description }) { context.body = page('Error', `<p id="error">${escaped(error)}</p><p>${escaped(description ?? '')}</p>`) },
    ...others
  })
  const answer = provider.callback()
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.startsWith('/interaction/') === true) interact(provider, request, response).catch((error: unknown) => { response.writeHead(500).end(String((error as Error).message)) })
    else void answer(request, response)
  })
  return {
    issuer,
    provider,
    server,
    async close () {
      server.closeAllConnections()
      await new Promise(resolve => { server.close(resolve) })
    }
  }
}

/** Creates the keys that sign: RS256, which every client knows, and ES256. */
function createKeys (): JWK[] {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  return [{ ...rsa.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }, { ...ec.export({ format: 'jwk' }), use: 'sig', alg: 'ES256' }] as JWK[]
}

/** Returns a class that keeps everything in the memory of this process, until it ends. */
function memoryAdapter (): new (name: string) => Adapter {
  const entries = new Map<string, AdapterPayload>()
  return class MemoryAdapter implements Adapter {
    readonly #name: string

    constructor (name: string) {
      this.#name = name
    }

    async upsert (id: string, payload: AdapterPayload): Promise<undefined> { entries.set(`${this.#name} ${id}`, payload) }
    async find (id: string): Promise<AdapterPayload | undefined> { return entries.get(`${this.#name} ${id}`) }
    async findByUid (uid: string): Promise<AdapterPayload | undefined> { return this.#findBy('uid', uid) }
    async findByUserCode (userCode: string): Promise<AdapterPayload | undefined> { return this.#findBy('userCode', userCode) }
    async destroy (id: string): Promise<undefined> { entries.delete(`${this.#name} ${id}`) }

    async consume (id: string): Promise<undefined> {
      const payload = await this.find(id)
      if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000)
    }

    async revokeByGrantId (grantId: string): Promise<undefined> {
      for (const [key, payload] of entries) if (payload.grantId === grantId) entries.delete(key)
    }

    #findBy (member: 'uid' | 'userCode', value: string): AdapterPayload | undefined {
      for (const [key, payload] of entries) if (key.startsWith(`${this.#name} `) && payload[member] === value) return payload
      return undefined
    }
  }
}

function escaped (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

/** Shows the form of a sign-in, and completes the interaction with what it posts. Consent is given without a question. */
async function interact (provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const details = await provider.interactionDetails(request, response)
  if (details.prompt.name === 'consent') return await consent(provider, details, request, response)
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    response.end(page('Sign in at the provider', `<form method="post" action="${escaped(request.url ?? '')}"><label>Account <input name="account" autofocus required></label> <button>Sign in</button> <button name="cancel" value="1" formnovalidate>Cancel</button></form>`))
    return
  }
  let body = ''
  for await (const chunk of request) body += String(chunk)
  const form = new URLSearchParams(body)
  const asked = strengthsAsked(details)
  await provider.interactionFinished(request, response, form.get('cancel') === null
    ? { login: { accountId: form.get('account') ?? '', acr: asked[0] ?? '1', amr: ['pwd'] } }
    : { error: 'access_denied', error_description: 'the user has cancelled' }, { mergeWithLastSubmission: false })
}

/** The strengths that a request asks for. */
function strengthsAsked ({ params }: Awaited<ReturnType<Provider['interactionDetails']>>): string[] {
  const { acr_values: values = '' } = params as { acr_values?: string }
  return values.split(' ').filter(value => value !== '')
}

async function consent (provider: Provider, { grantId, params, session, prompt }: Awaited<ReturnType<Provider['interactionDetails']>>, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const grant = (grantId === undefined ? undefined : await provider.Grant.find(grantId)) ?? new provider.Grant({ accountId: session!.accountId, clientId: String(params['client_id']) })
  const { missingOIDCScope: scopes = [], missingOIDCClaims: claims = [] } = prompt.details as { missingOIDCScope?: string[], missingOIDCClaims?: string[] }
  if (scopes.length > 0) grant.addOIDCScope(scopes.join(' '))
  if (claims.length > 0) grant.addOIDCClaims(claims)
  await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true })
}

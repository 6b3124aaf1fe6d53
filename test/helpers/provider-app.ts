import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import { LoginInvalidError, LogoutTokenInvalidError } from '../../lib/errors.ts'
import { deriveSecret } from '../../lib/secrets.ts'
import { createLogins } from '../../plugins/oidc/logins.ts'
import type { OnSignIn } from '../../plugins/oidc/part.ts'
import type { Admission } from '../../lib/oidc/admission.ts'
import type { LogoutDemand } from '../../lib/oidc/logout-token.ts'
import type { Authenticated, AuthorizationDemands, AuthorizationSecrets, Provider } from '../../plugins/oidc/provider.ts'
import { addPart } from '../../plugins/portcullis.ts'
import authRoutes from '../../routes/auth.ts'
import providerRoutes, { type ProviderRoutesOptions } from '../../routes/providers.ts'
import type { Store } from '../../stores/store.ts'
import { password } from './sign-in.ts'
import { buildApp, origin, secret, type AppOptions } from './build-app.ts'

/* Sign-ins at providers whose answers the test decides. Tests of the provider's own answers use oidc-provider (openid-provider.ts). */

/** A provider that answers what the test says. A code is good if it was issued for the nonce of the request. */
export class ScriptedProvider implements Provider {
  readonly maxAgeSeconds: number | null = null
  readonly asked: Array<AuthorizationSecrets & { demands: AuthorizationDemands }> = []
  redeemed = 0
  /** Answer to the next codes; an error is thrown. */
  answer: Partial<Authenticated> | Error = {}
  admission: Partial<Admission> = {}
  logout: LogoutDemand | Error = new LogoutTokenInvalidError()
  logoutAddress: string | null = null
  /** Runs while a code is redeemed. */
  meanwhile: () => Promise<void> = async () => {}

  readonly name: string
  readonly #nowMs: () => number

  constructor (name: string, nowMs: () => number) {
    this.name = name
    this.#nowMs = nowMs
  }

  problem (): null { return null }

  async authorizationUrl (secrets: AuthorizationSecrets, demands: AuthorizationDemands): Promise<string> {
    this.asked.push({ ...secrets, demands })
    return `https://${this.name}.example.com/authorize?state=${secrets.state}`
  }

  async redeem (query: URLSearchParams, { nonce }: AuthorizationSecrets): Promise<Authenticated> {
    this.redeemed++
    await this.meanwhile()
    if (this.answer instanceof Error) throw this.answer
    if (query.get('code') !== nonce) throw new LoginInvalidError({ cause: new Error('nonce') })
    return { sub: 'u1', sid: null, authTime: Math.floor(this.#nowMs() / 1000), acr: '', amr: [], sessionExpiry: null, idToken: 'an.id.token', claims: { email: 'ada@example.com' }, ...this.answer }
  }

  admit (): Admission { return { isAllowed: true, scopes: ['orders:read'], claims: { groups: ['a'] }, ...this.admission } as Admission }

  async verifyLogoutToken (): Promise<LogoutDemand> {
    if (this.logout instanceof Error) throw this.logout
    return this.logout
  }

  async logoutUrl ({ idToken, returnTo }: { idToken: string | null, returnTo: string }): Promise<string | null> {
    return this.logoutAddress === null ? null : `${this.logoutAddress}?hint=${idToken}&to=${encodeURIComponent(returnTo)}`
  }
}

export interface ProviderApp { app: FastifyInstance, corp: ScriptedProvider, other: ScriptedProvider }

export interface ProviderAppOptions extends AppOptions { onSignIn?: OnSignIn, routes?: Partial<ProviderRoutesOptions>, secret?: string }

/** Builds a server with the routes of two scripted providers, `corp` and `other`. */
export async function buildProviderApp (t: Test, store: Store, { onSignIn, routes, secret: own = secret, ...options }: ProviderAppOptions = {}): Promise<ProviderApp> {
  const [corp, other] = ['corp', 'other'].map(name => new ScriptedProvider(name, () => store.nowMs())) as [ScriptedProvider, ScriptedProvider]
  const app = await buildApp(t, store, options, async app => {
    addPart(app, 'oidc', { providers: new Map([['corp', corp], ['other', other]]), onSignIn: onSignIn ?? null, logins: createLogins(app.portcullis, [deriveSecret(own)]) })
    await app.register(authRoutes, { prefix: '/auth', origin, audiences: ['orders'], identity: { verify: async ({ password: given }) => given === password ? { subject: 'grace', scopes: [] } : null } })
    await app.register(providerRoutes, { prefix: '/auth', origin, audiences: ['orders'], ...routes })
  })
  return { app, corp, other }
}

/** A browser: it keeps cookies, and sends what browsers send with a navigation. */
export class Jar {
  readonly cookies = new Map<string, string>()
  readonly #app: FastifyInstance

  constructor (app: FastifyInstance) {
    this.#app = app
  }

  async get (url: string, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> {
    return await this.send({ method: 'GET', url, headers: { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', ...headers } })
  }

  async send ({ headers = {}, ...request }: { method: 'GET' | 'POST' | 'HEAD', url: string, headers?: Record<string, string>, payload?: string | object }): Promise<LightMyRequestResponse> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await this.#app.inject({ ...request, headers: { ...cookie === '' ? {} : { cookie }, ...headers } })
    for (const { name, value, maxAge } of response.cookies) {
      if (maxAge === 0) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    return response
  }

  /** Begins a sign-in; resolves to the address of the answer that the provider would give. */
  async begin (provider: ScriptedProvider, query = ''): Promise<string> {
    const response = await this.get(`/auth/login/${provider.name}${query}`)
    if (response.statusCode !== 303) throw new Error(`the sign-in did not begin: ${response.statusCode} ${response.body}`)
    return answerOf(provider)
  }

  get logins (): string[] {
    return [...this.cookies.keys()].filter(name => name.includes('-login-'))
  }
}

/** Returns the address at which a provider answers the last request. */
export function answerOf ({ name, asked }: ScriptedProvider): string {
  const { state, nonce } = asked.at(-1)!
  return `/auth/callback/${name}?state=${state}&code=${nonce}`
}

export const sessionCookie = '__Host-Http-portcullis'

/** Returns the session of a browser; null without one. */
export async function sessionOf (jar: Jar): Promise<{ sid: string, subject: string, authTime: number, acr: string } | null> {
  const response = await jar.send({ method: 'GET', url: '/auth/session' })
  if (response.statusCode !== 200) return null
  const { sid, subject, acr, auth_time: authTime } = response.json<{ session: { sid: string, subject: string, auth_time: number, acr: string } }>().session
  return { sid, subject, acr, authTime }
}

import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import rateLimit, { type RateLimitOptions } from '../../plugins/rate-limit.ts'
import secondFactor, { type SecondFactorOptions } from '../../plugins/second-factor.ts'
import authRoutes, { type AuthRoutesOptions, type SignInHooks } from '../../routes/auth.ts'
import pagesRoutes from '../../routes/pages.ts'
import type { Store } from '../../stores/store.ts'
import type { PasswordSource, VerifiedPrincipal } from '../../users/password-source.ts'
import { buildApp, cookieOf, origin, refreshCookieName, secret, sessionCookieName, type AppOptions } from './build-app.ts'
import { learnToken } from './secrets.ts'

/* An application whose users ada and bob sign in with a password and a one-time code; eve has no second factor. */

export const password = 'correct horse'
export const code = '123456'
export const challengeCookieName = '__Host-Http-portcullis-challenge'

export interface SecondFactorApp {
  app: FastifyInstance
  /** Subjects that may not sign in any more. */
  disabled: Set<string>
  /** The states and responses that verifyChallenge was called with. */
  asked: Array<{ state: unknown, response: string }>
  post: (path: string, body?: unknown, cookie?: string, headers?: Record<string, string>) => Promise<LightMyRequestResponse>
  /** Sends the password; resolves to the challenge of the response. */
  begin: (body?: object) => Promise<Begun>
  /** Opens a session of ada with her password alone. */
  enter: (mode?: 'session' | 'tokens') => Promise<{ cookie: string, sid: string }>
}

export interface Begun { token: string, cookie: string, response: LightMyRequestResponse }

export interface SecondFactorAppOptions {
  plugins?: AppOptions
  limits?: RateLimitOptions | null
  factor?: Partial<SecondFactorOptions>
  hooks?: SignInHooks
  identity?: Partial<PasswordSource>
  routes?: Partial<AuthRoutesOptions>
  register?: (app: FastifyInstance) => void | Promise<void>
}

export async function buildSecondFactorApp (t: Test, store: Store, { plugins = {}, limits = { signIn: { max: 1000 }, refresh: { max: 1000 } }, factor = {}, hooks, identity = {}, routes = {}, register = () => {} }: SecondFactorAppOptions = {}): Promise<SecondFactorApp> {
  const disabled = new Set<string>()
  const asked: SecondFactorApp['asked'] = []
  const source: PasswordSource = {
    async verify ({ username, password: given }) {
      if (given !== password || disabled.has(username)) return null
      return username === 'eve' ? { subject: 'eve', scopes: ['orders:read'] } : { challenge: 'otp', state: { user: username, generation: 1 } }
    },
    async verifyChallenge (state: unknown, response): Promise<VerifiedPrincipal | null> {
      asked.push({ state, response })
      const { user } = state as { user: string }
      return response === code && !disabled.has(user) ? { subject: user, scopes: ['orders:read'] } : null
    },
    ...identity
  }
  const app = await buildApp(t, store, plugins, async app => {
    if (limits !== null) await app.register(rateLimit, limits)
    await app.register(secondFactor, { secret, ...factor })
    const options = { prefix: '/auth', origin, audiences: ['orders', 'billing'], identity: source, ...routes }
    await app.register(authRoutes, { ...options, ...hooks === undefined ? {} : { hooks } })
    await app.register(pagesRoutes, options)
    for (const [url, mode] of [['/enter', 'openSession'], ['/enter-tokens', 'openFamily']] as const) {
      app.post(url, async (_request, reply) => await reply[mode]({ subject: 'ada', audiences: [origin, 'orders'], scopes: ['orders:read'] }))
    }
    await register(app)
  })
  const post: SecondFactorApp['post'] = async (path, body, cookie, headers = {}) => {
    const request: InjectOptions = { method: 'POST', url: path, headers: { ...cookie === undefined ? {} : { cookie }, ...headers }, ...body === undefined ? {} : { payload: body as object } }
    return await app.inject(request)
  }
  const begin: SecondFactorApp['begin'] = async (body = {}) => {
    const response = await post('/auth/login', { username: 'ada', password, ...body })
    return begun(response)
  }
  const enter: SecondFactorApp['enter'] = async (mode = 'session') => {
    const response = await post(mode === 'session' ? '/enter' : '/enter-tokens')
    return { cookie: sessionOf(response) ?? '', sid: response.json<{ session: { sid: string } }>().session.sid }
  }
  return { app, disabled, asked, post, begin, enter }
}

/** Returns the challenge of a response that asks for a second factor. */
export function begun (response: LightMyRequestResponse): Begun {
  const { challenge_token: token = '' } = response.json<{ challenge_token?: string }>()
  if (token !== '') learnToken('a challenge token', token)
  return { token, cookie: cookieOf(response, challengeCookieName) ?? '', response }
}

export function codeOf (response: LightMyRequestResponse): string {
  return `${response.statusCode} ${response.json<{ code?: string }>().code ?? ''}`.trim()
}

/** Returns the Cookie header of the session that a response has opened; null without one. */
export function sessionOf (response: LightMyRequestResponse): string | null {
  return cookieOf(response, sessionCookieName) ?? cookieOf(response, refreshCookieName)
}

import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { PasswordSource } from '../../users/password-source.ts'
import errors from '../../plugins/errors.ts'
import storePlugin from '../../plugins/store.ts'
import adminRoutes from '../../routes/admin.ts'
import authRoutes from '../../routes/auth.ts'
import deviceRoutes from '../../routes/device.ts'
import healthRoutes from '../../routes/health.ts'
import metricsRoutes from '../../routes/metrics.ts'
import pagesRoutes from '../../routes/pages.ts'
import sessionsRoutes from '../../routes/sessions.ts'
import wellKnownRoutes from '../../routes/well-known.ts'
import { buildApp, createStore, origin } from '../helpers/build-app.ts'

/* A mistake at the registration of routes ends the start, with a message that names it. */

type Routes = (fastify: FastifyInstance, options: never) => Promise<void>

const identity: PasswordSource = { verify: async () => null }
const signIn = { origin, audiences: ['orders'], identity }
const valid: Record<string, [routes: Routes, options: object]> = {
  authRoutes: [authRoutes, signIn],
  pagesRoutes: [pagesRoutes, signIn],
  sessionsRoutes: [sessionsRoutes, { origin }],
  deviceRoutes: [deviceRoutes, {}],
  wellKnownRoutes: [wellKnownRoutes, {}],
  adminRoutes: [adminRoutes, { token: 'a token of 16 characters' }],
  healthRoutes: [healthRoutes, {}],
  metricsRoutes: [metricsRoutes, {}]
}

async function register (t: Test, name: string, options: object, app: FastifyInstance): Promise<string> {
  const [routes] = valid[name]!
  try {
    await app.register(routes, { prefix: '/x', ...options } as never)
    return 'registered'
  } catch (error) {
    t.match(error, { code: 'PTC_ERR_CONFIG_INVALID' })
    return (error as Error).message
  }
}

/** Registers routes in a server with every plugin; resolves to the message of the error. */
async function registerInFull (t: Test, name: string, options: object): Promise<string> {
  const { store } = await createStore(t)
  let message = ''
  await buildApp(t, store, {}, async app => { message = await register(t, name, options, app) }).catch(() => {})
  return message
}

t.test('routes alone say which plugins are missing', async t => {
  const expected: Record<string, string> = {
    authRoutes: 'authRoutes: register portcullis-store, portcullis-cookies, portcullis-blocklist, portcullis-session and portcullis-authenticate before it, in the same scope or in one around it',
    pagesRoutes: 'pagesRoutes: register portcullis-store, portcullis-cookies, portcullis-blocklist, portcullis-session and portcullis-authenticate before it, in the same scope or in one around it',
    sessionsRoutes: 'sessionsRoutes: register portcullis-blocklist, portcullis-session and portcullis-authenticate before it, in the same scope or in one around it',
    deviceRoutes: 'deviceRoutes: register portcullis-session, portcullis-device-bound and portcullis-authenticate before it, in the same scope or in one around it',
    wellKnownRoutes: 'wellKnownRoutes: register portcullis-keys before it, in the same scope or in one around it',
    adminRoutes: 'adminRoutes: register portcullis-blocklist and portcullis-session before it, in the same scope or in one around it',
    healthRoutes: 'healthRoutes: register portcullis-health before it, in the same scope or in one around it',
    metricsRoutes: 'metricsRoutes: register portcullis-metrics before it, in the same scope or in one around it'
  }
  for (const [name, [, options]] of Object.entries(valid)) {
    const bare = Fastify()
    t.teardown(() => bare.close())
    t.equal(await register(t, name, options, bare), expected[name], name)
    const withStore = Fastify()
    t.teardown(() => withStore.close())
    await withStore.register(errors)
    await withStore.register(storePlugin, { path: ':memory:' })
    t.equal(await register(t, name, options, withStore), expected[name]!.replace('portcullis-store, ', ''), `${name} with a store`)
  }
})

t.test('routes say which option is misspelt, missing or of a wrong kind', async t => {
  const mistakes: Array<[name: string, change: object, message: string]> = [
    ['authRoutes', { audience: ['orders'] }, 'authRoutes: audience is not an option; did you mean audiences?'],
    ['authRoutes', { audiences: undefined }, 'authRoutes: audiences is required'],
    ['authRoutes', { audiences: 'orders' }, 'authRoutes: audiences must be a list of names'],
    ['authRoutes', { origin: undefined }, 'authRoutes: origin is required'],
    ['authRoutes', { origin: '' }, 'authRoutes: origin must be the origin that browsers use, such as https://app.example.com'],
    ['authRoutes', { origin: 42 }, 'authRoutes: origin must be the origin that browsers use, such as https://app.example.com'],
    ['authRoutes', { identity: undefined }, 'authRoutes: identity is required, unless portcullis-oidc is registered before it'],
    ['authRoutes', { identity: async () => null }, 'authRoutes: identity must be an object with a method verify'],
    ['authRoutes', { identity: {} }, 'authRoutes: identity must be an object with a method verify'],
    ['authRoutes', { identity: { verifyPassword: async () => null } }, 'authRoutes: identity must be an object with a method verify'],
    ['authRoutes', { identity: { ...identity, verifyChallenge: true } }, 'authRoutes: identity.verifyChallenge must be a function'],
    ['authRoutes', { identity: { ...identity, verifyChallenge: async () => null } }, 'authRoutes: register portcullis-second-factor before it, in the same scope or in one around it'],
    ['authRoutes', { hooks: () => {} }, 'authRoutes: hooks must be an object of functions'],
    ['authRoutes', { hooks: { beforeSignin: () => {} } }, 'authRoutes: hooks.beforeSignin is not a hook; the hooks are beforeSignIn, afterSignIn, beforeRefresh, afterRefresh, beforeSignOut and afterSignOut'],
    ['authRoutes', { hooks: { beforeSignIn: true } }, 'authRoutes: hooks.beforeSignIn must be a function'],
    ['authRoutes', { hook: {} }, 'authRoutes: hook is not an option; did you mean hooks?'],
    ['pagesRoutes', { origin: 'app.example.com' }, 'pagesRoutes: origin must be scheme, host and port alone, such as https://app.example.com'],
    ['pagesRoutes', { sameSite: 'none' }, 'pagesRoutes: sameSite must be lax or strict'],
    ['pagesRoutes', { samesite: 'lax' }, 'pagesRoutes: samesite is not an option; did you mean sameSite?'],
    ['pagesRoutes', { identity: null }, 'pagesRoutes: identity must be an object with a method verify'],
    ['pagesRoutes', { identity: { ...identity, verifyChallenge: async () => null } }, 'pagesRoutes: register portcullis-second-factor before it, in the same scope or in one around it'],
    ['sessionsRoutes', { origin: undefined }, 'sessionsRoutes: origin is required'],
    ['sessionsRoutes', { orgin: origin }, 'sessionsRoutes: orgin is not an option; did you mean origin?'],
    ['deviceRoutes', { path: '/x' }, 'deviceRoutes: path is not an option'],
    ['wellKnownRoutes', { origin }, 'wellKnownRoutes: origin is not an option'],
    ['healthRoutes', { path: '/x' }, 'healthRoutes: path is not an option'],
    ['metricsRoutes', { path: '/x' }, 'metricsRoutes: path is not an option'],
    ['adminRoutes', { issuer: [] }, 'adminRoutes: issuer is not an option; did you mean issuers?'],
    ['adminRoutes', { issuers: 'x' }, 'adminRoutes: issuers must be a list of texts']
  ]
  for (const [name, change, message] of mistakes) {
    const options = { ...valid[name]![1], ...change }
    t.equal(await registerInFull(t, name, options), message, `${name} ${JSON.stringify(change)}`)
  }
})

t.test('authRoutes warns of a path to which browsers send no refresh cookie', async t => {
  const { store } = await createStore(t)
  const warnings: string[] = []
  const register = async (prefix: string, refreshPath?: string): Promise<void> => {
    await buildApp(t, store, refreshPath === undefined ? {} : { cookies: { origin, refreshPath } }, async app => {
      app.log.warn = ((text: string) => { warnings.push(text) }) as never
      await app.register(async scope => { await scope.register(authRoutes, { ...signIn, prefix }) })
    })
  }
  for (const [prefix, path] of [['/auth', undefined], ['/auth/v2', undefined], ['/me/auth', '/me/auth'], ['/me', '/']] as const) await register(prefix, path)
  t.same(warnings, [])
  for (const prefix of ['/me/auth', '/authentic']) await register(prefix)
  t.equal(warnings.length, 2)
  t.equal(warnings[0], 'authRoutes: browsers send the refresh cookie to /auth and not to /me/auth/refresh; set refreshPath of portcullis-cookies to /me/auth')
})

t.test('routes take what is right, and the options of Fastify beside it', async t => {
  const { store } = await createStore(t)
  class Directory implements PasswordSource {
    async verify (): Promise<null> { return null }
  }
  const app = await buildApp(t, store, {}, async app => {
    await app.register(authRoutes, { ...signIn, prefix: '/auth', logLevel: 'warn', identity: new Directory(), hooks: {} })
    await app.register(pagesRoutes, { ...signIn, prefix: '/auth', identity: new Directory() })
    await app.register(sessionsRoutes, { origin, prefix: '/auth/sessions' })
    await app.register(wellKnownRoutes)
  })
  t.equal((await app.inject({ method: 'POST', url: '/auth/login', payload: { username: 'ada', password: 'x' } })).statusCode, 401)
  t.equal((await app.inject('/auth/sign-in')).statusCode, 200)
})

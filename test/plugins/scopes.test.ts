import Fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { listenTo } from '../../lib/events.ts'
import accessToken from '../../plugins/access-token.ts'
import audit from '../../plugins/audit.ts'
import authenticate from '../../plugins/authenticate.ts'
import blocklist from '../../plugins/blocklist.ts'
import cookies from '../../plugins/cookies.ts'
import drain from '../../plugins/drain.ts'
import errors from '../../plugins/errors.ts'
import health from '../../plugins/health.ts'
import keys from '../../plugins/keys.ts'
import refreshToken from '../../plugins/refresh-token.ts'
import session from '../../plugins/session.ts'
import storePlugin from '../../plugins/store.ts'
import streams from '../../plugins/streams.ts'
import authRoutes from '../../routes/auth.ts'
import type { Store } from '../../stores/store.ts'
import { buildApp, cookieOf, createServer, createStore, openSession, otherSecret, refreshCookieName, secret, sessionCookieName } from '../helpers/build-app.ts'

/*
 * One process may hold several instances. What a scope registers is for it and the scopes in it; it never takes the place of what
 * other scopes have, and is never mixed with it.
 */

interface Place { origin: string, store: Store, key: string }

async function register (scope: FastifyInstance, { origin, store, key }: Place): Promise<void> {
  await scope.register(storePlugin, { type: 'custom', store })
  await scope.register(blocklist)
  await scope.register(cookies, { origin })
  await scope.register(keys, { secret: key })
  await scope.register(accessToken, { issuer: origin })
  await scope.register(session)
  await scope.register(refreshToken, { secret: key, accessToken: ({ record, audience, generation }) => scope.portcullis.accessToken.issue(record, { audience, generation }) })
  await scope.register(authenticate, { origin })
  await scope.register(authRoutes, { prefix: '/auth', origin, audiences: ['orders'], identity: { verify: async ({ username }) => ({ subject: username, scopes: [] }) } })
  scope.get('/me', { onRequest: scope.portcullis.authenticate({ audience: 'orders' }) }, async ({ identity }) => ({ subject: identity.subject }))
}

async function send (app: FastifyInstance, url: string, payload: object | null, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> {
  return await app.inject({ method: payload === null ? 'GET' : 'POST', url, headers, ...payload === null ? {} : { payload } })
}

/** Sign-in, session, refresh, step-up and sign-out at one instance; the other one knows nothing of it. */
async function walk (t: Test, app: FastifyInstance, at: { prefix: string, names: { session: string, refresh: string } }, elsewhere: string, stores: { own: Store, other: Store }): Promise<void> {
  const url = (path: string) => `${at.prefix}${path}`
  const signedIn = await send(app, url('/auth/login'), { username: 'ada', password: 'p' })
  t.equal(signedIn.statusCode, 200, at.prefix)
  const cookie = cookieOf(signedIn, at.names.session)!
  const { sid } = signedIn.json<{ session: { sid: string } }>().session
  t.match((await send(app, url('/me'), null, { cookie })).json(), { subject: 'ada' })
  t.equal((await send(app, `${elsewhere}/me`, null, { cookie })).statusCode, 401)
  t.match(await stores.own.read(sid), { sid })
  t.equal(await stores.other.read(sid), null)

  const steppedUp = await send(app, url('/auth/step-up'), { password: 'p' }, { cookie })
  t.equal(steppedUp.statusCode, 200)
  const fresh = cookieOf(steppedUp, at.names.session)!
  t.equal((await send(app, url('/me'), null, { cookie })).statusCode, 401)
  t.equal((await send(app, url('/auth/logout'), {}, { cookie: fresh })).statusCode, 204)
  t.equal((await send(app, url('/me'), null, { cookie: fresh })).statusCode, 401)
  t.equal(await stores.own.read(sid), null)

  const tokens = await send(app, url('/auth/login'), { username: 'ada', password: 'p', mode: 'tokens' })
  const refreshed = await send(app, url('/auth/refresh'), {}, { cookie: cookieOf(tokens, at.names.refresh)! })
  t.equal(refreshed.statusCode, 200)
  const authorization = `Bearer ${refreshed.json<{ access_token: string }>().access_token}`
  t.equal((await send(app, url('/me'), null, { authorization })).statusCode, 200)
  t.equal((await send(app, `${elsewhere}/me`, null, { authorization })).statusCode, 401)
  t.equal((await send(app, url('/auth/logout'), {}, { authorization })).statusCode, 204)
  t.equal((await send(app, url('/me'), null, { authorization })).statusCode, 401)
}

const secure = { session: sessionCookieName, refresh: refreshCookieName }
const plain = { session: 'portcullis', refresh: 'portcullis-refresh' }

for (const shape of ['side by side', 'one in the other'] as const) {
  t.test(`two complete instances ${shape} in one server have nothing in common`, async t => {
    const [one, other] = [(await createStore(t)).store, (await createStore(t)).store]
    const app = createServer(t)
    await app.register(errors)
    const first: Place = { origin: 'https://app.example.com', store: one, key: secret }
    if (shape === 'one in the other') await register(app, first)
    else await app.register(async scope => { await register(scope, first) }, { prefix: '/one' })
    await app.register(async scope => { await register(scope, { origin: 'http://localhost:3000', store: other, key: otherSecret }) }, { prefix: '/two' })
    await app.ready()
    const prefix = shape === 'one in the other' ? '' : '/one'

    await walk(t, app, { prefix, names: secure }, '/two', { own: one, other })
    await walk(t, app, { prefix: '/two', names: plain }, prefix, { own: other, other: one })
  })
}

type Timer = NodeJS.Timeout & { _destroyed: boolean }

/** Returns the timers that are started from now on, until the test ends. */
function watchTimers (t: Test): Timer[] {
  const timers: Timer[] = []
  const { setInterval } = globalThis
  t.teardown(() => { globalThis.setInterval = setInterval })
  globalThis.setInterval = ((...given: Parameters<typeof setInterval>) => {
    const timer = setInterval(...given) as Timer
    timers.push(timer)
    return timer
  }) as typeof setInterval
  return timers
}

t.test('a server that closes ends what it has opened, and leaves the other servers of the process as they are', async t => {
  const folder = t.testdir({})
  const build = async (name: string, origin: string): Promise<FastifyInstance> => {
    const app = createServer(t)
    await app.register(errors)
    await app.register(storePlugin, { path: `${folder}/${name}.db` })
    await app.register(blocklist)
    await app.register(health)
    await app.register(cookies, { origin, name })
    await app.register(keys, { secret, rotateEvery: '1h' })
    await app.register(accessToken, { issuer: origin })
    await app.register(session)
    await app.register(authenticate, { origin })
    await app.register(streams)
    app.post('/in', async (_request, reply) => await reply.openSession({ subject: name, audiences: ['orders'] }))
    app.get('/me', { onRequest: app.portcullis.authenticate({ audience: 'orders' }) }, async ({ identity }) => identity.subject)
    await app.ready()
    return app
  }
  const cookieOfOne = async (app: FastifyInstance): Promise<{ cookie: string }> => {
    const { cookies: [cookie] } = await app.inject({ method: 'POST', url: '/in' })
    return { cookie: `${cookie!.name}=${cookie!.value}` }
  }
  const other = await build('other', 'https://other.example.com')
  const headers = await cookieOfOne(other)
  const timers = watchTimers(t)
  const one = await build('one', 'https://one.example.com')
  const { store } = one.portcullis
  t.equal((await one.inject({ url: '/me', headers: await cookieOfOne(one) })).body, 'one')
  t.equal((await one.inject({ url: '/me', headers })).statusCode, 401)

  await one.close()

  await t.rejects(store.read('AAAAAAAAAAAAAAAAAAAAAA'), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
  t.ok(timers.length > 3)
  t.same(timers.filter(timer => !timer._destroyed), [], 'no timer is left')
  t.equal((await other.inject({ url: '/me', headers })).body, 'other')
  t.equal((await other.inject({ url: '/me', headers: await cookieOfOne(other) })).body, 'other')
})

t.test('a scope with a store, a blocklist or cookies leaves those of the scope around it as they are', async t => {
  const [{ store }, { store: inner }] = [await createStore(t), await createStore(t)]
  const app = await buildApp(t, store, {}, async app => {
    const { blocklist: outer } = app.portcullis
    await app.register(async scope => {
      await scope.register(storePlugin, { type: 'custom', store: inner })
      await scope.register(blocklist)
      await scope.register(cookies, { origin: 'http://localhost:3000' })
      t.not(scope.portcullis.blocklist, outer)
      scope.post('/in', async (_request, reply) => await reply.openSession({ subject: 'eve' }))
      for (const [name, plugin] of [['session', 'session'], ['refreshToken', 'refresh-token'], ['authenticate', 'authenticate'], ['identify', 'authenticate'], ['accessToken', 'access-token'], ['mint', 'mint']] as const) {
        t.throws(() => scope.portcullis[name], { code: 'PTC_ERR_CONFIG_INVALID', message: new RegExp(`register portcullis-${plugin} in this scope too`) }, name)
      }
    }, { prefix: '/inner' })
    t.equal(app.portcullis.blocklist, outer)
    app.get('/me', { onRequest: app.portcullis.authenticate({ audience: 'orders' }) }, async ({ identity }) => ({ subject: identity.subject }))
  })
  const signedIn = await app.inject({ method: 'POST', url: '/login' })
  t.match(signedIn.headers['set-cookie'], /^__Host-Http-portcullis=.*; Secure/)
  const { sid } = signedIn.json<{ session: { sid: string } }>().session
  const headers = { cookie: cookieOf(signedIn, sessionCookieName)! }
  t.equal((await app.inject({ url: '/me', headers })).statusCode, 200)
  await app.portcullis.blocklist.revoke({ sid })

  t.equal(await store.read(sid), null)
  t.equal((await app.inject({ url: '/me', headers })).statusCode, 401)
  t.equal((await app.inject({ method: 'POST', url: '/inner/in' })).statusCode, 500, 'a session of the outer store is not opened in a scope with another one')
  t.same(await inner.list('eve'), [])
  t.same(await store.list('eve'), [])
})

t.test('a blocklist in a scope may go with the store of the scope around it', async t => {
  const { store } = await createStore(t)
  let inner: FastifyInstance | null = null
  const app = await buildApp(t, store, {}, async app => {
    await app.register(async scope => {
      await scope.register(blocklist)
      inner = scope
      scope.get('/me', { onRequest: scope.portcullis.authenticate({ audience: 'orders' }) }, async ({ identity }) => ({ subject: identity.subject }))
    }, { prefix: '/inner' })
  })
  const { cookie, sid } = await openSession(app)
  t.equal((await app.inject({ url: '/inner/me', headers: { cookie } })).statusCode, 200)
  await inner!.portcullis.blocklist.revoke({ sid })
  t.equal(await store.read(sid), null)
})

t.test('a part that a scope has already is refused by name, before anything is opened for it', async t => {
  const { store } = await createStore(t)
  const twice: Array<[string, (app: FastifyInstance) => unknown]> = [
    ['store', app => app.register(storePlugin, { path: '/nowhere/at/all.db' })],
    ['blocklist', app => app.register(blocklist)],
    ['cookies', app => app.register(cookies, { origin: 'http://localhost:3000' })],
    ['session', app => app.register(session)],
    ['authenticate', app => app.register(authenticate, { origin: 'https://app.example.com' })]
  ]
  for (const [name, again] of twice) {
    await t.rejects(buildApp(t, store, {}, async app => { await again(app) }), { code: 'PTC_ERR_CONFIG_INVALID', message: new RegExp(`^portcullis\\.${name} is registered in this scope already: register its plugin once`) }, name)
  }
})

t.test('audit and drain are registered once, where they would act twice', async t => {
  const { store } = await createStore(t)
  await t.rejects(buildApp(t, store, {}, async app => {
    await app.register(audit)
    await app.register(async scope => { await scope.register(audit) })
    await app.register(audit)
  }), { message: /^portcullis-audit is registered in this scope already/ })
  await t.rejects(buildApp(t, store, {}, async app => {
    await app.register(health)
    await app.register(drain)
    await app.register(async scope => { await scope.register(drain) })
  }), { message: /^portcullis-drain: the server has it already/ })
})

t.test('events reach the scope in which they happen and the scopes around it, and no other, in any order of registration', async t => {
  const heard: string[] = []
  const app = createServer(t)
  const listen = (scope: FastifyInstance, name: string): void => { t.teardown(listenTo(scope.portcullis, ({ event }) => { heard.push(`${name} ${event}`) }, error => t.fail(error))) }
  const scopes: FastifyInstance[] = []
  for (const name of ['one', 'two']) {
    const { store } = await createStore(t)
    await app.register(async scope => {
      await scope.register(storePlugin, { type: 'custom', store })
      await scope.register(blocklist)
      scopes.push(scope)
      listen(scope, name)
    })
  }
  await app.register(storePlugin, { type: 'custom', store: (await createStore(t)).store })
  await app.register(blocklist)
  listen(app, 'root')
  await app.ready()

  await scopes[0]!.portcullis.blocklist.revoke({ jti: 'j' })
  t.same(heard.splice(0).sort(), ['one revocation.added', 'root revocation.added'])
  await app.portcullis.blocklist.revoke({ jti: 'j' })
  t.same(heard, ['root revocation.added'])
})

t.test('a scope with cookies of another origin registers a blocklist too, by which its sessions end; the blocklist around it would pass them by', async t => {
  const { store } = await createStore(t)
  const there = 'https://other.example.com'
  await t.rejects(buildApp(t, store, {}, async app => {
    await app.register(async scope => {
      await scope.register(cookies, { origin: there })
      await scope.register(session)
    })
  }), { code: 'PTC_ERR_CONFIG_INVALID', message: /has a cookies part itself.*register portcullis-blocklist in this scope too/ })
  let inner: FastifyInstance | null = null
  const app = await buildApp(t, store, {}, async app => {
    await app.register(async scope => {
      inner = scope
      await scope.register(cookies, { origin: there })
      await scope.register(blocklist)
      await scope.register(session)
      scope.post('/login', async (_request, reply) => await reply.openSession({ subject: 'ada' }))
    }, { prefix: '/inner' })
  })
  const login = async (cookie?: string) => await app.inject({ method: 'POST', url: '/inner/login', headers: cookie === undefined ? {} : { cookie } })
  const first = await login()
  const { sid } = first.json<{ session: { sid: string } }>().session
  await t.rejects(app.portcullis.blocklist.revoke({ sid }), { code: 'PTC_ERR_SESSION_NOT_FOUND' })
  const second = await login(cookieOf(first, sessionCookieName)!)
  t.equal(await store.read(sid), null, 'the sign-in has ended it')
  const { sid: last } = second.json<{ session: { sid: string } }>().session
  await inner!.portcullis.blocklist.revoke({ sid: last })
  t.equal(await store.read(last), null)
})

t.test('scopes with cookies share a blocklist around them that has none, until cookies are registered around them too', async t => {
  const { store } = await createStore(t)
  const build = async (): Promise<FastifyInstance> => {
    const app = createServer(t)
    await app.register(storePlugin, { type: 'custom', store })
    await app.register(blocklist)
    for (const name of ['one', 'two']) {
      await app.register(async scope => {
        await scope.register(cookies, { origin: `https://${name}.example.com` })
        await scope.register(session)
        t.equal(scope.portcullis.blocklist, app.portcullis.blocklist)
        scope.post('/login', async (_request, reply) => await reply.openSession({ subject: 'ada' }))
      }, { prefix: `/${name}` })
    }
    return app
  }
  const [app, late] = [await build(), await build()]
  await t.rejects(async () => { await late.register(cookies, { origin: 'https://app.example.com' }) }, { code: 'PTC_ERR_CONFIG_INVALID', message: /^portcullis\.cookies: a scope in this one has a cookies part itself, and the blocklist of this scope; register portcullis-blocklist in that scope too/ })

  const response = await app.inject({ method: 'POST', url: '/one/login' })
  const { sid } = response.json<{ session: { sid: string } }>().session
  await app.inject({ method: 'POST', url: '/one/login', headers: { cookie: cookieOf(response, sessionCookieName)! } })
  t.equal(await store.read(sid), null)
})

for (const shape of ['the session around the refresh tokens', 'the refresh tokens around the session', 'side by side'] as const) {
  t.test(`sessions and refresh tokens of scopes that share their cookies end each other at a sign-in: ${shape}`, async t => {
    const { store } = await createStore(t)
    const app = createServer(t)
    await app.register(storePlugin, { type: 'custom', store })
    await app.register(blocklist)
    await app.register(cookies, { origin: 'https://app.example.com' })
    await app.register(keys, { secret })
    await app.register(accessToken, { issuer: 'https://app.example.com' })
    const ofSessions = async (scope: FastifyInstance): Promise<void> => {
      await scope.register(session)
      scope.post('/session', async (_request, reply) => await reply.openSession({ subject: 'ada' }))
    }
    const ofTokens = async (scope: FastifyInstance): Promise<void> => {
      await scope.register(refreshToken, { secret, accessToken: ({ record, audience, generation }) => app.portcullis.accessToken.issue(record, { audience, generation }) })
      scope.post('/tokens', async (_request, reply) => await reply.openFamily({ subject: 'ada' }))
    }
    const [outer, inner] = shape === 'the refresh tokens around the session' ? [ofTokens, ofSessions] : [ofSessions, ofTokens]
    await (shape === 'side by side' ? app.register(async scope => { await outer(scope) }) : outer(app))
    await app.register(async scope => { await inner(scope) })
    await app.register(async scope => {
      const other = await createStore(t)
      await register(scope, { origin: 'http://localhost:3000', store: { ...other.store, read: async () => { throw new Error('a store of other cookies is asked') } }, key: secret })
    }, { prefix: '/other' })

    let carried = ''
    let last: string | null = null
    for (const url of ['/session', '/tokens', '/session']) {
      const response = await app.inject({ method: 'POST', url, headers: { cookie: carried } })
      t.equal(response.statusCode, 200, url)
      if (last !== null) t.equal(await store.read(last), null, `${url} ends the one before`)
      last = response.json<{ session: { sid: string } }>().session.sid
      carried = cookieOf(response, url === '/session' ? sessionCookieName : refreshCookieName)!
    }
    t.same((await store.list('ada')).map(({ sid }) => sid), [last])
  })
}

t.test('a revocation in a scope whose blocklist keeps shorter lasts as long as the tokens that another scope of the store has issued', async t => {
  const [{ store, advance }, { store: unrelated }] = [await createStore(t), await createStore(t)]
  for (const [outerAge, innerAge] of [['15m', '1m'], ['1m', '15m']] as const) {
    const app = createServer(t)
    await app.register(storePlugin, { type: 'custom', store })
    await app.register(blocklist, { maxTokenAge: outerAge, maxForeignTokenAge: outerAge, absoluteTimeout: outerAge })
    const scopes: FastifyInstance[] = [app]
    await app.register(async scope => {
      await scope.register(blocklist, { maxTokenAge: innerAge, maxForeignTokenAge: innerAge, absoluteTimeout: innerAge })
      scopes.push(scope)
    })
    await app.register(async scope => {
      await scope.register(storePlugin, { type: 'custom', store: unrelated })
      await scope.register(blocklist, { maxTokenAge: '1m' })
      t.equal(scope.portcullis.blocklist.maxTokenAgeMs, 65_000, 'another store has nothing to do with it')
    })
    const iat = Math.floor(store.nowMs() / 1000)
    for (const [at, { portcullis }] of scopes.entries()) {
      t.equal(portcullis.blocklist.maxTokenAgeMs, 905_000)
      t.equal(portcullis.blocklist.maxForeignTokenAgeMs, 905_000)
      const { record } = await store.open({ subject: `s${at}`, username: 'ada', mode: 'tokens', secretHash: null, acr: '1', amr: [], scopes: [], audiences: [], client: { userAgent: '', ip: '' }, origin: null, absoluteTimeoutMs: 3_600_000, maxPerSubject: 2, maxTokenAgeMs: 60_000 })
      await portcullis.blocklist.revoke({ sid: record.sid })
      await portcullis.blocklist.revoke({ jti: `j${at}` })
      await portcullis.blocklist.revoke({ subject: `u${at}` })
      advance(14 * 60_000)
      for (const claims of [{ jti: 'x', sid: record.sid }, { jti: `j${at}` }, { sub: `u${at}`, iat }]) {
        t.ok(scopes.every(scope => scope.portcullis.blocklist.isRevoked(claims)), JSON.stringify(claims))
        t.notOk(await store.isGood({ issuer: null, jti: null, sid: null, subject: null, epoch: null, ...'jti' in claims ? { jti: claims.jti } : {}, ...'sid' in claims ? { sid: claims.sid } : {}, ...'sub' in claims ? { subject: claims.sub, epoch: iat } : {} }), JSON.stringify(claims))
      }
    }
    await app.close()
  }
})

t.test('the parts of a scope cannot be replaced or removed, also through a scope that shares or refuses them', async t => {
  const { store } = await createStore(t)
  const other = await createStore(t)
  await buildApp(t, store, {}, async app => {
    const parts = { ...app.portcullis }
    await app.register(async child => {
      for (const name of Object.keys(parts) as Array<keyof typeof parts>) {
        t.throws(() => { (child.portcullis as unknown as Record<string, unknown>)[name] = 5 }, TypeError, name)
        t.throws(() => { delete (child.portcullis as Partial<typeof parts>)[name] }, TypeError, name)
        t.throws(() => Object.defineProperty(child.portcullis, name, { value: 5 }), TypeError, name)
      }
      t.throws(() => { child.portcullis = {} as typeof parts }, TypeError)
    })
    await app.register(async child => {
      await child.register(storePlugin, { type: 'custom', store: other.store })
      t.throws(() => child.portcullis.session, { code: 'PTC_ERR_CONFIG_INVALID' })
      t.throws(() => { delete (child.portcullis as Partial<typeof parts>).session }, TypeError)
      t.throws(() => { (child.portcullis as { session: unknown }).session = parts.session }, TypeError)
      t.throws(() => child.portcullis.session, { code: 'PTC_ERR_CONFIG_INVALID' })
    })
    t.strictSame({ ...app.portcullis }, parts)
  })
})

t.test('no method of a part can be replaced, on the part or on its class; the store of an application stays as it is', async t => {
  const { store } = await createStore(t)
  const app = await buildApp(t, store)
  const { portcullis } = app
  const own = portcullis as unknown as Record<string, unknown>
  const names = Object.keys(own).filter(name => typeof own[name] === 'object' && own[name] !== null && name !== 'store')
  t.ok(names.length >= 8, names.join(' '))

  for (const name of names) {
    const part = own[name] as Record<string, unknown>
    const prototype = Object.getPrototypeOf(part) as Record<string, unknown>
    for (const holder of prototype === Object.prototype ? [part] : [part, prototype]) {
      const members = Object.getOwnPropertyNames(holder).filter(member => member !== 'constructor')
      for (const member of [...members, 'added']) t.throws(() => { 'use strict'; holder[member] = () => false }, TypeError, `${name}.${member}`)
    }
  }
  t.throws(() => { portcullis.blocklist.isRevoked = () => false }, TypeError)
  t.throws(() => { portcullis.cookies.own.without = header => header }, TypeError)
  t.notOk(Object.isFrozen(store))
  const { cookie } = await openSession(app)
  t.equal((await app.inject({ url: '/login', method: 'POST', headers: { cookie } })).statusCode, 200)
})

t.test('errors that are registered twice are refused by name', async t => {
  for (const nested of [false, true]) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(errors, { notFound: true })
    await t.rejects(async () => { await (nested ? app.register(async child => { await child.register(errors, { notFound: true }) }) : app.register(errors)) }, { code: 'PTC_ERR_CONFIG_INVALID', message: /^portcullis-errors: this scope/ })
  }
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(errors, { notFound: true })
  await app.register(async child => { await child.register(errors, { notFound: true }) }, { prefix: '/apart' })
  await app.register(async child => { await child.register(errors) })
  await app.ready()
})

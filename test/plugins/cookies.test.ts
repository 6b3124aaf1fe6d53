import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import cookies, { type CookiesOptions } from '../../plugins/cookies.ts'
import { createServer, origin } from '../helpers/build-app.ts'

async function build (t: Test, options: Partial<CookiesOptions> = {}) {
  const app = createServer(t)
  await app.register(cookies, { origin, ...options })
  addRoutes(app)
  return app
}

function addRoutes (app: ReturnType<typeof createServer>): void {
  const { portcullis } = app
  app.get('/set', async (_request, reply) => {
    portcullis.cookies.set(reply, 'session', 'v')
    portcullis.cookies.set(reply, 'refresh', 'w')
    return 'ok'
  })
  app.get('/clear', async (_request, reply) => {
    portcullis.cookies.clear(reply, 'session')
    portcullis.cookies.clear(reply, 'refresh')
    return 'ok'
  })
  app.get('/read', async request => ({ session: portcullis.cookies.read(request, 'session'), refresh: portcullis.cookies.read(request, 'refresh') }))
}

t.test('on https both cookies are as hard as cookies can be', async t => {
  const app = await build(t)

  t.same((await app.inject('/set')).headers['set-cookie'], [
    '__Host-Http-portcullis=v; Path=/; HttpOnly; Secure; SameSite=Lax',
    '__Secure-portcullis-refresh=w; Path=/auth; HttpOnly; Secure; SameSite=Strict'
  ])
})

t.test('on this machine they go without Secure and prefix, and one line says so', async t => {
  for (const origin of ['http://localhost:8080', 'http://127.0.0.1:3000', 'http://localhost']) {
    const log = new PassThrough()
    const app = Fastify({ logger: { level: 'warn', stream: log } })
    t.teardown(() => app.close())
    const logged = once(log, 'data')
    await app.register(cookies, { origin })
    addRoutes(app)

    t.same((await app.inject('/set')).headers['set-cookie'], ['portcullis=v; Path=/; HttpOnly; SameSite=Lax', 'portcullis-refresh=w; Path=/auth; HttpOnly; SameSite=Strict'])
    t.match(String(await logged), /without Secure.*for development only/)
  }
})

t.test('the session cookie may be strict, the refresh cookie may live elsewhere', async t => {
  const app = await build(t, { sameSite: 'strict', refreshPath: '/account/tokens' })

  t.match((await app.inject('/set')).headers['set-cookie'], [/^__Host-Http-portcullis=v; Path=\/; HttpOnly; Secure; SameSite=Strict$/, /; Path=\/account\/tokens; /])
})

t.test('a cookie is deleted with the attributes that it was set with', async t => {
  const app = await build(t)

  t.same((await app.inject('/clear')).headers['set-cookie'], [
    '__Host-Http-portcullis=; Max-Age=0; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax',
    '__Secure-portcullis-refresh=; Max-Age=0; Path=/auth; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Strict'
  ])
})

t.test('of two words on one cookie the last one counts, and other cookies stay', async t => {
  const app = await build(t)
  app.get('/twice', async (_request, reply) => {
    void reply.header('set-cookie', 'theme=dark')
    app.portcullis.cookies.set(reply, 'session', 'first')
    app.portcullis.cookies.clear(reply, 'session')
    app.portcullis.cookies.set(reply, 'session', 'last')
    void reply.header('set-cookie', '__Host-Http-portcullis-other=1')
    return 'ok'
  })

  t.match((await app.inject('/twice')).headers['set-cookie'], ['theme=dark', /^__Host-Http-portcullis=last; /, '__Host-Http-portcullis-other=1'])
})

t.test('only the exact name is read', async t => {
  const app = await build(t)
  const read = async (header: string) => (await app.inject({ url: '/read', headers: { cookie: header } })).json<object>()

  t.same(await read('a=1; __Host-Http-portcullis=v; __Secure-portcullis-refresh=w'), { session: 'v', refresh: 'w' })
  for (const header of ['__HOST-portcullis=v', '__host-portcullis=v', '__Host-Portcullis=v', 'portcullis=v', 'portcullis-refresh=w', '__Secure-portcullis=v', '__Host-Http-portcullis-refresh=w', 'x=__Host-Http-portcullis=v']) {
    t.same(await read(header), { session: null, refresh: null }, header)
  }
})

t.test('a name of the first release is read where the present one is not there, until its sessions have ended', async t => {
  const app = await build(t, { formerFor: '24h' })
  const late = await build(t, { formerFor: '0s' })
  const read = async (server: typeof app, header: string) => (await server.inject({ url: '/read', headers: { cookie: header } })).json<{ session: string | null }>().session

  t.equal(await read(app, 'a=1; __Host-portcullis=old'), 'old')
  t.equal(await read(app, '__Host-portcullis=planted; __Host-Http-portcullis=v'), 'v')
  t.equal(await read(app, '__Host-portcullis=planted; __Host-Http-portcullis='), '', 'an empty one is one')
  t.equal((await app.inject({ url: '/read', headers: { cookie: '__Host-portcullis=a; __Host-portcullis=b' } })).statusCode, 400)
  t.equal(await read(late, '__Host-portcullis=old'), null)
})

t.test('what a request carries under the present and the former name is told together, also after the time of the former one', async t => {
  for (const formerFor of ['24h', '0s'] as const) {
    const app = await build(t, { formerFor })
    app.get('/all', async request => ({ session: app.portcullis.cookies.readAll(request, 'session'), refresh: app.portcullis.cookies.readAll(request, 'refresh') }))
    const read = async (header: string) => (await app.inject({ url: '/all', headers: { cookie: header } })).json<object>()

    t.same(await read('__Host-portcullis=old; __Secure-portcullis-refresh=w; __Host-Http-portcullis=v'), { session: ['v', 'old'], refresh: ['w'] })
    t.same(await read('__Host-portcullis=old'), { session: ['old'], refresh: [] })
    t.same(await read('portcullis=x; __Host-portcullis-refresh=y'), { session: [], refresh: [] })
    t.match(await read('__Host-portcullis=a; __Host-portcullis=b; __Host-Http-portcullis=v'), { code: 'PTC_ERR_COOKIE_DUPLICATE' })
  }
})

t.test('a cookie under a former name is deleted when the present one is set or deleted', async t => {
  const app = await build(t)
  const linesFor = async (url: string, cookie: string) => [(await app.inject({ url, headers: { cookie } })).headers['set-cookie'] ?? []].flat().map(line => line.split(';').slice(0, 2).join(';'))

  t.same(await linesFor('/set', '__Host-portcullis=old'), ['__Host-Http-portcullis=v; Path=/', '__Host-portcullis=; Max-Age=0', '__Secure-portcullis-refresh=w; Path=/auth'])
  t.same(await linesFor('/clear', 'b=2;__Host-portcullis=old'), ['__Host-Http-portcullis=; Max-Age=0', '__Host-portcullis=; Max-Age=0', '__Secure-portcullis-refresh=; Max-Age=0'])
})

t.test('a configured name is the name of every cookie, with its prefix', async t => {
  const app = await build(t, { name: 'orders' })

  t.match((await app.inject('/set')).headers['set-cookie'], [/^__Host-Http-orders=v; /, /^__Secure-orders-refresh=w; /])
  t.equal(app.portcullis.cookies.describe('device').name, '__Host-orders-device')
  t.same((await app.inject({ url: '/read', headers: { cookie: '__Host-Http-portcullis=x; __Host-Http-orders=y; __Secure-portcullis-refresh=z' } })).json(), { session: 'y', refresh: null })
  for (const name of ['', 'a b', '__Host-x', 'a;b', 'a=b', 'ä', '-a', 'a'.repeat(65), 'orders-refresh', 'orders-device', 'a.b', 'a\n']) {
    await t.rejects(build(t, { name }), { code: 'PTC_ERR_CONFIG_INVALID', message: /name/ }, JSON.stringify(name))
  }
})

t.test('a cookie that comes twice is refused, also in two headers', async t => {
  const app = await build(t)
  for (const cookie of ['__Host-Http-portcullis=v; __Host-Http-portcullis=v', ['__Host-Http-portcullis=a', '__Host-Http-portcullis=b'], '__Secure-portcullis-refresh=; __Secure-portcullis-refresh=w']) {
    const response = await app.inject({ url: '/read', headers: { cookie } })
    t.match({ status: response.statusCode, body: response.json<object>() }, { status: 400, body: { code: 'PTC_ERR_COOKIE_DUPLICATE' } }, String(cookie))
  }
})

t.test('an origin on which cookies could be stolen, or that is none, is refused', async t => {
  for (const bad of ['http://evil', 'http://app.example.com', 'http://localhost.evil.example', 'http://127.0.0.1.evil.example', 'http://[::1]', 'http://127.0.0.2', 'ftp://localhost', 'wss://app.example.com',
    'app.example.com', 'https://app.example.com/', 'https://app.example.com/path', 'https://user@app.example.com', 'https://app.example.com:443', 'https://APP.example.com', ' https://app.example.com', 'null', '', '*']) {
    const app = createServer(t)
    await t.rejects(async () => { await app.register(cookies, { origin: bad }) }, { code: 'PTC_ERR_CONFIG_INVALID', message: /^portcullis-cookies: origin / }, bad)
  }
})

t.test('wrong options are refused by name, and there is none for less', async t => {
  for (const [options, message] of [
    [{}, 'portcullis-cookies: origin is required'],
    [{ origin, sameSite: 'none' }, 'portcullis-cookies: sameSite must be lax or strict'],
    [{ origin, sameSite: 'Lax' }, 'portcullis-cookies: sameSite must be lax or strict'],
    [{ origin, refreshPath: 'auth' }, 'portcullis-cookies: refreshPath must be a path such as /auth'],
    [{ origin, refreshPath: '/; Domain=evil' }, 'portcullis-cookies: refreshPath must be a path such as /auth'],
    [{ origin, secure: false }, 'portcullis-cookies: secure is not an option'],
    [{ origin, httpOnly: false }, 'portcullis-cookies: httpOnly is not an option'],
    [{ origin, domain: 'example.com' }, 'portcullis-cookies: domain is not an option']
  ] as const) {
    const app = createServer(t)
    await t.rejects(async () => { await app.register(cookies, options as unknown as CookiesOptions) }, { code: 'PTC_ERR_CONFIG_INVALID', message }, JSON.stringify(options))
  }
})

/*
 * An author's own @fastify/cookie may have a domain for every cookie, sign them, or leave out Secure. None of that may reach ours:
 * with a domain a browser drops `__Host-` cookies, and signed ones are not what we gave out.
 */
for (const order of ['before', 'after']) {
  t.test(`an author's own @fastify/cookie, registered ${order} ours, keeps working and changes nothing of ours`, async t => {
    const app = createServer(t)
    const own = { secret: 'an-own-secret-of-the-author', parseOptions: { domain: 'example.com', maxAge: 60, signed: true, secure: false } }
    if (order === 'before') await app.register(cookie, own)
    await app.register(cookies, { origin })
    if (order === 'after') await app.register(cookie, own)
    addRoutes(app)
    app.get('/both', async (request, reply) => {
      void reply.setCookie('own', 'theirs')
      app.portcullis.cookies.set(reply, 'session', 'v')
      return { read: request.cookies, unsigned: request.unsignCookie(app.signCookie('x')).value }
    })

    const response = await app.inject({ url: '/both', headers: { cookie: 'theme=dark' } })
    const lines = [response.headers['set-cookie'] ?? []].flat().sort()
    t.equal(lines.length, 2)
    t.equal(lines[0], '__Host-Http-portcullis=v; Path=/; HttpOnly; Secure; SameSite=Lax')
    t.match(lines[1], /^own=theirs\..*Max-Age=60; Domain=example\.com/)
    t.same(response.json(), { read: { theme: 'dark' }, unsigned: 'x' })
    t.match((await app.inject('/clear')).headers['set-cookie'], [/^__Host-Http-portcullis=; (?!.*Domain)/, /^__Secure-portcullis-refresh=; (?!.*Domain)/])
  })
}

import Fastify, { type FastifyInstance } from 'fastify'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import authenticate from '../../plugins/authenticate.ts'
import blocklist from '../../plugins/blocklist.ts'
import cookies from '../../plugins/cookies.ts'
import errors from '../../plugins/errors.ts'
import { createIdentityHeaders } from '../../plugins/proxy/identity-headers.ts'
import proxy, { type ForwardedResponse, type ProxyOptions } from '../../plugins/proxy.ts'
import { hooksOfScope } from '../../plugins/server/scope-hooks.ts'
import { serverOptions } from '../../plugins/server-options.ts'
import session from '../../plugins/session.ts'
import storePlugin from '../../plugins/store.ts'
import streams from '../../plugins/streams.ts'
import { createStore } from '../helpers/build-app.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { eventually, sendRaw, startProxy } from '../helpers/proxy.ts'
import { ask, openSocket, refusalOf, startSocketUpstream } from '../helpers/sockets.ts'
import { startRawUpstream, startUpstream } from '../helpers/upstream.ts'

const origin = 'http://localhost:3000'

/** What the observers of a proxy have seen. */
interface Seen { responses: ForwardedResponse[], errors: string[], observers: Pick<ProxyOptions, 'onResponse' | 'onError'> }

function observe (): Seen {
  const seen: Omit<Seen, 'observers'> = { responses: [], errors: [] }
  return {
    ...seen,
    observers: {
      onResponse: (_request, response) => seen.responses.push(response),
      onError: error => seen.errors.push((error as Error & { code: string }).code)
    }
  }
}

/** Starts a server with sessions and one proxy at /wiki, which requires one. `POST /in` signs in. */
async function startGuarded (t: Test, options: Partial<ProxyOptions>, register: (app: FastifyInstance) => unknown = () => {}): Promise<{ app: FastifyInstance, url: string, cookie: string, lines: () => Array<{ level: number, msg: string, hooks?: string[] }> }> {
  const { store } = await createStore(t)
  let log = ''
  const app = Fastify(serverOptions({ origin, logger: { level: 'info', stream: { write: (line: string) => { log += line } } } }))
  t.teardown(async () => {
    app.server.closeAllConnections()
    await app.close()
  })
  await app.register(errors)
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(blocklist)
  await app.register(cookies, { origin })
  await app.register(session)
  await app.register(authenticate, { origin })
  await app.register(streams)
  app.post('/in', async (_request, reply) => await reply.openSession({ subject: 'ada', audiences: ['wiki'] }))
  await register(app)
  await app.register(proxy, {
    prefix: '/wiki',
    origin,
    timeout: 5000,
    websocket: true,
    onRequest: [app.portcullis.authenticate({ audience: 'wiki' })],
    identityHeaders: createIdentityHeaders(app.portcullis, 'headers', 'wiki'),
    ...options
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const [cookie = ''] = (await fetch(`${url}/in`, { method: 'POST' })).headers.getSetCookie()
  return { app, url, cookie: cookie.split(';')[0]!, lines: () => log.trim().split('\n').filter(line => line !== '').map(line => JSON.parse(line) as { level: number, msg: string }) }
}

const notHere = (): Error => Object.assign(new Error('not here'), { statusCode: 403 })

t.test('preForward runs after the onRequest hooks, and before anything is sent', async t => {
  const upstream = await startUpstream(t)
  const seen: unknown[] = []
  const { url, cookie } = await startGuarded(t, { target: upstream.url, preForward: async ({ identity, url }) => { seen.push([identity.subject, url, upstream.requests.length]) } })

  t.equal((await fetch(`${url}/wiki/a?b=1`)).status, 401)
  t.same(seen, [])
  t.equal((await fetch(`${url}/wiki/a?b=1`, { method: 'POST', body: 'hello', headers: { cookie, origin } })).status, 200)
  t.same(seen, [['ada', '/wiki/a?b=1', 0]])
  t.match(upstream.requests, [{ url: '/wiki/a?b=1', body: 'hello', headers: { 'x-auth-subject': 'ada' } }])
})

for (const [title, preForward] of [
  ['throws', () => { throw notHere() }],
  ['rejects', async () => { throw notHere() }],
  ['throws what is no error', () => { throw 'not here' }] // eslint-disable-line no-throw-literal
] as Array<[string, NonNullable<ProxyOptions['preForward']>]>) {
  t.test(`a request is rejected, and nothing is sent or counted, if preForward ${title}`, async t => {
    const upstream = await startUpstream(t)
    const { responses, errors, observers } = observe()
    const { app, counter, url } = await startProxy(t, [{ target: upstream.url, preForward, ...observers }])

    const response = await fetch(url, { method: 'POST', body: 'some' })

    t.equal(response.status, title.endsWith('no error') ? 500 : 403)
    t.match(response.headers.get('content-type'), 'application/problem+json')
    t.same(upstream.requests, [])
    t.equal(counter.inFlight, 0)
    t.same([responses, errors], [[], []])
    t.same(app.portcullis.upstreams[0]!.byStatus, new Map())
  })
}

t.test('a request waits for a slow preForward, counts as in flight meanwhile, and is not sent if its client leaves', async t => {
  const upstream = await startUpstream(t)
  const { responses, observers } = observe()
  const asked: Array<() => void> = []
  const { counter, port, url } = await startProxy(t, [{ target: upstream.url, preForward: async () => await new Promise<void>(resolve => { asked.push(resolve) }), ...observers }])
  const leaving = sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await eventually(() => asked.length === 1)
  t.equal(counter.inFlight, 1)
  leaving.socket.destroy()
  await eventually(() => counter.inFlight === 0)
  t.match(responses, [{ status: 499, bytes: 0, target: null }])
  asked[0]!()

  const staying = fetch(url)
  await eventually(() => asked.length === 2)
  asked[1]!()
  t.equal(await (await staying).text(), 'ok')
  t.equal(upstream.requests.length, 1)
})

t.test('a revocation while preForward waits ends the request', async t => {
  const upstream = await startUpstream(t)
  let go: () => void = () => {}
  const { app, url, cookie } = await startGuarded(t, { target: upstream.url, preForward: async () => await new Promise<void>(resolve => { go = resolve }) })
  const asked = fetch(`${url}/wiki/a`, { headers: { cookie } }).then(({ status }) => status, () => 'cut')
  await eventually(() => app.portcullis.upstreams.length === 1 && go.length === 1)
  await app.portcullis.blocklist.revoke({ subject: 'ada' })

  t.equal(await asked, 'cut')
  go()
  await new Promise(resolve => { setImmediate(resolve) })
  t.same(upstream.requests, [])
})

t.test('a request whose caller is signed out while preForward runs is rejected, however short that is, and no token is made for it', async t => {
  const upstream = await startUpstream(t)
  let signOut: () => Promise<void> = async () => {}
  let made = 0
  const { app, url, cookie } = await startGuarded(t, { target: upstream.url, identityHeaders: () => { made++; return [] }, preForward: async () => { await signOut() } })
  signOut = async () => { await app.portcullis.blocklist.revoke({ subject: 'ada' }) }

  const response = await fetch(`${url}/wiki/a`, { headers: { cookie } })

  t.equal(response.status, 401)
  t.match(await response.json(), { code: 'PTC_ERR_SESSION_INVALID' })
  t.match(response.headers.get('www-authenticate'), 'Bearer')
  t.same([upstream.requests, made], [[], 0])
})

t.test('a request whose caller is signed out while identityHeaders waits is rejected', async t => {
  for (const preForward of [undefined, () => {}]) {
    const upstream = await startUpstream(t)
    let signOut: () => Promise<void> = async () => {}
    const { app, url, cookie } = await startGuarded(t, { target: upstream.url, identityHeaders: async () => { await signOut(); return [] }, ...preForward === undefined ? {} : { preForward } })
    signOut = async () => { await app.portcullis.blocklist.revoke({ subject: 'ada' }) }

    t.equal((await fetch(`${url}/wiki/a`, { headers: { cookie } })).status, 401)
    t.same(upstream.requests, [])
  }
})

t.test('preForward cannot change the identity of a request, nor where it goes', async t => {
  const upstream = await startUpstream(t)
  const { app, url, cookie } = await startGuarded(t, {
    target: upstream.url,
    async preForward (request) {
      if (request.headers['x-try'] === 'identify') await app.portcullis.identify(request, { access: 'public' }).catch(() => {})
      if (request.headers['x-try'] === 'assign') Object.assign(request, { identity: { subject: 'root' } })
      request.raw.headers['x-auth-subject'] = 'root'
      request.raw.url = '/admin'
    }
  })

  t.equal((await fetch(`${url}/wiki/a`, { headers: { cookie, 'x-try': 'assign' } })).status, 500)
  // The cookie is of another session by then, as if the hook had found another caller.
  const other = await fetch(`${url}/wiki/a`, { headers: { cookie } })
  t.equal(other.status, 200)
  t.match(upstream.requests, [{ url: '/wiki/a', headers: { 'x-auth-subject': 'ada' } }])
})

t.test('a request is not sent if preForward makes it another caller\'s', async t => {
  const upstream = await startUpstream(t)
  const { app, url, cookie } = await startGuarded(t, {
    target: upstream.url,
    async preForward (request) {
      request.raw.headers.cookie = String(request.headers['x-other'])
      await app.portcullis.identify(request, { audience: 'wiki' })
    }
  })
  const [other = ''] = (await fetch(`${url}/in`, { method: 'POST' })).headers.getSetCookie()

  t.equal((await fetch(`${url}/wiki/a`, { headers: { cookie, 'x-other': other.split(';')[0]! } })).status, 500)
  t.same(upstream.requests, [])
})

t.test('rewriteHeaders gets the headers that an upstream may set, and returns those that the client receives', async t => {
  const upstream = await startUpstream(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'x-powered-by': 'abc', 'set-cookie': ['__Host-Http-portcullis=stolen', 'theme=dark'], 'content-length': 2, 'x-count': '1' })
    response.end('ok')
  })
  const given: object[] = []
  const { url } = await startProxy(t, [{
    target: upstream.url,
    onRequest: [(_request, reply, done) => {
      void reply.header('x-ours', 'a').header('x-both', 'ours')
      done()
    }],
    rewriteHeaders ({ 'x-powered-by': _, ...headers }, { url }) {
      given.push({ ...headers })
      return { ...headers, 'X-Count': 2, 'x-count': undefined, 'x-list': ['a', 'b'], 'x-both': 'theirs', 'x-url': url }
    }
  }])

  const response = await fetch(`${url}/page`)

  t.equal(await response.text(), 'ok')
  t.match(given, [{ 'content-type': 'text/plain', 'set-cookie': ['theme=dark'], 'content-length': '2', 'x-count': '1', connection: undefined, 'x-ours': undefined }])
  const headers = Object.fromEntries(response.headers)
  t.match(headers, { 'x-count': '2', 'x-list': 'a, b', 'x-url': '/page', 'x-ours': 'a', 'x-both': 'ours', 'content-length': '2', 'set-cookie': 'theme=dark' })
  t.notOk('x-powered-by' in headers)
})

const refused: Array<[string, NonNullable<ProxyOptions['rewriteHeaders']>]> = [
  ['a header of the connection', headers => ({ ...headers, connection: 'close' })],
  ['the framing of the response', headers => ({ ...headers, 'Transfer-Encoding': 'chunked' })],
  ['trailers', headers => ({ ...headers, trailer: 'x' })],
  ['another length', headers => ({ ...headers, 'content-length': 1 })],
  ['two lengths', headers => ({ ...headers, 'Content-Length': '2' })],
  ['a session cookie of the gateway', headers => ({ ...headers, 'set-cookie': '__Host-Http-portcullis=mine; Path=/' })],
  ['a refresh cookie of the gateway in a list', headers => ({ ...headers, 'Set-Cookie': ['a=b', '__Secure-portcullis-refresh=mine'] })],
  ['the registration of a device', headers => ({ ...headers, 'secure-session-registration': '(ES256)' })],
  ['the end of all cookies', headers => ({ ...headers, 'clear-site-data': '"cache", "cookies"' })],
  ['a name with a space', headers => ({ ...headers, 'x y': 'a' })],
  ['an empty name', headers => ({ ...headers, '': 'a' })],
  ['a second line in a value', headers => ({ ...headers, x: 'a\r\nset-cookie: __Host-Http-portcullis=mine' })],
  ['a character that no header has', headers => ({ ...headers, x: '…' })],
  ['a name in two spellings', headers => ({ ...headers, 'x-a': '1', 'X-A': '2' })],
  ['a value that is no text', headers => ({ ...headers, x: true as unknown as string })],
  ['null', () => null as unknown as Record<string, string>],
  ['a list', () => [] as unknown as Record<string, string>],
  ['nothing', () => undefined as unknown as Record<string, string>],
  ['a promise', (async (headers: object) => headers) as never],
  ['a promise that rejects', (async () => { throw new Error('late') }) as never],
  ['an exception', () => { throw notHere() }]
]
t.test('a response becomes 500, and nothing of it is sent, if rewriteHeaders returns what no upstream may set', async t => {
  const upstream = await startUpstream(t, (_request, response) => { response.writeHead(200, { 'content-length': 2, 'x-secret': 'theirs' }).end('ok') })
  for (const [title, rewriteHeaders] of refused) {
    const { responses, errors, observers } = observe()
    const { url, counter } = await startProxy(t, [{ target: upstream.url, rewriteHeaders, ...observers }])
    const response = await fetch(url)

    t.equal(response.status, 500, title)
    t.match(await response.json(), { code: 'PTC_ERR_INTERNAL' }, title)
    t.notOk(response.headers.has('x-secret'), title)
    await eventually(() => counter.inFlight === 0)
    t.same(errors, ['PTC_ERR_INTERNAL'], title)
    t.match(responses, [{ status: 500, target: upstream.url }], title)
  }
})

t.test('rewriteHeaders is called once for a response, and not for the informational ones before it', async t => {
  const upstream = await startRawUpstream(t, socket => { socket.end('HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok') })
  const given: object[] = []
  const { port } = await startProxy(t, [{
    target: upstream.url,
    rewriteHeaders (headers) {
      given.push({ ...headers })
      return headers
    }
  }])

  const received = await sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').ended

  t.match(received, /^HTTP\/1\.1 200 OK[^]*\r\n\r\nok$/)
  t.same(given, [{ 'content-length': '2' }])
})

t.test('a response to a request with a session cookie stays private unless rewriteHeaders decides otherwise', async t => {
  const upstream = await startUpstream(t)
  const own = await startGuarded(t, { target: upstream.url, rewriteHeaders: headers => ({ ...headers, 'x-was': headers['cache-control'] }) })
  const response = await fetch(`${own.url}/wiki/a`, { headers: { cookie: own.cookie } })
  t.match(Object.fromEntries(response.headers), { 'cache-control': 'private', 'x-was': 'private' })

  const open = await startGuarded(t, { target: upstream.url, rewriteHeaders: headers => ({ ...headers, 'cache-control': 'public, max-age=60' }) })
  t.equal((await fetch(`${open.url}/wiki/a`, { headers: { cookie: open.cookie } })).headers.get('cache-control'), 'public, max-age=60')
})

t.test('rewriteHeaders may not change the framing of a response without a known length, and its body is the same to the byte', async t => {
  const upstream = await startUpstream(t, (_request, response) => {
    response.write('one ')
    setImmediate(() => { response.end('two') })
  })
  const { url } = await startProxy(t, [{ target: upstream.url, rewriteHeaders: headers => ({ ...headers, 'x-new': '1' }) }])

  const response = await fetch(url)
  t.equal(response.headers.get('x-new'), '1')
  t.equal(await response.text(), 'one two')

  const forged = await startProxy(t, [{ target: upstream.url, rewriteHeaders: headers => ({ ...headers, 'content-length': '3' }) }])
  t.equal((await fetch(forged.url)).status, 500)
})

t.test('an exchange is observed once, when it has ended', async t => {
  const upstream = await startUpstream(t, (request, response) => { response.writeHead(request.url === '/none' ? 204 : 201).end(request.url === '/none' ? undefined : 'created') })
  const { responses, errors, observers } = observe()
  const requests: string[] = []
  const { url, counter } = await startProxy(t, [{ target: upstream.url, ...observers, onResponse: (request, response) => { requests.push(request.url, String(observers.onResponse!(request, response))) } }])

  await (await fetch(`${url}/a`, { method: 'POST', body: 'x' })).text()
  await (await fetch(`${url}/none`)).text()
  await (await fetch(`${url}/head`, { method: 'HEAD' })).text()
  await eventually(() => counter.inFlight === 0 && responses.length === 3)

  t.match(responses, [{ status: 201, bytes: 7, target: upstream.url, ms: Number }, { status: 204, bytes: 0 }, { status: 201, bytes: 0 }])
  t.same(requests.filter(text => text.startsWith('/')), ['/a', '/none', '/head'])
  t.same(errors, [])
})

t.test('an exchange that fails is observed with the error that the client receives, and then with its status', async t => {
  const silent = await startUpstream(t, () => {})
  const raw = await startRawUpstream(t, socket => { socket.end('HTTP/1.1 200 OK\r\nbroken\r\n\r\n') })
  const closed = `http://127.0.0.1:${await findClosedPort()}`
  for (const [target, status, code, sentTo] of [
    [closed, 502, 'PTC_ERR_UPSTREAM_UNREACHABLE', null],
    [silent.url, 504, 'PTC_ERR_UPSTREAM_TIMEOUT', silent.url],
    [raw.url, 502, 'PTC_ERR_UPSTREAM_RESPONSE_INVALID', raw.url]
  ] as const) {
    const { responses, errors, observers } = observe()
    const { url, counter } = await startProxy(t, [{ target, timeout: 200, ...observers }])

    const response = await fetch(url)

    t.match(await response.json(), { status, code })
    await eventually(() => counter.inFlight === 0)
    t.same(errors, [code])
    t.match(responses, [{ status, target: sentTo }])
  }
})

t.test('a response that breaks off is observed once as an error, with the status that the client received', async t => {
  const upstream = await startUpstream(t, (_request, response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('some', () => { response.destroy() })
  })
  const { responses, errors, observers } = observe()
  const { url, counter } = await startProxy(t, [{ target: upstream.url, ...observers }])

  await t.rejects((await fetch(url)).text())

  await eventually(() => counter.inFlight === 0)
  t.same(errors, ['PTC_ERR_UPSTREAM_UNREACHABLE'])
  t.match(responses, [{ status: 200, bytes: 4, target: upstream.url }])
})

t.test('a client that leaves is no error', async t => {
  const upstream = await startUpstream(t, (_request, response) => { response.write('some') })
  const { responses, errors, observers } = observe()
  const { port, counter } = await startProxy(t, [{ target: upstream.url, ...observers }])
  const client = sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until(/some/)
  client.socket.destroy()

  await eventually(() => counter.inFlight === 0)
  t.same(errors, [])
  t.match(responses, [{ status: 200, bytes: 4 }])
})

t.test('an observer that fails changes nothing for the exchange', async t => {
  const upstream = await startUpstream(t)
  const failing: Array<() => unknown> = [() => { throw new Error('observer') }, async () => { throw new Error('observer') }, () => ({ then: (_: unknown, reject: (error: Error) => void) => { reject(new Error('observer')) } })]
  for (const observer of failing) {
    const good = await startProxy(t, [{ target: upstream.url, onResponse: observer, onError: observer }])
    t.equal(await (await fetch(good.url)).text(), 'ok')
    await eventually(() => good.counter.inFlight === 0)
    const bad = await startProxy(t, [{ target: `http://127.0.0.1:${await findClosedPort()}`, onResponse: observer, onError: observer }])
    t.match(await (await fetch(bad.url)).json(), { code: 'PTC_ERR_UPSTREAM_UNREACHABLE' })
    await eventually(() => bad.counter.inFlight === 0)
  }
})

t.test('a WebSocket passes preForward, keeps the headers of its handshake, and is observed when it closes', async t => {
  const upstream = await startSocketUpstream(t)
  const { responses, errors, observers } = observe()
  const rewritten: string[] = []
  const { url, cookie } = await startGuarded(t, {
    target: upstream.url,
    preForward ({ url }) { if (url.includes('refused')) throw notHere() },
    rewriteHeaders (headers, { url }) {
      rewritten.push(url)
      return headers
    },
    ...observers
  })
  const ws = url.replace('http', 'ws')

  t.match(await refusalOf(t, `${ws}/wiki/refused`, [], { cookie, origin }), { status: 403 })
  t.equal(upstream.requests.length, 0)
  const socket = await openSocket(t, `${ws}/wiki/room`, [], { cookie, origin })
  t.equal(await ask(socket, 'hello'), 'hello')
  t.same(responses, [])
  socket.close()
  await once(socket, 'close')
  await eventually(() => responses.length === 1)

  t.match(responses, [{ status: 101, bytes: 0, target: upstream.url }])
  t.same([errors, rewritten], [[], []])
})

t.test('an option that is no function is refused by name', async t => {
  for (const name of ['preForward', 'rewriteHeaders', 'onResponse', 'onError']) {
    await t.rejects(startProxy(t, [{ target: 'http://127.0.0.1:1', [name]: 'handler' }]), { code: 'PTC_ERR_CONFIG_INVALID', message: `portcullis-proxy: ${name} must be a function` })
  }
})

/** Removes the hooks by which the helpers of the tests watch every server. */
function forgetHelper (app: FastifyInstance): void {
  for (const step of ['preValidation', 'onSend'] as const) hooksOfScope(app, step).length = 0
}

t.test('hooks of the application that proxied requests never reach are reported at the start, once', async t => {
  const upstream = await startUpstream(t)
  const ran: string[] = []
  const { app, url, cookie, lines } = await startGuarded(t, { target: upstream.url }, app => {
    forgetHelper(app)
    app.addHook('onRequest', async () => { ran.push('onRequest') })
    app.addHook('preHandler', async function checkTenant () { ran.push('preHandler') })
    app.addHook('onSend', async () => { ran.push('onSend') })
    app.addHook('onResponse', async () => { ran.push('onResponse') })
  })
  ran.length = 0

  t.equal((await fetch(`${url}/wiki/a`, { headers: { cookie } })).status, 200)
  await eventually(() => ran.length === 2)
  t.same(ran, ['onRequest', 'onResponse'])
  t.match(lines().filter(({ msg }) => msg.includes('hooks of the application')), [{ level: 40, hooks: ['preHandler checkTenant', 'onSend (no name)'], msg: /do not run for proxied requests.*onRequest.*preForward/ }])
  t.equal(app.portcullis.upstreams.length, 1)
})

t.test('a hook is reported if it is added late, or by another plugin to every route; several proxies cause one line', async t => {
  const upstream = await startUpstream(t)
  const guard = async (): Promise<void> => {}
  const told = async (register: (app: FastifyInstance) => unknown, after: (app: FastifyInstance) => unknown = () => {}): Promise<object[]> => {
    const lines: object[] = []
    const app = Fastify(serverOptions({ logger: { level: 'info', stream: { write: (line: string) => { lines.push(JSON.parse(line) as object) } } } }))
    t.teardown(() => app.close())
    await app.register(errors)
    forgetHelper(app)
    await register(app)
    for (const prefix of ['/a', '/b']) await app.register(proxy, { prefix, origin, target: upstream.url })
    await after(app)
    await app.ready()
    return lines
  }

  t.match(await told(() => {}, app => app.addHook('preValidation', guard)), [{ level: 40, hooks: ['preValidation guard'] }])
  t.match(await told(app => app.addHook('onRoute', route => { route.preHandler = guard })), [{ level: 40, hooks: ['preHandler guard'] }])
  t.match(await told(app => app.addHook('onSend', guard)), [{ level: 30, hooks: ['onSend guard'] }])
  t.same(await told(app => app.addHook('onRequest', guard)), [])
  t.same(await told(async app => await app.register(async scope => { scope.addHook('preHandler', guard) })), [], 'hooks of another scope are none of its own')
})

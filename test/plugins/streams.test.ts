import { once } from 'node:events'
import { get, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { identityOfForeign } from '../../lib/jwt/foreign-token.ts'
import proxy from '../../plugins/proxy.ts'
import { serverOptions } from '../../plugins/server-options.ts'
import { StreamRegistry, type Stream } from '../../plugins/streams/registry.ts'
import streams from '../../plugins/streams.ts'
import type { Store } from '../../stores/store.ts'
import { post, signIn, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { runPortcullis, startPortcullis, writeConfig } from '../helpers/portcullis.ts'
import { eventually } from '../helpers/proxy.ts'
import { ask, closeOf, openSocket, startSocketGateway, startSocketUpstream } from '../helpers/sockets.ts'

/** An upstream with WebSockets, event streams at …/events, downloads without an end at …/download, no answer at …/poll, answers at …/slow that the test ends, and some that end. */
async function startStreamUpstream (t: Test) {
  const slow: ServerResponse[] = []
  const open: ServerResponse[] = []
  const upstream = await startSocketUpstream(t, {
    onRequest (request, response) {
      const kind = request.url!.split('/').at(-1)
      if (kind === 'slow') slow.push(response)
      else if (kind === 'quick') response.end('quick')
      else open.push(response)
      if (kind === 'events') response.setHeader('content-type', 'text/event-stream; charset=utf-8')
      if (kind === 'events' || kind === 'download') response.write('data: 1\n\n')
    }
  })
  return { ...upstream, open, slow }
}

async function start (t: Test, overrides = {}) {
  const upstream = await startStreamUpstream(t)
  return { ...await startSocketGateway(t, upstream.url, overrides), upstream }
}

/** How a request that was answered for a while ends: `cut` when something is missing. */
function follow (url: string, headers: Record<string, string>): { begun: Promise<IncomingMessage>, ended: Promise<'whole' | 'cut'> } {
  const request = get(url, { headers, agent: false })
  const begun = once(request, 'response').then(([response]) => response as IncomingMessage)
  const ended = begun.then(response => new Promise<'whole' | 'cut'>(resolve => {
    response.on('error', () => {}).on('close', () => { resolve(response.complete ? 'whole' : 'cut') }).resume()
  }), () => 'cut' as const)
  begun.catch(() => {})
  return { begun, ended }
}

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })

t.test('signing out closes the WebSockets of the session with 1008, and no others', async t => {
  const { ws, url, upstream } = await start(t)
  const [ada, bob] = [await signIn(url), await signIn(url, 'bob')]
  const own = await openSocket(t, `${ws}/live`, [], ada)
  const bobs = await openSocket(t, `${ws}/live`, [], bob)

  await post(`${url}/auth/logout`, undefined, { cookie: ada.cookie })

  const [client, server] = await Promise.all([closeOf(own), closeOf(upstream.sockets[0]!)])
  t.equal(client.code, 1008)
  t.equal(server.code, 1008)
  t.equal(await ask(bobs, 'still here'), 'still here')
})

t.test('signing out elsewhere spares the WebSocket of the one who does', async t => {
  const { ws, url } = await start(t)
  const [here, there] = [await signIn(url), await signInForTokens(url)]
  const own = await openSocket(t, `${ws}/live`, [], { cookie: here.cookie })
  const other = await openSocket(t, `${ws}/live`, [`portcullis.bearer.${there.token}`])

  const answer = await post(`${url}/auth/logout`, { scope: 'others' }, { cookie: here.cookie })

  t.equal(answer.status, 204)
  t.equal((await closeOf(other)).code, 1008)
  t.equal(await ask(own, 'still here'), 'still here')
})

t.test('revoking the token that opened it, everybody, or the subject closes it', async t => {
  const { ws, url, app } = await start(t)
  const { blocklist } = app.portcullis
  const open = async (): Promise<{ socket: Awaited<ReturnType<typeof openSocket>>, token: string }> => {
    const { token } = await signInForTokens(url)
    return { socket: await openSocket(t, `${ws}/live`, [`portcullis.bearer.${token}`]), token }
  }

  const first = await open()
  const { jti, iss, exp } = claimsOf(first.token) as { jti: string, iss: string, exp: number }
  const second = await open()
  await blocklist.revoke({ jti, issuer: iss, expiresAt: exp })
  t.equal((await closeOf(first.socket)).code, 1008)
  t.equal(await ask(second.socket, 'still here'), 'still here')

  await blocklist.revoke({ subject: 'ada' })
  t.equal((await closeOf(second.socket)).code, 1008)

  const third = await open()
  await blocklist.revoke({ all: true })
  t.equal((await closeOf(third.socket)).code, 1008)
})

t.test('a revocation in another process closes WebSockets and cuts event streams here', async t => {
  const upstream = await startStreamUpstream(t)
  const { config } = await writeConfig(t, { origin: 'http://localhost:8080', upstreams: [{ prefix: '/live', target: upstream.url, audience: 'live', websocket: true }] })
  const [one, two] = await Promise.all([startPortcullis(t, config), startPortcullis(t, config)])
  const login = await post(`${one.url}/auth/login`, { username: 'ada', password: 'correct horse' })
  const cookie = login.headers.getSetCookie()[0]!.split(';')[0]!
  const { session: { sid } } = await login.json() as { session: { sid: string } }
  const sockets = await Promise.all([one, two].map(async ({ url }) => await openSocket(t, `${url.replace('http', 'ws')}/live`, [], { cookie })))
  const events = follow(`${two.url}/live/events`, { cookie })
  await events.begun

  const closed = Promise.all(sockets.map(closeOf))
  t.equal((await runPortcullis(t, ['revoke', '--session', sid, '--config', config])).code, 0)

  t.strictSame((await closed).map(({ code }) => code), [1008, 1008])
  t.equal(await events.ended, 'cut')
})

t.test('rotation, renewal and the end of the access token close nothing', async t => {
  const { ws, url, store, advance } = await start(t)
  const tokens = await signInForTokens(url)
  const session = await signIn(url)
  const byToken = await openSocket(t, `${ws}/live`, [`portcullis.bearer.${tokens.token}`])
  const byCookie = await openSocket(t, `${ws}/live`, [], { cookie: session.cookie })

  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })).status, 200)
  await store.renew(session.sid, { secretHash: 'another', acr: '1', amr: ['pwd'] })
  advance(11 * 60_000)
  await wait(1200)

  t.equal(await ask(byToken, 'still here'), 'still here')
  t.equal(await ask(byCookie, 'still here'), 'still here')
})

t.test('the absolute end of a session closes its WebSockets, in both modes', async t => {
  const { ws, url, advance } = await start(t, { session: { idleTimeout: '1h', absoluteTimeout: '1h' } })
  const { cookie } = await signIn(url)
  const { token } = await signInForTokens(url)
  const sockets = [await openSocket(t, `${ws}/live`, [], { cookie }), await openSocket(t, `${ws}/live`, [`portcullis.bearer.${token}`])]

  const closed = Promise.all(sockets.map(closeOf))
  advance(3_602_000)

  t.strictSame((await closed).map(({ code }) => code), [1008, 1008])
})

t.test('a session that is not used ends, although a WebSocket of it is open', async t => {
  const { ws, url, advance } = await start(t, { session: { idleTimeout: '20s', absoluteTimeout: '1h' } })
  const { cookie } = await signIn(url)
  const socket = await openSocket(t, `${ws}/live`, [], { cookie })
  t.equal(await ask(socket, 'busy'), 'busy')

  const closed = closeOf(socket)
  advance(21_000)

  t.equal((await closed).code, 1008)
})

t.test('a download that moves keeps its session in use until the absolute end, and one that stands still does not', async t => {
  const { url, app, upstream, advance } = await start(t, { session: { idleTimeout: '20s', absoluteTimeout: '1h' } })
  const { cookie, sid } = await signIn(url)
  const download = follow(`${url}/live/download`, { cookie })
  await download.begun
  const lastUse = async (): Promise<number> => (await app.portcullis.store.read(sid))?.lastUsedAtMs ?? 0

  for (let i = 0; i < 3; i++) {
    advance(15_000)
    const before = await lastUse()
    upstream.open[0]!.write('more')
    while (await lastUse() <= before) await wait(50)
  }
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 200)
  advance(21_000)

  t.equal(await download.ended, 'cut')
})

t.test('event streams are cut at once, downloads and waiting requests as well, and short requests are left alone', async t => {
  const { url, app, upstream } = await start(t)
  const { token, cookie } = await signInForTokens(url)
  const [download, poll] = [follow(`${url}/live/download`, bearer(token)), follow(`${url}/live/poll`, bearer(token))]
  await eventually(() => app.portcullis.streams.open === 2)
  const events = follow(`${url}/live/events`, bearer(token))
  await events.begun
  t.equal(app.portcullis.streams.open, 3)
  const slow = fetch(`${url}/live/slow`, { headers: bearer(token) })
  await eventually(() => upstream.slow.length === 1)

  await post(`${url}/auth/logout`, undefined, { cookie })
  upstream.slow[0]!.end('slow')

  t.strictSame(await Promise.all([download.ended, poll.ended, events.ended]), ['cut', 'cut', 'cut'])
  t.equal(await (await slow).text(), 'slow')
  await eventually(() => app.portcullis.streams.open === 0)
  await eventually(() => upstream.open.every(response => response.destroyed))
})

t.test('a download that was young when its session was revoked ends when it becomes long', async t => {
  const { url } = await start(t)
  const { token, cookie } = await signInForTokens(url)
  const download = follow(`${url}/live/download`, bearer(token))
  await download.begun

  await post(`${url}/auth/logout`, undefined, { cookie })

  t.equal(await download.ended, 'cut')
})

t.test('what is open for nobody ends with no session, and ordinary requests are never counted', async t => {
  const { url, app } = await start(t)
  const events = follow(`${url}/open/events`, {})
  await events.begun

  for (let i = 0; i < 20; i++) await (await fetch(`${url}/open/quick`)).text()
  await app.portcullis.blocklist.revoke({ all: true })
  await wait(1100)

  t.equal(app.portcullis.streams.open, 1)
})

t.test('draining ends event streams, and lets a download finish', async t => {
  const { url, app, upstream } = await start(t, { shutdown: { timeout: '10s' } })
  const download = follow(`${url}/open/download`, {})
  await download.begun
  const events = follow(`${url}/open/events`, {})
  await events.begun

  const closed = app.close()
  t.equal(await events.ended, 'cut')
  upstream.open[0]!.end()

  t.equal(await download.ended, 'whole')
  await closed
})

t.test('after a gap in the log the session of every open stream is read again', async t => {
  let hasGap = false
  let isGone = (_sid: string): boolean => false
  const wrapStore = (store: Store): Store => new Proxy(store, {
    get (target, name: keyof Store) {
      if (name === 'read') return async (sid: string) => isGone(sid) ? null : await target.read(sid)
      if (name !== 'pull') return target[name]
      return async (position: string) => {
        const pulled = await target.pull(position)
        const gap = hasGap
        hasGap = false
        return gap ? { ...pulled, entries: [], gap } : pulled
      }
    }
  })
  const upstream = await startStreamUpstream(t)
  const gateway: TestGateway = await startGateway(t, { revocation: { maxStaleness: '200ms' }, upstreams: [{ prefix: '/live', target: upstream.url, audience: 'live', websocket: true }] }, { wrapStore })
  const [lost, kept] = [await signIn(gateway.url), await signIn(gateway.url)]
  const ws = gateway.url.replace('http', 'ws')
  const [losing, keeping] = [await openSocket(t, `${ws}/live`, [], { cookie: lost.cookie }), await openSocket(t, `${ws}/live`, [], { cookie: kept.cookie })]

  const closed = closeOf(losing)
  isGone = sid => sid === lost.sid
  hasGap = true

  t.equal((await closed).code, 1008)
  t.equal(await ask(keeping, 'still here'), 'still here')
})

t.test('a stream of another issuer\'s token ends with the token, also while the store cannot be asked', async t => {
  let nowMs = 1_000_000
  const registry = new StreamRegistry({ nowMs: () => nowMs, isRevoked: () => false, readEnd: async () => { throw new Error('the store is away') } })
  t.teardown(() => { registry.stop() })
  const ends: string[] = []
  const identity = identityOfForeign({ iss: 'i', sub: 'eve', aud: 'orders', exp: 1060, iat: 1000, jti: 'j' }, { name: 'idp', issuer: 'i', algorithms: ['ES256'], scopes: [], maxTokenAgeSeconds: 3600, typ: 'any', ownAudience: 'o' }, 1000)
  if (typeof identity === 'string') throw new Error(identity)
  const stream: Stream = { identity, startedAtMs: 0, youngAt: -1, end (reason) { ends.push(reason) } }
  registry.add(stream)
  registry.keep(stream)
  await registry.read()

  nowMs = 1_059_000
  registry.sweep()
  t.same(ends, [])
  nowMs = 1_061_001
  registry.sweep()
  t.same(ends, ['revoked'])
})

t.test('a thousand revocations in a row are looked for in few turns', async t => {
  let looks = 0
  const identity = { credential: 'session', expiresAt: 0 } as NonNullable<Stream['identity']>
  const registry = new StreamRegistry({
    nowMs: () => 0,
    readEnd: async () => Infinity,
    isRevoked () {
      looks++
      // As long as ten thousand streams would take.
      const until = performance.now() + 2
      while (performance.now() < until);
      return false
    }
  })
  t.teardown(() => { registry.stop() })
  registry.keep({ identity, startedAtMs: 0, youngAt: -1, end: () => {} })

  for (let i = 0; i < 1000; i++) registry.look()
  await wait(60)

  t.ok(looks <= 4, `looked ${looks} times`)
})

t.test('a proxy refuses WebSockets that nobody would end, and streams do not boot alone', async t => {
  const app = Fastify(serverOptions())
  t.teardown(() => app.close())

  await t.rejects(async () => { await app.register(streams) }, { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' })
  const other = Fastify(serverOptions())
  t.teardown(() => other.close())
  await other.register((await import('../../plugins/errors.ts')).default)
  await t.rejects(async () => { await other.register(proxy, { prefix: '/', target: 'http://127.0.0.1:1', origin: 'https://app.example.com', websocket: true }) },
    { code: 'PTC_ERR_CONFIG_INVALID', message: 'proxy: websocket needs portcullis-streams; register it before' })
})

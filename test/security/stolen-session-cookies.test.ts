import { randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import t from 'tap'
import { password, post, startGateway } from '../helpers/build-gateway.ts'
import { challengeOf, createDevice, deviceCookieName, deviceCookieOf, refresh, register, signInBound, signInToBind } from '../helpers/device.ts'
import { assertProblem } from '../helpers/problem.ts'
import { openSocket, startSocketGateway, startSocketUpstream } from '../helpers/sockets.ts'

/*
 * Malware, a backup or a log has given all cookies of a browser to somebody else, who uses them from another machine. Where sessions
 * are bound to their devices the session cookie alone opens nothing, in no way that it counts, and both cookies together nothing once
 * the short one has run out. Nor does the thief get at another one by way of another site, another session or a gateway that has
 * just started.
 */

const on = { session: { deviceBound: {} } }
const minute = 60_000

t.test('whoever has copied a session cookie cannot use up the proofs of its owner, who comes from another address', async t => {
  const { url } = await startGateway(t, { session: { deviceBound: {} }, listen: { host: '127.0.0.1', port: 0, trustProxy: ['127.0.0.0/8'] }, rateLimit: { signIn: { max: 1000 }, refresh: { max: 5 } } })
  const { cookie, sid, challenge } = await signInToBind(url)
  const device = createDevice()
  const [owner, thief] = [{ 'x-forwarded-for': '192.0.2.1' }, { 'x-forwarded-for': '198.51.100.1' }]
  const prove = async (path: string, headers: Record<string, string>): Promise<Response> => await post(`${url}/auth/device/${path}`, undefined, { cookie, 'sec-secure-session-id': sid, ...headers })
  const exhaust = async (path: string): Promise<void> => {
    for (let more = 0; more < 8; more++) await prove(path, thief)
    t.equal((await prove(path, thief)).status, 429)
  }

  await exhaust('register')
  const registered = await prove('register', { ...owner, 'secure-session-response': device.register(challenge) })
  t.equal(registered.status, 200)
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie: `${cookie}; ${deviceCookieOf(registered)}` } })).status, 200)

  await exhaust('refresh')
  t.equal((await prove('refresh', { ...owner, 'secure-session-response': device.refresh(challengeOf(registered)) })).status, 200)
})

t.test('the session cookie of a bound session opens nothing, wherever it counts', async t => {
  for (const consistency of ['replica', 'strict'] as const) {
    const upstream = await startSocketUpstream(t, { onRequest (_request, response) { response.end('ok') } })
    const { url, ws, advance, store } = await startSocketGateway(t, upstream.url, { ...on, revocation: { consistency } })
    const bound = await signInBound(url)
    const stranger = await signInBound(url, 'bob')
    const unbound = await signInToBind(url)
    const dead = await signInBound(url)
    const stolen = {
      'the session cookie alone': bound.cookie,
      'an empty device cookie': `${bound.cookie}; ${deviceCookieName}=`,
      'the device cookie of another session': `${bound.cookie}; ${stranger.deviceCookie}`,
      'the device cookie of another session of the same subject': `${bound.cookie}; ${dead.deviceCookie}`,
      'a device cookie that was lengthened': `${bound.cookie}; ${bound.deviceCookie}A`,
      'one of the name without prefix': `${bound.cookie}; portcullis-device=${bound.deviceCookie.split('=')[1]!}`,
      'both cookies, later': dead.both
    }
    advance(4 * minute)
    const renewed = await refresh(url, bound.cookie, bound.sid, bound.device.refresh(bound.next))
    advance(minute)

    await Promise.all(Object.entries(stolen).map(async ([what, cookie]) => {
      const refused = async (path: string, response: Response): Promise<void> => {
        t.same(response.headers.getSetCookie(), [])
        await assertProblem(t, response, 401, 'PTC_ERR_SESSION_INVALID', `${consistency}: ${what} at ${path}`)
      }
      await Promise.all([
        ...['/live', '/auth/session', '/auth/sessions'].map(async path => { await refused(path, await fetch(`${url}${path}`, { headers: { cookie } })) }),
        ...[{ scope: 'others' }, { scope: 'all' }].map(async body => { await refused('/auth/logout', await post(`${url}/auth/logout`, body, { cookie })) }),
        refused('/auth/step-up', await post(`${url}/auth/step-up`, { password }, { cookie })),
        refused('DELETE', await fetch(`${url}/auth/sessions/${unbound.sid}`, { method: 'DELETE', headers: { cookie } })),
        t.rejects(openSocket(t, `${ws}/live`, [], { cookie }), /401/, what)
      ])
    }))
    const owner = `${bound.cookie}; ${deviceCookieOf(renewed)}`
    for (const path of ['/live', '/auth/session', '/auth/sessions']) t.equal((await fetch(`${url}${path}`, { headers: { cookie: owner } })).status, 200, path)
    for (const { sid } of [bound, dead, unbound, stranger]) t.ok(await store.read(sid), 'nothing was ended')
  }
})

t.test('other sites can neither renew nor bind, and cannot use a renewal up', async t => {
  const { url, store } = await startGateway(t, on)
  const { cookie, sid, device, next } = await signInBound(url)
  const offered = await signInToBind(url)
  for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { origin: 'https://evil.example' }, { origin: 'null' }]) {
    const proof = { 'secure-session-response': device.refresh(next) }
    const response = await post(`${url}/auth/device/refresh`, undefined, { cookie, 'sec-secure-session-id': sid, ...proof, ...headers })
    t.equal(response.headers.get('secure-session-challenge'), null)
    await assertProblem(t, response, 403, 'PTC_ERR_CSRF_REFUSED')
    await assertProblem(t, await post(`${url}/auth/device/register`, undefined, { cookie: offered.cookie, 'secure-session-response': createDevice().register(offered.challenge), ...headers }), 403, 'PTC_ERR_CSRF_REFUSED')
  }
  for (const method of ['GET', 'PUT', 'DELETE']) await assertProblem(t, await fetch(`${url}/auth/device/refresh`, { method, headers: { cookie, 'sec-secure-session-id': sid, 'secure-session-response': device.refresh(next) } }), 404, 'PTC_ERR_NOT_FOUND')

  t.match(await store.read(sid), { device: { renewals: 1 } })
  t.equal((await store.read(offered.sid))?.device, null)
})

t.test('two device cookies in one request are refused, and nothing is read of either', async t => {
  const { url } = await startGateway(t, on)
  const { cookie, deviceCookie, both } = await signInBound(url)
  for (const pairs of [[both, `${deviceCookieName}=x`], [`${deviceCookieName}=`, both], [both, deviceCookie]]) {
    for (const path of ['/orders', '/auth/session']) await assertProblem(t, await fetch(`${url}${path}`, { headers: { cookie: pairs.join('; ') } }), 400, 'PTC_ERR_COOKIE_DUPLICATE')
  }
  const lines = ['Host', 'a', 'Cookie', both, 'Cookie', deviceCookie]
  t.equal(await new Promise(resolve => { httpRequest(`${url}/auth/session`, { headers: lines }, response => { response.resume(); resolve(response.statusCode) }).end() }), 400)
  await assertProblem(t, await post(`${url}/auth/device/refresh`, undefined, { cookie: `${cookie}; ${cookie}` }), 400, 'PTC_ERR_COOKIE_DUPLICATE')
})

t.test('a gateway that has just started knows who is bound, and what was used', async t => {
  const secret = randomBytes(32).toString('base64url')
  const before = await startGateway(t, { ...on, secret })
  const { cookie, sid, both, device, next, deviceCookie } = await signInBound(before.url)
  const used = await refresh(before.url, cookie, sid, device.refresh(next))

  const after = await startGateway(t, { ...on, secret }, { wrapStore: () => before.store })
  await assertProblem(t, await fetch(`${after.url}/orders`, { headers: { cookie } }), 401, 'PTC_ERR_SESSION_INVALID')
  t.equal((await fetch(`${after.url}/orders`, { headers: { cookie: both } })).status, 200)
  t.equal((await refresh(after.url, cookie, sid, device.refresh(next))).status, 403)
  t.equal((await refresh(after.url, cookie, sid, device.refresh(challengeOf(used)))).status, 200)
  before.advance(5 * minute)
  await assertProblem(t, await fetch(`${after.url}/orders`, { headers: { cookie: `${cookie}; ${deviceCookie}` } }), 401, 'PTC_ERR_SESSION_INVALID')
})

t.test('a thief who comes before the binding is shut out by it, and cannot bind in its place', async t => {
  const { url } = await startGateway(t, on)
  const { cookie, challenge } = await signInToBind(url)
  t.equal((await fetch(`${url}/orders`, { headers: { cookie } })).status, 200, 'the one moment in which the cookie is enough')
  const thief = createDevice()
  await assertProblem(t, await register(url, cookie, thief.register('A'.repeat(56))), 403, 'PTC_ERR_DEVICE_PROOF_REQUIRED', 'the challenge was in the answer alone')

  const owner = await register(url, cookie, createDevice().register(challenge))

  t.equal((await fetch(`${url}/orders`, { headers: { cookie: `${cookie}; ${deviceCookieOf(owner)}` } })).status, 200)
  await assertProblem(t, await fetch(`${url}/orders`, { headers: { cookie } }), 401, 'PTC_ERR_SESSION_INVALID')
})

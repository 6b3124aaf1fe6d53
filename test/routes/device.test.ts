import { randomBytes } from 'node:crypto'
import t from 'tap'
import { origin, password, post, setCookies, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { scrape, startAdministered } from '../helpers/admin.ts'
import { createFaultyStore, recordEvents } from '../helpers/build-app.ts'
import { attributesOf, isDeletion, sessionAttributes } from '../helpers/credentials.ts'
import { challengeOf, createDevice, deviceCookieName, deviceCookieOf, refresh, register, signInBound, signInToBind } from '../helpers/device.ts'
import { untilTrue } from '../helpers/portcullis.ts'
import { assertProblem } from '../helpers/problem.ts'
import { send, type Answer } from '../helpers/send.ts'
import { startRawUpstream } from '../helpers/upstream.ts'

const on = { session: { deviceBound: {} } }
const minute = 60_000

async function sessionOf (url: string, cookie: string, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(`${url}/auth/session`, { headers: { cookie, ...headers } })
}

t.test('a sign-in offers a binding, and a browser that takes it has a session that needs its device cookie', async t => {
  const events = recordEvents(t)
  const { url, orders } = await startGateway(t, on)
  const device = createDevice()
  const login = await post(`${url}/auth/login`, { username: 'ada', password })
  t.match(login.headers.get('secure-session-registration'), /^\(ES256\);path="\/auth\/device\/register";challenge="[A-Za-z0-9_-]{56}"$/)
  const { session } = await login.json() as { session: { sid: string, device: unknown } }
  t.equal(session.device, null)
  const cookie = `__Host-Http-portcullis=${setCookies(login)['__Host-Http-portcullis'] ?? ''}`
  t.equal((await fetch(`${url}/orders`, { headers: { cookie } })).status, 200, 'not bound yet')

  const response = await register(url, cookie, device.register(challengeOf(login)))

  t.equal(response.status, 200)
  t.equal(response.headers.get('cache-control'), 'no-store')
  t.match(response.headers.get('secure-session-challenge'), new RegExp(`^"[A-Za-z0-9_-]{56}";id="${session.sid}"$`))
  t.same(response.headers.getSetCookie().map(attributesOf), [[...sessionAttributes, 'max-age=290'].sort()])
  const deviceCookie = deviceCookieOf(response)
  t.not(deviceCookie, '')
  t.strictSame(await response.json(), {
    session_identifier: session.sid,
    refresh_url: '/auth/device/refresh',
    scope: { origin, include_site: false, scope_specification: [] },
    credentials: [{ type: 'cookie', name: deviceCookieName, attributes: 'Path=/; HttpOnly; Secure; SameSite=Lax' }]
  })
  for (const path of ['/orders', '/auth/session', '/auth/sessions']) await assertProblem(t, await fetch(`${url}${path}`, { headers: { cookie } }), 401, 'PTC_ERR_SESSION_INVALID', path)
  const both = `${cookie}; ${deviceCookie}`
  t.equal((await fetch(`${url}/orders`, { headers: { cookie: `theme=dark; ${both}` } })).status, 200)
  t.equal(orders.requests.at(-1)?.headers.cookie, 'theme=dark', 'no upstream sees the device cookie')
  const { session: { device: bound, created_at: createdAt } } = await (await sessionOf(url, both)).json() as { session: { device: { bound_at: number }, created_at: number } }
  t.ok(bound.bound_at >= createdAt && bound.bound_at < createdAt + 60)
  const { sessions } = await (await fetch(`${url}/auth/sessions`, { headers: { cookie: both } })).json() as { sessions: unknown[] }
  t.match(sessions, [{ sid: session.sid, device: bound }])
  t.match(events.filter(({ event }) => event.startsWith('device.')), [{ event: 'device.bound', sid: session.sid, subject: 'ada', ip: '127.0.0.1' }])
})

/** What browsers add to what a page sends. */
const ofPage = { 'sec-fetch-site': 'same-origin' }

t.test('for a page the binding is in force once its device has shown that it knows of it, by the cookie or a proof: the answer may be late, or lost', async t => {
  const secret = randomBytes(32).toString('base64url')
  const { url, store } = await startGateway(t, { ...on, secret })
  const other = await startGateway(t, { ...on, secret }, { wrapStore: () => store })
  for (const show of ['cookie', 'proof'] as const) {
    const device = createDevice()
    const { cookie, sid, challenge } = await signInToBind(url)
    const registered = await register(url, cookie, device.register(challenge))
    const both = `${cookie}; ${deviceCookieOf(registered)}`
    for (const gateway of [url, other.url]) {
      t.equal((await fetch(`${gateway}/orders`, { headers: { cookie, ...ofPage } })).status, 200, 'sent before the answer came')
      t.equal((await fetch(`${gateway}/orders`, { headers: { cookie } })).status, 401, 'there is no page')
      t.match(await (await sessionOf(gateway, cookie, ofPage)).json(), { session: { device: null } })
    }
    t.equal((await sessionOf(url, `${cookie}; ${deviceCookieName}=${'A'.repeat(56)}`, ofPage)).status, 200, 'what is none shows nothing')

    if (show === 'cookie') t.match(await (await sessionOf(url, both)).json(), { session: { device: { bound_at: Number } } })
    else t.equal((await refresh(url, cookie, sid, device.refresh(challengeOf(await refresh(url, cookie, sid))))).status, 200)

    await assertProblem(t, await sessionOf(url, cookie, ofPage), 401, 'PTC_ERR_SESSION_INVALID')
    await untilTrue(async () => (await sessionOf(other.url, cookie, ofPage)).status === 401, 5)
    t.equal((await sessionOf(other.url, both)).status, 200)
    t.match(await store.read(sid), { device: { renewals: 1 } })
  }
})

t.test('a device cookie that is shown first while the store is away counts here at once, and in the store when it is back', async t => {
  let faulty: ReturnType<typeof createFaultyStore> | null = null
  const { url, store, advance } = await startGateway(t, on, { wrapStore: store => (faulty = createFaultyStore(store)).store })
  const { cookie, sid, challenge } = await signInToBind(url)
  const both = `${cookie}; ${deviceCookieOf(await register(url, cookie, createDevice().register(challenge)))}`
  faulty!.fail('renewDevice')
  t.equal((await sessionOf(url, both)).status, 200)
  t.equal((await sessionOf(url, cookie, ofPage)).status, 401)
  const tries = faulty!.calls.renewDevice
  t.equal((await sessionOf(url, both)).status, 200)
  t.equal(faulty!.calls.renewDevice, tries, 'not every request waits for a store that is away')
  t.match(await store.read(sid), { device: { renewals: 0 } })

  faulty!.recover()
  advance(1000)
  t.equal((await sessionOf(url, both)).status, 200)
  t.match(await store.read(sid), { device: { renewals: 1 } })
})

t.test('the device cookie runs out, and is renewed by a proof of the key', async t => {
  const { url, advance } = await startGateway(t, on)
  const { cookie, sid, both, device, next } = await signInBound(url)
  advance(5 * minute - 1000)
  t.equal((await fetch(`${url}/orders`, { headers: { cookie: both } })).status, 200)
  advance(1000)
  const refused = await fetch(`${url}/orders`, { headers: { cookie: both } })
  t.same(refused.headers.getSetCookie(), [], 'no cookie is taken away')
  await assertProblem(t, refused, 401, 'PTC_ERR_SESSION_INVALID')

  const challenged = await refresh(url, cookie, sid)
  t.match(challenged.headers.get('secure-session-challenge'), new RegExp(`^"[A-Za-z0-9_-]{56}";id="${sid}"$`))
  t.same(challenged.headers.getSetCookie(), [])
  const challenge = challengeOf(challenged)
  await assertProblem(t, challenged, 403, 'PTC_ERR_DEVICE_PROOF_REQUIRED')
  const renewed = await refresh(url, cookie, sid, device.refresh(challenge))

  t.equal(renewed.status, 200)
  t.equal(((await renewed.json()) as { session_identifier: string }).session_identifier, sid)
  t.equal((await fetch(`${url}/orders`, { headers: { cookie: `${cookie}; ${deviceCookieOf(renewed)}` } })).status, 200)
  const again = await refresh(url, cookie, sid, device.refresh(next))
  t.not(challengeOf(again), '')
  await assertProblem(t, again, 403, 'PTC_ERR_DEVICE_PROOF_REQUIRED', 'the challenge that was given ahead is of the same number')
  t.equal((await refresh(url, cookie, sid, device.refresh(challengeOf(again)))).status, 200)
})

t.test('a link from another site, with which no browser renews anything, is asked for again by our own page, once', async t => {
  const { url, advance } = await startGateway(t, on)
  const { cookie, both, device, next, sid } = await signInBound(url)
  const navigation = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'sec-fetch-site': 'cross-site' }
  const follow = async (cookie: string, headers: Record<string, string> = {}): Promise<Answer> => await send('GET', `${url}/orders`, { headers: Object.entries({ cookie, ...navigation, ...headers }).flat() })
  advance(5 * minute)

  for (const sent of [cookie, both]) {
    t.match(await follow(sent), { status: 401, code: 'PTC_ERR_SESSION_INVALID', headers: { refresh: '0', 'www-authenticate': 'Bearer' } })
  }
  for (const headers of [{ 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' }, { 'sec-fetch-dest': 'iframe' }, { 'sec-fetch-mode': 'cors' }]) t.match(await follow(cookie, headers), { status: 401, headers: { refresh: undefined } })
  t.equal((await follow(`__Host-Http-portcullis=${sid}.${'A'.repeat(43)}`)).headers['refresh'], undefined, 'a wrong secret')
  t.equal((await follow((await signInToBind(url)).cookie)).status, 200)
  const renewed = await refresh(url, cookie, sid, device.refresh(next))
  t.equal((await follow(`${cookie}; ${deviceCookieOf(renewed)}`)).status, 200)
})

t.test('a challenge that was given ahead saves a round trip, also in a structured string', async t => {
  const { url, advance } = await startGateway(t, on)
  const { cookie, sid, device, next } = await signInBound(url)
  advance(5 * minute + 30_000)

  const first = await refresh(url, cookie, sid, device.refresh(next))
  t.equal(first.status, 200)
  const quoted = await refresh(url, cookie, `"${sid}"`, `"${device.refresh(challengeOf(first))}"`)
  t.equal(quoted.status, 200)
  advance(6 * minute)
  await assertProblem(t, await refresh(url, cookie, sid, device.refresh(challengeOf(quoted))), 403, 'PTC_ERR_DEVICE_PROOF_REQUIRED', 'it has run out')
})

t.test('renewals are no use of a session, and an idle one is over for its device too', async t => {
  const { url, advance } = await startGateway(t, { session: { idleTimeout: '20m', deviceBound: {} } })
  const { cookie, sid, device, next } = await signInBound(url)
  let challenge = next
  for (let renewals = 0; renewals < 4; renewals++) {
    const response = await refresh(url, cookie, sid, device.refresh(challenge))
    t.equal(response.status, 200)
    challenge = challengeOf(response)
    advance(5 * minute)
  }

  await assertProblem(t, await refresh(url, cookie, sid, device.refresh(challenge)), 401, 'PTC_ERR_SESSION_INVALID')
})

t.test('a registration may be repeated by the same device until its cookie was shown', async t => {
  const { url, store } = await startGateway(t, on)
  const { cookie, sid, challenge } = await signInToBind(url)
  const device = createDevice()
  t.equal((await register(url, cookie, device.register(challenge))).status, 200)

  const again = await register(url, cookie, device.register(challenge))
  t.equal(again.status, 200)
  await assertProblem(t, await register(url, cookie, createDevice().register(challenge)), 403, 'PTC_ERR_DEVICE_PROOF_REQUIRED', 'another device')
  t.equal((await sessionOf(url, `${cookie}; ${deviceCookieOf(again)}`)).status, 200)
  await assertProblem(t, await register(url, cookie, device.register(challenge)), 403, 'PTC_ERR_DEVICE_PROOF_REQUIRED')
  const { x = '', y = '' } = device.jwk
  t.match(await store.read(sid), { device: { publicKey: x + y, renewals: 1 } })
})

t.test('a step-up keeps the binding, and needs the device cookie; that of an unbound session offers one', async t => {
  const { url, advance } = await startGateway(t, on)
  const bound = await signInBound(url)
  await assertProblem(t, await post(`${url}/auth/step-up`, { password }, { cookie: bound.cookie }), 401, 'PTC_ERR_SESSION_INVALID')

  const response = await post(`${url}/auth/step-up`, { password }, { cookie: bound.both })
  t.equal(response.status, 200)
  t.equal(response.headers.get('secure-session-registration'), null)
  const renewed = `__Host-Http-portcullis=${setCookies(response)['__Host-Http-portcullis'] ?? ''}`
  t.match(await response.json(), { session: { sid: bound.sid, device: { bound_at: Number } } })
  t.equal((await sessionOf(url, renewed)).status, 401)
  t.equal((await sessionOf(url, `${renewed}; ${bound.deviceCookie}`)).status, 200)
  t.equal((await refresh(url, renewed, bound.sid, bound.device.refresh(bound.next))).status, 200)

  const unbound = await signInToBind(url)
  advance(6 * minute)
  await assertProblem(t, await register(url, unbound.cookie, createDevice().register(unbound.challenge)), 403, 'PTC_ERR_DEVICE_PROOF_REQUIRED', 'an offer that has run out')
  const stepUp = await post(`${url}/auth/step-up`, { password }, { cookie: unbound.cookie })
  const cookie = `__Host-Http-portcullis=${setCookies(stepUp)['__Host-Http-portcullis'] ?? ''}`
  t.equal((await register(url, cookie, createDevice().register(challengeOf(stepUp)))).status, 200)
})

t.test('sign-out and the next sign-in end a bound session without its device cookie; nothing else does', async t => {
  const { url, store, advance } = await startGateway(t, on)
  const [one, two, three] = [await signInBound(url), await signInBound(url), await signInBound(url)]
  advance(10 * minute)

  for (const scope of ['others', 'all']) await assertProblem(t, await post(`${url}/auth/logout`, { scope }, { cookie: one.both }), 401, 'PTC_ERR_SESSION_INVALID', scope)
  const out = await post(`${url}/auth/logout`, undefined, { cookie: one.cookie })
  t.equal(out.status, 204)
  t.notOk(out.headers.getSetCookie().some(line => line.startsWith(deviceCookieName)), 'none was there')
  const next = await post(`${url}/auth/login`, { username: 'ada', password }, { cookie: two.both })
  for (const [bound, response] of [[two, next], [three, await post(`${url}/auth/logout`, undefined, { cookie: three.both })]] as const) {
    t.ok(response.headers.getSetCookie().some(line => isDeletion(line, deviceCookieName, sessionAttributes)))
    t.equal(await store.read(bound.sid), null)
  }
  t.equal(await store.read(one.sid), null)
  await assertProblem(t, await refresh(url, one.cookie, one.sid, one.device.refresh(one.next)), 401, 'PTC_ERR_SESSION_INVALID', 'the browser ends its part')
})

t.test('what is no bound session of the device cannot be renewed', async t => {
  const { url } = await startGateway(t, on)
  const [bound, other, unbound] = [await signInBound(url), await signInBound(url), await signInToBind(url)]
  const proof = bound.device.refresh(bound.next)

  await assertProblem(t, await refresh(url, other.cookie, bound.sid, proof), 401, 'PTC_ERR_SESSION_INVALID', 'the cookie of another session')
  await assertProblem(t, await refresh(url, bound.cookie, other.sid, proof), 401, 'PTC_ERR_SESSION_INVALID', 'the id of another session')
  await assertProblem(t, await post(`${url}/auth/device/refresh`, undefined, { cookie: bound.cookie, 'secure-session-response': proof }), 401, 'PTC_ERR_SESSION_INVALID', 'no id')
  await assertProblem(t, await refresh(url, unbound.cookie, unbound.sid, proof), 401, 'PTC_ERR_SESSION_INVALID', 'an unbound session')
  await assertProblem(t, await refresh(url, '', bound.sid, proof), 401, 'PTC_ERR_CREDENTIALS_MISSING')
  await assertProblem(t, await register(url, '', bound.device.register(bound.challenge)), 401, 'PTC_ERR_CREDENTIALS_MISSING')
  await assertProblem(t, await register(url, (await signInForTokens(url)).cookie, bound.device.register(bound.challenge)), 401, 'PTC_ERR_CREDENTIALS_MISSING', 'tokens mode')
  t.equal((await refresh(url, bound.cookie, bound.sid, proof)).status, 200)
})

t.test('while the store is away renewals are 503 and end nothing, and good device cookies go on', async t => {
  let faulty: ReturnType<typeof createFaultyStore> | null = null
  const { url, advance } = await startGateway(t, on, { wrapStore: store => (faulty = createFaultyStore(store)).store })
  const { cookie, sid, both, device, next, challenge } = await signInBound(url)
  const unbound = await signInToBind(url)
  t.equal((await fetch(`${url}/orders`, { headers: { cookie: both } })).status, 200)
  faulty!.fail('read', 'bindDevice', 'renewDevice')

  t.equal((await fetch(`${url}/orders`, { headers: { cookie: both } })).status, 200)
  await assertProblem(t, await refresh(url, cookie, sid), 503, 'PTC_ERR_STORE_UNAVAILABLE')
  await assertProblem(t, await refresh(url, cookie, sid, device.refresh(next)), 503, 'PTC_ERR_STORE_UNAVAILABLE')
  await assertProblem(t, await register(url, cookie, device.register(challenge)), 503, 'PTC_ERR_STORE_UNAVAILABLE')
  faulty!.fail('bindDevice', 'renewDevice')
  await assertProblem(t, await refresh(url, cookie, sid, device.refresh(next)), 503, 'PTC_ERR_STORE_UNAVAILABLE', 'the proof is good, and nobody knows whether it counted')
  await assertProblem(t, await register(url, unbound.cookie, createDevice().register(unbound.challenge)), 503, 'PTC_ERR_STORE_UNAVAILABLE')
  faulty!.fail('read')
  advance(6 * minute)
  await assertProblem(t, await fetch(`${url}/orders`, { headers: { cookie: both } }), 503, 'PTC_ERR_STORE_UNAVAILABLE', 'not 401: the browser cannot renew it either')
  faulty!.fail('close')
  const login = await post(`${url}/auth/login`, { username: 'ada', password }, { cookie: unbound.cookie })
  t.equal(login.headers.get('secure-session-registration'), null, 'what could not be begun is not offered')
  await assertProblem(t, login, 503, 'PTC_ERR_STORE_UNAVAILABLE')
  faulty!.recover()

  const challenged = await refresh(url, cookie, sid)
  const renewed = await refresh(url, cookie, sid, device.refresh(challengeOf(challenged)))
  t.equal(renewed.status, 200)
  t.equal((await fetch(`${url}/orders`, { headers: { cookie: `${cookie}; ${deviceCookieOf(renewed)}` } })).status, 200)
})

t.test('a warm request of a bound session makes no call of the store', async t => {
  let faulty: ReturnType<typeof createFaultyStore> | null = null
  const { url } = await startGateway(t, on, { wrapStore: store => (faulty = createFaultyStore(store)).store })
  const { both } = await signInBound(url)
  await fetch(`${url}/orders`, { headers: { cookie: both } })
  const before = { ...faulty!.calls }

  for (let requests = 0; requests < 20; requests++) t.equal((await fetch(`${url}/orders`, { headers: { cookie: both } })).status, 200)

  // The log is followed whatever is asked.
  for (const [method, count] of Object.entries(faulty!.calls)) if (method !== 'pull') t.equal(count, before[method as keyof typeof before], method)
})

t.test('registrations and renewals are limited by session, and what has none by address', async t => {
  const { url } = await startGateway(t, { ...on, rateLimit: { signIn: { max: 1000 }, refresh: { max: 5 } } })
  const [bound, other] = [await signInBound(url), await signInBound(url)]
  for (let more = 0; more < 4; more++) t.equal((await refresh(url, bound.cookie, bound.sid)).status, 403)

  const limited = await refresh(url, bound.cookie, bound.sid, bound.device.refresh(bound.next))
  t.match(limited.headers.get('ratelimit'), /^"refresh";r=0;t=\d+$/)
  await assertProblem(t, limited, 429, 'PTC_ERR_RATE_LIMITED')
  t.equal((await refresh(url, other.cookie, other.sid)).status, 403)

  const forged = `__Host-Http-portcullis=${other.sid}.${'A'.repeat(43)}`
  for (let more = 0; more < 5; more++) await assertProblem(t, await refresh(url, forged, other.sid), 401, 'PTC_ERR_SESSION_INVALID')
  await assertProblem(t, await refresh(url, forged, other.sid), 429, 'PTC_ERR_RATE_LIMITED')
  t.equal((await refresh(url, other.cookie, other.sid)).status, 403, 'guesses cost the session nothing')
})

t.test('without the setting nothing is offered and nothing is bound, whatever was bound before', async t => {
  const { url, store } = await startGateway(t)
  const { cookie, sid, challenge } = await signInToBind(url)
  t.equal(challenge, '')
  await store.bindDevice(sid, { publicKey: 'A'.repeat(86) })

  t.equal((await fetch(`${url}/orders`, { headers: { cookie } })).status, 200)
  t.match(await (await sessionOf(url, cookie)).json(), { session: { sid, device: null } })
  await assertProblem(t, await register(url, cookie, createDevice().register('x')), 404, 'PTC_ERR_NOT_FOUND')
  await assertProblem(t, await refresh(url, cookie, sid), 404, 'PTC_ERR_NOT_FOUND')
})

t.test('what becomes of proofs is told in events and counted', async t => {
  const events = recordEvents(t)
  const { url, admin } = await startAdministered(t, on)
  const { cookie, sid, device, next, challenge } = await signInBound(url)
  await register(url, cookie, createDevice().register(challenge))
  await refresh(url, cookie, sid)
  await refresh(url, cookie, sid, 'x')
  await refresh(url, cookie, sid, createDevice().refresh(next))
  await refresh(url, cookie, sid, device.refresh(next))
  await refresh(url, cookie, sid, device.refresh(next))

  const told = events.filter(({ event }) => event.startsWith('device.'))
  t.same(told.map(({ event, outcome = '' }) => `${event} ${outcome}`), ['device.bound ', 'device.refused key', 'device.refused malformed', 'device.refused signature', 'device.renewed ', 'device.refused challenge'])
  t.ok(told.every(event => event.sid === sid && event.subject === 'ada' && event.ip === '127.0.0.1'))
  const { value } = await scrape(admin)
  t.same(['bound', 'renewed', 'refused'].map(outcome => value(`portcullis_device_proofs_total{outcome="${outcome}"}`)), [1, 1, 4])
})

t.test('tokens mode is offered nothing', async t => {
  const { url } = await startGateway(t, on)
  const response = await post(`${url}/auth/login`, { username: 'ada', password, mode: 'tokens' })

  t.equal(response.headers.get('secure-session-registration'), null)
  t.match(await response.json(), { session: { device: null } })
})

t.test('a public upstream is told of no identity without the device cookie', async t => {
  const upstream = await startRawUpstream(t, (socket, sent) => { if (sent.endsWith('\r\n\r\n')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n') })
  const { url } = await startGateway(t, { ...on, upstreams: [{ prefix: '/open', target: upstream.url, access: 'public', forward: 'headers' }] })
  const { cookie, both } = await signInBound(url)

  for (const sent of [cookie, both]) t.equal((await fetch(`${url}/open`, { headers: { cookie: sent } })).status, 200)

  t.notMatch(upstream.connections[0], /x-auth-subject/)
  t.match(upstream.connections[1], /x-auth-subject: ada/)
})

t.test('a secret is rolled out without renewing anything', async t => {
  const [old, fresh] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')]
  const before = await startGateway(t, { ...on, secret: old })
  const bound = await signInBound(before.url)
  const after = await startGateway(t, { ...on, secret: [fresh, old] }, { wrapStore: () => before.store })
  const unknowing = await startGateway(t, { ...on, secret: fresh }, { wrapStore: () => before.store })

  t.equal((await fetch(`${after.url}/auth/session`, { headers: { cookie: bound.both } })).status, 200)
  const renewed = await refresh(after.url, bound.cookie, bound.sid, bound.device.refresh(bound.next))
  t.equal(renewed.status, 200)
  await assertProblem(t, await sessionOf(before.url, `${bound.cookie}; ${deviceCookieOf(renewed)}`), 503, 'PTC_ERR_STORE_UNAVAILABLE', 'one that is not known here yet')
  await assertProblem(t, await sessionOf(unknowing.url, bound.both), 503, 'PTC_ERR_STORE_UNAVAILABLE')
  const ofOld = challengeOf(await refresh(before.url, bound.cookie, bound.sid))
  const mended = await refresh(unknowing.url, bound.cookie, bound.sid, bound.device.refresh(ofOld))
  t.equal(mended.status, 403, 'a challenge is simply replaced')
  t.equal((await refresh(unknowing.url, bound.cookie, bound.sid, bound.device.refresh(challengeOf(mended)))).status, 200)
})

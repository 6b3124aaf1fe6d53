import t from 'tap'
import { createStore, otherSecret, recordEvents } from '../../helpers/build-app.ts'
import { answerOf, buildProviderApp, Jar, sessionOf } from '../../helpers/provider-app.ts'

t.test('an answer for the browser of an attacker signs nobody in elsewhere (login CSRF, code injection)', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const events = recordEvents(t)
  const [attacker, victim] = [new Jar(app), new Jar(app)]
  const callback = await attacker.begin(corp)
  t.equal((await victim.get(callback, { 'sec-fetch-site': 'cross-site' })).statusCode, 400)
  t.match(events.at(-1), { event: 'login.refused', outcome: 'no-transaction' })
  const injected = new URL(callback, 'https://app.example.com').searchParams.get('code')
  const own = await victim.begin(corp)
  t.equal((await victim.get(own.replace(/code=.*/, `code=${injected}`))).statusCode, 400, 'the nonce is that of another request')
  t.equal(await sessionOf(victim), null)
})

t.test('an answer at the address of another provider is refused before any code is redeemed (mix-up)', async t => {
  const { store } = await createStore(t)
  const { app, corp, other } = await buildProviderApp(t, store)
  const events = recordEvents(t)
  const jar = new Jar(app)
  const callback = await jar.begin(corp)
  t.equal((await jar.get(callback.replace('/corp', '/other'))).statusCode, 400)
  t.match(events.at(-1), { outcome: 'mix-up', provider: 'other' })
  t.equal(corp.redeemed + other.redeemed, 0)
})

t.test('an answer counts once, however many requests bring it at once', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  const callback = await jar.begin(corp)
  const cookie = [...jar.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const responses = await Promise.all(Array.from({ length: 8 }, async () => await app.inject({ url: callback, headers: { cookie } })))
  t.equal(responses.filter(({ headers }) => headers.location === '/').length, 1)
  t.equal(corp.redeemed, 1)
})

t.test('no spelling of return_to leads away from the origin', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  for (const path of ['https://evil.example', '//evil.example', '/\\evil.example', '\\\\evil.example', '/%2f/evil.example', '/..//evil.example', 'javascript:alert(1)', '/\t/evil.example', '/\n/evil.example', ' //evil.example', '/auth/login/corp', '/auth/logout', '/a\r\nset-cookie: x=1']) {
    const jar = new Jar(app)
    t.equal((await jar.get(await jar.begin(corp, `?return_to=${encodeURIComponent(path)}`))).headers.location, '/', JSON.stringify(path))
  }
})

t.test('a session that an attacker has planted ends when the user signs in (fixation)', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const attacker = new Jar(app)
  corp.answer = { sub: 'mallory' }
  await attacker.get(await attacker.begin(corp))
  const victim = new Jar(app)
  for (const [name, value] of attacker.cookies) victim.cookies.set(name, value)
  corp.answer = { sub: 'ada' }
  await victim.get(await victim.begin(corp))
  t.match(await sessionOf(victim), { subject: 'corp|ada' })
  t.equal(await sessionOf(attacker), null)
})

t.test('images, frames and scripts neither begin nor complete a sign-in, and end no session', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  await jar.get(await jar.begin(corp))
  for (const headers of [{ 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image', 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'cross-site' }]) {
    const response = await jar.send({ method: 'GET', url: '/auth/login/corp', headers })
    t.equal(response.statusCode, 403)
    t.equal(response.headers['set-cookie'], undefined)
  }
  t.equal((await jar.send({ method: 'GET', url: '/auth/login/corp', headers: { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', 'sec-fetch-site': 'same-origin' } })).statusCode, 401)
  await jar.get('/auth/login/corp', { 'sec-fetch-site': 'cross-site' })
  t.ok(await sessionOf(jar), 'a link of another site begins a sign-in, and the session goes on')
})

t.test('parameters that are present twice, too long or senseless are refused', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  const callback = await jar.begin(corp)
  for (const url of [`${callback}&code=x`, `${callback}&state=x`, `${callback}&%63ode=x`, `${callback}&x=${'y'.repeat(9000)}`, '/auth/login/corp?return_to=/a&return_to=/b', '/auth/login/corp?max_age=-1', '/auth/login/corp?max_age=1e3', `/auth/login/corp?acr_values=${'a+'.repeat(20)}`, '/auth/login/corp?acr_values=a%0Ab']) {
    t.equal((await jar.get(url)).statusCode, 400, url.slice(0, 80))
  }
  t.equal((await jar.get(callback)).statusCode, 303, 'the sign-in can still be completed')
})

t.test('a sign-in under way opens for one origin and one secret', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  const callback = await jar.begin(corp)
  const elsewhere = await buildProviderApp(t, store, { secret: otherSecret })
  const stranger = new Jar(elsewhere.app)
  for (const [name, value] of jar.cookies) stranger.cookies.set(name, value)
  t.equal((await stranger.get(callback)).statusCode, 503, 'the secret may be on its way to this process')
  const [name = ''] = jar.logins
  jar.cookies.set(name, `${jar.cookies.get(name)!.slice(0, -4)}AAAA`)
  t.equal((await jar.get(callback)).statusCode, 400)
})

t.test('planted cookies do not pile up, and do not displace a sign-in that is newer', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  const callback = await jar.begin(corp)
  for (let index = 0; index < 15; index++) jar.cookies.set(`__Host-Http-portcullis-login-${index.toString(16).padStart(16, '0')}`, 'garbage')
  await jar.begin(corp)
  t.equal(jar.logins.length, 2)
  t.equal((await jar.get(callback)).statusCode, 303)
})

t.test('an answer to a restarted sign-in is the only one that counts', async t => {
  const { store, advance } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  const atProvider = Math.floor(store.nowMs() / 1000)
  advance(60_000)
  await app.portcullis.blocklist.revoke({ subject: 'corp|u1' })
  advance(1000)
  corp.answer = { authTime: atProvider }
  const first = await jar.begin(corp)
  await jar.get(first)
  t.equal((await jar.get(first)).statusCode, 400)
  corp.answer = {}
  t.equal((await jar.get(answerOf(corp))).headers.location, '/')
})

import t from 'tap'
import { createStore, recordEvents } from '../../helpers/build-app.ts'
import { answerOf, buildProviderApp, Jar, sessionOf } from '../../helpers/provider-app.ts'

t.test('after a cut, single sign-on signs nobody in silently: the provider is asked for a fresh authentication', async t => {
  const { store, advance } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  const atProvider = Math.floor(store.nowMs() / 1000)
  corp.answer = { authTime: atProvider }
  await jar.get(await jar.begin(corp))
  advance(60_000)
  await app.portcullis.blocklist.revoke({ subject: 'corp|u1' })
  t.equal(await sessionOf(jar), null)
  advance(60_000)
  const again = await jar.get(await jar.begin(corp, '?return_to=/orders'))
  t.match(again.headers.location, /^https:\/\/corp\.example\.com\//)
  t.same(corp.asked.at(-1)?.demands, { prompt: 'login', maxAgeSeconds: 0 })
  t.equal(await sessionOf(jar), null)
  corp.answer = { authTime: Math.floor(store.nowMs() / 1000) }
  t.equal((await jar.get(answerOf(corp))).headers.location, '/orders')
  t.match(await sessionOf(jar), { subject: 'corp|u1' })
  const later = new Jar(app)
  advance(60_000)
  t.equal((await later.get(await later.begin(corp))).statusCode, 303)
  t.ok(await sessionOf(later), 'then single sign-on works again')
})

t.test('a provider that ignores the demand for a fresh authentication signs nobody in', async t => {
  const { store, advance } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const events = recordEvents(t)
  const jar = new Jar(app)
  corp.answer = { authTime: Math.floor(store.nowMs() / 1000) }
  advance(60_000)
  await app.portcullis.blocklist.revoke({ subject: 'corp|u1' })
  advance(60_000)
  await jar.get(await jar.begin(corp))
  t.equal((await jar.get(answerOf(corp))).statusCode, 403)
  t.match(events.at(-1), { event: 'login.refused', outcome: 'not-recent', subject: 'corp|u1' })
  t.equal(await sessionOf(jar), null)
})

t.test('a provider that states no time of the authentication is asked for it after a cut, and not otherwise', async t => {
  const { store, advance } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  corp.answer = { authTime: null }
  t.equal((await jar.get(await jar.begin(corp))).headers.location, '/')
  advance(1000)
  await app.portcullis.blocklist.revoke({ subject: 'corp|u1' })
  advance(60_000)
  await jar.get(await jar.begin(corp))
  t.same(corp.asked.at(-1)?.demands, { prompt: 'login', maxAgeSeconds: 0 })
})

t.test('a cut between the answer and the session starts the sign-in again, and ends after two times', async t => {
  const { store, advance } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  corp.meanwhile = async () => {
    advance(2000)
    await app.portcullis.blocklist.revoke({ subject: 'corp|u1' })
  }
  let response = await jar.get(await jar.begin(corp, '?return_to=/orders'))
  for (let restart = 0; restart < 2; restart++) {
    t.match(response.headers.location, /^https:\/\/corp\.example\.com\//)
    t.same(jar.logins.length, 1)
    response = await jar.get(answerOf(corp))
  }
  t.equal(response.statusCode, 400)
  t.equal(await sessionOf(jar), null)
  t.same(jar.logins, [])
})

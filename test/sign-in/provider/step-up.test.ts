import t from 'tap'
import { createStore, recordEvents } from '../../helpers/build-app.ts'
import { buildProviderApp, Jar, sessionOf } from '../../helpers/provider-app.ts'
import { password } from '../../helpers/sign-in.ts'

t.test('a script is told where a session of a provider steps up, whatever it posts', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  await jar.get(await jar.begin(corp))
  for (const payload of [{ password: 'right or wrong' }, {}]) {
    const response = await jar.send({ method: 'POST', url: '/auth/step-up', payload })
    t.equal(response.statusCode, 401)
    t.match(response.json(), { code: 'PTC_ERR_STEP_UP_REQUIRED', login_url: '/auth/login/corp?step_up=1' })
  }
})

t.test('a step-up at the provider strengthens the session and replaces its cookie', async t => {
  const { store, advance } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const events = recordEvents(t)
  const jar = new Jar(app)
  await jar.get(await jar.begin(corp))
  const before = (await sessionOf(jar))!
  const cookies = new Map(jar.cookies)
  advance(60_000)
  corp.answer = { acr: 'mfa' }
  const callback = await jar.begin(corp, '?step_up=1&return_to=/pay&acr_values=mfa%20otp')
  t.same(corp.asked.at(-1)?.demands, { maxAgeSeconds: 0, acrValues: ['mfa', 'otp'] })
  t.equal((await jar.get(callback)).headers.location, '/pay')
  const after = (await sessionOf(jar))!
  t.equal(after.sid, before.sid)
  t.ok(after.authTime >= before.authTime + 60)
  t.equal(after.acr, 'mfa')
  t.match(events.at(-1), { event: 'step_up.done', sid: before.sid, provider: 'corp' })
  const old = new Jar(app)
  for (const [name, value] of cookies) old.cookies.set(name, value)
  t.equal(await sessionOf(old), null, 'the older cookie gains nothing')
})

t.test('another user, an old authentication and a user who is not allowed any more change nothing', async t => {
  const { store, advance } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const events = recordEvents(t)
  const jar = new Jar(app)
  await jar.get(await jar.begin(corp))
  const before = await sessionOf(jar)
  advance(60_000)
  const old = Math.floor(store.nowMs() / 1000) - 60
  for (const [answer, outcome] of [[{ sub: 'u2' }, 'other-user'], [{ authTime: old }, 'not-recent'], [{ authTime: null }, 'not-recent']] as const) {
    corp.answer = answer
    t.equal((await jar.get(await jar.begin(corp, '?step_up=1'))).statusCode, 403, outcome)
    t.match(events.at(-1), { event: 'login.refused', outcome })
    t.same(await sessionOf(jar), before)
  }
  corp.answer = {}
  corp.admission = { isAllowed: false, reason: 'left' }
  t.equal((await jar.get(await jar.begin(corp, '?step_up=1'))).statusCode, 403)
  t.same(await sessionOf(jar), before)
  corp.admission = {}
  corp.answer = { authTime: old }
  t.equal((await jar.get(await jar.begin(corp, '?step_up=1&max_age=90'))).statusCode, 303, 'an authentication within max_age suffices')
})

t.test('a step-up needs a session of that provider, until the end', async t => {
  const { store } = await createStore(t)
  const { app, corp, other } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  t.equal((await jar.get('/auth/login/corp?step_up=1')).statusCode, 401)
  await jar.send({ method: 'POST', url: '/auth/login', payload: { username: 'grace', password } })
  t.match(await sessionOf(jar), { subject: 'grace' })
  t.equal((await jar.get('/auth/login/corp?step_up=1')).statusCode, 401, 'a session of a password')
  await jar.get(await jar.begin(other))
  t.equal((await jar.get('/auth/login/corp?step_up=1')).statusCode, 401, 'a session of another provider')
  await jar.get(await jar.begin(corp))
  const callback = await jar.begin(corp, '?step_up=1')
  await jar.send({ method: 'POST', url: '/auth/logout' })
  t.equal((await jar.get(callback)).statusCode, 400)
  t.equal(await sessionOf(jar), null)
})

t.test('a step-up that one browser began never strengthens the session of another', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const [mine, theirs] = [new Jar(app), new Jar(app)]
  await mine.get(await mine.begin(corp))
  await theirs.get(await theirs.begin(corp))
  const callback = await mine.begin(corp, '?step_up=1')
  for (const name of mine.logins) theirs.cookies.set(name, mine.cookies.get(name)!)
  t.equal((await theirs.get(callback)).statusCode, 400)
  t.ok(await sessionOf(mine))
  t.ok(await sessionOf(theirs))
})

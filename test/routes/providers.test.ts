import t from 'tap'
import { LoginForbiddenError, LoginInvalidError, ProviderUnavailableError } from '../../lib/errors.ts'
import { cookieNamePattern } from '../../lib/http/own-cookies.ts'
import { createFaultyStore, createStore, recordEvents } from '../helpers/build-app.ts'
import { answerOf, buildProviderApp, Jar, sessionCookie, sessionOf } from '../helpers/provider-app.ts'

t.test('a sign-in returns to the path, query and fragment where it began', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const events = recordEvents(t)
  const jar = new Jar(app)
  const callback = await jar.begin(corp, `?return_to=${encodeURIComponent('/orders?page=2#row7')}`)
  const response = await jar.get(callback)
  t.equal(response.statusCode, 303)
  t.equal(response.headers.location, '/orders?page=2#row7')
  t.equal(response.headers['cache-control'], 'no-store')
  t.match(await sessionOf(jar), { subject: 'corp|u1' })
  t.same(jar.logins, [], 'the cookie of the sign-in is deleted')
  t.match(events, [{ event: 'login.started', provider: 'corp' }, { event: 'session.opened', provider: 'corp', subject: 'corp|u1' }])
})

t.test('a sign-in without a path returns to the root of the origin', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  t.equal((await jar.get(await jar.begin(corp))).headers.location, '/')
})

t.test('the cookie of a sign-in is hardened and lives for ten minutes', async t => {
  const { store } = await createStore(t)
  const { app } = await buildProviderApp(t, store)
  const response = await new Jar(app).get('/auth/login/corp')
  t.match(String(response.headers['set-cookie']), /^__Host-Http-portcullis-login-[0-9a-f]{16}=[\w-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
})

t.test('no upstream sees or sets the cookie of a sign-in, and no deployment may have a name that ends as one', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  await jar.begin(corp)
  const [name = ''] = jar.logins
  const { own } = app.portcullis.cookies
  t.equal(own.without(`a=1; ${name}=x; b=2`), 'a=1; b=2')
  t.equal(own.without('portcullis-login-0123456789ABCDEF=x'), null)
  t.equal(own.without('portcullis-login=x; portcullis-login-form=y'), 'portcullis-login=x; portcullis-login-form=y')
  t.ok(own.areSetBy(`${name}=; Max-Age=0`))
  t.notOk(cookieNamePattern.test('orders-login-0123456789abcdef'))
  t.ok(cookieNamePattern.test('orders-login'))
})

t.test('an unknown provider, HEAD and other methods are not found', async t => {
  const { store } = await createStore(t)
  const { app } = await buildProviderApp(t, store)
  for (const url of ['/auth/login/nobody', '/auth/callback/nobody', '/auth/login/constructor']) t.equal((await new Jar(app).get(url)).statusCode, 404, url)
  t.equal((await app.inject({ method: 'POST', url: '/auth/backchannel-logout/nobody', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: 'logout_token=x' })).statusCode, 404)
  for (const url of ['/auth/login/corp', '/auth/callback/corp']) t.equal((await new Jar(app).send({ method: 'HEAD', url })).statusCode, 404, url)
})

t.test('a second tab is led to its path, without a second session', async t => {
  const { store, advance } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  const first = await jar.begin(corp, '?return_to=/one')
  const second = await jar.begin(corp, '?return_to=/two')
  advance(10)
  t.equal((await jar.get(first)).headers.location, '/one')
  const { sid } = await sessionOf(jar) ?? {}
  t.equal((await jar.get(second)).headers.location, '/two')
  t.equal((await sessionOf(jar))?.sid, sid)
  t.equal(corp.redeemed, 1)
  t.same(jar.logins, [])
})

t.test('the back button to an answer leads a signed-in user on, and shows others a page with 400', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  const callback = await jar.begin(corp)
  await jar.get(callback)
  t.equal((await jar.get(callback)).statusCode, 303)
  jar.cookies.delete(sessionCookie)
  const refused = await jar.get(callback)
  t.equal(refused.statusCode, 400)
  t.match(refused.headers['content-type'], /^text\/html/)
  t.match(refused.body, 'href="/auth/login/corp"')
  t.equal(corp.redeemed, 1)
})

t.test('an answer that was used although the browser never got the session starts the sign-in again, once', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  const callback = await jar.begin(corp, '?return_to=/orders')
  const kept = [...jar.cookies]
  await jar.get(callback)
  jar.cookies.clear()
  for (const [name, value] of kept) jar.cookies.set(name, value)
  const again = await jar.get(callback)
  t.match(again.headers.location, /^https:\/\/corp\.example\.com\//)
  t.equal(jar.logins.length, 1)
  const repeated = [...jar.cookies]
  t.equal((await jar.get(answerOf(corp))).headers.location, '/orders')
  jar.cookies.clear()
  for (const [name, value] of repeated) jar.cookies.set(name, value)
  t.equal((await jar.get(answerOf(corp))).statusCode, 400)
})

t.test('a browser has at most five sign-ins under way, of 4096 bytes together', async t => {
  const { store, advance } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  const answers: string[] = []
  for (let tab = 0; tab < 8; tab++) {
    answers.push(await jar.begin(corp))
    advance(10)
  }
  t.equal(jar.logins.length, 5)
  t.equal((await jar.get(answers[0]!)).statusCode, 400, 'the oldest was removed')
  t.equal((await jar.get(answers[7]!)).statusCode, 303)
  for (let tab = 0; tab < 8; tab++) {
    await jar.begin(corp, `?return_to=/${'x'.repeat(1500)}`)
    advance(10)
    const bytes = jar.logins.reduce((sum, name) => sum + name.length + 1 + jar.cookies.get(name)!.length, 0)
    t.ok(bytes <= 4096, `${bytes}`)
  }
  await jar.begin(corp, `?return_to=/${'x'.repeat(1799)}`)
  t.ok(jar.logins.every(name => name.length + jar.cookies.get(name)!.length < 4000))
})

t.test('a sign-in that takes longer than ten minutes is refused', async t => {
  const { store, advance } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  const callback = await jar.begin(corp)
  advance(600_000)
  t.equal((await jar.get(callback)).statusCode, 400)
  t.equal(corp.redeemed, 0)
})

t.test('every refusal is a page with its status and an event with its reason, and opens no session', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const events = recordEvents(t)
  const cases: Array<[() => void, number, string]> = [
    [() => { corp.answer = new LoginInvalidError() }, 400, 'invalid'],
    [() => { corp.answer = new LoginForbiddenError() }, 403, 'denied'],
    [() => { corp.answer = new ProviderUnavailableError() }, 503, 'unavailable'],
    [() => { corp.answer = {}; corp.admission = { isAllowed: false, reason: 'no rule' } }, 403, 'not-allowed']
  ]
  for (const [prepare, status, outcome] of cases) {
    prepare()
    const jar = new Jar(app)
    const response = await jar.get(await jar.begin(corp))
    t.equal(response.statusCode, status, outcome)
    t.match(response.headers['content-type'], /^text\/html/)
    t.match(events.at(-1), { event: 'login.refused', provider: 'corp', outcome })
    t.notOk(jar.cookies.has(sessionCookie))
    t.equal(jar.logins.length, status === 503 ? 1 : 0)
  }
})

t.test('the functions of the application see each sign-in, and may refuse it', async t => {
  const { store } = await createStore(t)
  const seen: unknown[] = []
  let refusal: Error | null = null
  const { app, corp } = await buildProviderApp(t, store, {
    onSignIn (_request, facts) {
      seen.push(facts)
      if (refusal !== null) throw refusal
      return { scopes: ['billing:read'], data: { tenant: 'acme' } }
    },
    routes: { hooks: { beforeSignIn: (_request, facts) => { seen.push(facts) }, afterSignIn: (_request, facts) => { seen.push(facts) } } }
  })
  const jar = new Jar(app)
  await jar.get(await jar.begin(corp))
  t.match(seen, [
    { provider: 'corp', sub: 'u1', subject: 'corp|u1', claims: { email: 'ada@example.com' }, scopes: ['orders:read'] },
    { subject: 'corp|u1', username: 'ada@example.com', scopes: ['billing:read'], mode: 'session' },
    { mode: 'session', session: { subject: 'corp|u1' } }
  ])
  const record = await store.read((await sessionOf(jar))!.sid)
  t.match(record, { scopes: ['billing:read'], data: { tenant: 'acme' }, audiences: ['orders', 'https://app.example.com'], provider: { name: 'corp', sub: 'u1', claims: { groups: ['a'] } } })
  t.notMatch(JSON.stringify(record), 'an.id.token', 'the ID token is sealed')
  for (const [error, status] of [[new Error('no'), 403], [Object.assign(new Error('teapot'), { statusCode: 418 }), 418]] as const) {
    refusal = error
    const other = new Jar(app)
    t.equal((await other.get(await other.begin(corp))).statusCode, status)
    t.equal(await sessionOf(other), null)
  }
})

t.test('with the store away, each step answers 503 and changes no cookie', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const { app, corp } = await buildProviderApp(t, faulty.store)
  for (const method of ['useOnce', 'openFromProvider'] as const) {
    const jar = new Jar(app)
    const callback = await jar.begin(corp, '?return_to=/orders')
    faulty.fail(method)
    const response = await jar.get(callback)
    t.equal(response.statusCode, 503, method)
    t.equal(response.headers['set-cookie'], undefined)
    faulty.recover()
    const retried = await jar.get(callback)
    t.equal(retried.statusCode, 303)
    if (retried.headers.location !== '/orders') t.equal((await jar.get(answerOf(corp))).headers.location, '/orders', 'the sign-in starts again')
    t.match(await sessionOf(jar), { subject: 'corp|u1' })
  }
})

t.test('with strict cookies, an answer from another site is requested again by a page of this one', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store, { cookies: { origin: 'https://app.example.com', sameSite: 'strict' }, routes: { sameSite: 'strict' } })
  const jar = new Jar(app)
  const callback = await jar.begin(corp, '?return_to=/orders')
  const page = await jar.get(callback, { 'sec-fetch-site': 'cross-site' })
  t.equal(page.statusCode, 200)
  const [, next = ''] = /url=([^"]+)"/.exec(page.body) ?? []
  t.equal(corp.redeemed, 0)
  t.equal((await jar.get(`/auth/callback/corp${next.replaceAll('&amp;', '&')}`, { 'sec-fetch-site': 'same-origin' })).headers.location, '/orders')
})

t.test('a back-channel logout takes a form alone, and answers when the sessions have ended', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const { app, corp } = await buildProviderApp(t, faulty.store)
  const events = recordEvents(t)
  const jar = new Jar(app)
  corp.answer = { sid: 'at-the-provider' }
  await jar.get(await jar.begin(corp))
  const logOut = async (payload = 'logout_token=x', type = 'application/x-www-form-urlencoded') => await app.inject({ method: 'POST', url: '/auth/backchannel-logout/corp', headers: { 'content-type': type }, payload })
  t.equal((await logOut('{}', 'application/json')).statusCode, 415)
  t.equal((await logOut('')).statusCode, 400)
  t.equal((await logOut('logout_token=a&logout_token=b')).statusCode, 400)
  t.equal((await logOut()).statusCode, 400)
  t.match(events.at(-1), { event: 'provider.logout', outcome: 'refused' })
  t.ok(await sessionOf(jar))
  corp.logout = { sub: null, sid: 'at-the-provider', jti: 'j1', keepJtiForMs: 60_000 }
  faulty.fail('endProviderSessions')
  t.equal((await logOut()).statusCode, 503)
  faulty.recover()
  const done = await logOut()
  t.equal(done.statusCode, 200)
  t.equal(done.body, '')
  t.equal(done.headers['cache-control'], 'no-store')
  t.equal(await sessionOf(jar), null)
})

t.test('a logout token that arrives before its session refuses the session', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const events = recordEvents(t)
  const jar = new Jar(app)
  corp.answer = { sid: 's1' }
  corp.logout = { sub: null, sid: 's1', jti: 'j1', keepJtiForMs: 60_000 }
  corp.meanwhile = async () => { t.equal((await app.inject({ method: 'POST', url: '/auth/backchannel-logout/corp', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: 'logout_token=x' })).statusCode, 200) }
  const response = await jar.get(await jar.begin(corp))
  t.equal(response.statusCode, 400)
  t.equal(await sessionOf(jar), null)
  t.match(events.at(-1), { event: 'login.refused', outcome: 'logged-out', subject: 'corp|u1' })
})

t.test('a sign-out with provider: true ends the session and returns the address at the provider', async t => {
  const { store } = await createStore(t)
  const { app, corp } = await buildProviderApp(t, store)
  const jar = new Jar(app)
  await jar.get(await jar.begin(corp))
  corp.logoutAddress = 'https://corp.example.com/logout'
  const { sid } = (await sessionOf(jar))!
  const response = await jar.send({ method: 'POST', url: '/auth/logout', payload: { provider: true } })
  t.equal(response.statusCode, 200)
  t.same(response.json(), { logout_url: 'https://corp.example.com/logout?hint=an.id.token&to=https%3A%2F%2Fapp.example.com%2F' })
  t.equal(await store.read(sid), null)
  t.equal((await jar.send({ method: 'POST', url: '/auth/logout', payload: { provider: true } })).statusCode, 204, 'no session is left')
  corp.logoutAddress = null
  await jar.get(await jar.begin(corp))
  t.equal((await jar.send({ method: 'POST', url: '/auth/logout', payload: { provider: true } })).statusCode, 204, 'the provider has none')
})

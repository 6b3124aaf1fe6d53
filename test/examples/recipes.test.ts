import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import oldSession from '@fastify/session'
import t, { type Test } from 'tap'
import { build as buildForms } from '../../examples/recipes/forms.ts'
import { build as buildFromJwt } from '../../examples/recipes/from-jwt.ts'
import { build as buildFromSession } from '../../examples/recipes/from-session.ts'
import { build as buildSpa } from '../../examples/recipes/spa.ts'
import { build as buildTenants } from '../../examples/recipes/tenants.ts'
import { learnCookie } from '../helpers/secrets.ts'

const navigation = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'sec-fetch-site': 'same-origin' }

function closing<App extends FastifyInstance> (t: Test, app: App): App {
  t.teardown(() => app.close())
  return app
}

/** A form that a browser submits at an origin. */
function form (origin: string, url: string, fields: Record<string, string>, headers: Record<string, string> = {}): InjectOptions {
  return { method: 'POST', url, headers: { ...navigation, origin, host: new URL(origin).host, 'content-type': 'application/x-www-form-urlencoded', ...headers }, payload: new URLSearchParams(fields).toString() }
}

function cookieOf (response: LightMyRequestResponse): string {
  const [line = ''] = [response.headers['set-cookie'] ?? ''].flat()
  learnCookie(line)
  return line.split(';')[0]!
}

t.test('forms: a navigation without a session is led to the sign-in page, and back', async t => {
  const app = closing(t, await buildForms())
  const refused = await app.inject({ url: '/notes', headers: navigation })
  const signedIn = await app.inject(form('http://localhost:3000', '/auth/sign-in', { username: 'ada', password: 'open-the-gate', return_to: '/notes' }))
  const shown = await app.inject({ url: '/notes', headers: { ...navigation, cookie: cookieOf(signedIn) } })

  t.equal(refused.headers.location, '/auth/sign-in?return_to=%2Fnotes')
  t.match(signedIn.headers.location ?? signedIn.body, '/notes')
  t.match(shown.body, '<h1>Notes of ada</h1>')
})

t.test('forms: a form of this site is taken, one of another site is refused, and a sign-out ends the session', async t => {
  const app = closing(t, await buildForms())
  const origin = 'http://localhost:3000'
  const cookie = cookieOf(await app.inject(form(origin, '/auth/sign-in', { username: 'ada', password: 'open-the-gate' })))
  const added = await app.inject(form(origin, '/notes', { text: '<b>first</b>' }, { cookie }))
  const foreign = await app.inject(form(origin, '/notes', { text: 'second' }, { cookie, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }))

  t.equal(added.headers.location, '/notes')
  t.equal(foreign.statusCode, 403)
  t.match(foreign.body, 'PTC_ERR_CSRF_REFUSED')
  const { body } = await app.inject({ url: '/notes', headers: { ...navigation, cookie } })
  t.match(body, '<li>&lt;b>first&lt;/b></li>')
  t.notMatch(body, 'second')
  t.equal((await app.inject(form(origin, '/auth/sign-out', {}, { cookie }))).statusCode, 303)
  t.equal((await app.inject({ url: '/notes', headers: { ...navigation, cookie } })).statusCode, 303)
})

t.test('tenants: a session of one tenant is worth nothing at another, and an unknown host has no routes', async t => {
  const origins = ['http://localhost:3000', 'http://127.0.0.1:3000']
  const app = closing(t, await buildTenants(origins.map(origin => ({ origin, store: { path: ':memory:' } }))))
  const ask = async (origin: string, cookie: string): Promise<LightMyRequestResponse> => await app.inject({ url: '/files', headers: { host: new URL(origin).host, cookie } })

  for (const origin of origins) {
    const cookie = cookieOf(await app.inject(form(origin, '/auth/sign-in', { username: 'ada', password: 'open-the-gate' })))
    for (const other of origins) t.match(await ask(other, cookie), other === origin ? { statusCode: 200, body: `"tenant":"${origin}"` } : { statusCode: 401 }, `${origin} at ${other}`)
  }
  t.equal((await ask('http://other.example', '')).statusCode, 404)
})

t.test('from-jwt: an old token is accepted where it was, until its end or a sign-out', async t => {
  const oldTokensUntil = Date.now() + 3_600_000
  const app = closing(t, await buildFromJwt({ oldSecret: 'an old secret of the application', oldTokensUntil }))
  const ask = async (url: string, token: string): Promise<LightMyRequestResponse> => await app.inject({ url, headers: { authorization: `Bearer ${token}` } })
  const old = app.jwt.sign({ sub: 'ada', iat: Math.floor(Date.now() / 1000) - 60 })
  const { access_token: token } = (await app.inject({ method: 'POST', url: '/auth/login', payload: { username: 'ada', password: 'open-the-gate', mode: 'tokens' } })).json<{ access_token: string }>()

  t.match((await ask('/orders', old)).json(), { of: 'ada' })
  t.match((await ask('/orders', token)).json(), { of: 'ada' })
  t.equal((await ask('/invoices', old)).statusCode, 401)
  t.equal((await ask('/invoices', token)).statusCode, 200)
  t.equal((await app.inject('/orders')).statusCode, 401)
  t.equal((await app.inject({ method: 'POST', url: '/sign-out-everywhere', headers: { authorization: `Bearer ${old}` } })).statusCode, 204)
  for (const revoked of [old, token]) t.equal((await ask('/orders', revoked)).statusCode, 401)
})

t.test('from-jwt: after the last old token should have expired, all old tokens are refused', async t => {
  const app = closing(t, await buildFromJwt({ oldSecret: 'an old secret of the application', oldTokensUntil: Date.now() - 1 }))

  t.equal((await app.inject({ url: '/orders', headers: { authorization: `Bearer ${app.jwt.sign({ sub: 'ada' })}` } })).statusCode, 401)
})

t.test('spa: an unknown address is the page for a browser, and nothing for everything else', async t => {
  const app = closing(t, await buildSpa())
  const page = await app.inject({ url: '/orders/7', headers: navigation })

  t.match(page.headers['content-type'], 'text/html')
  t.match(page.body, '<script type="module" src="/app.js">')
  t.match((await app.inject('/app.js')).body, "from '/auth/client/index.js'")
  t.equal((await app.inject('/auth/client/index.js')).statusCode, 200)
  for (const url of ['/api/nothing', '/auth/nothing', '/missing.png']) t.equal((await app.inject({ url, headers: url === '/missing.png' ? {} : navigation })).statusCode, 404, url)
})

t.test('spa: the API needs a session, which the sign-in page or the client opens', async t => {
  const app = closing(t, await buildSpa())
  const signedIn = await app.inject({ method: 'POST', url: '/auth/login', payload: { username: 'ada', password: 'open-the-gate' } })
  const headers = { cookie: cookieOf(signedIn) }

  t.equal((await app.inject('/api/orders')).statusCode, 401)
  t.match((await app.inject({ url: '/api/orders', headers })).json(), { of: 'ada' })
  t.equal((await app.inject({ method: 'POST', url: '/auth/login', payload: { username: 'ada', password: 'open-the-gate', mode: 'tokens' } })).statusCode, 400)
  t.equal((await app.inject({ method: 'POST', url: '/auth/refresh' })).statusCode, 404)
  t.equal((await app.inject({ method: 'POST', url: '/auth/logout', headers: { ...headers, cookie: `${headers.cookie}; portcullis-refresh=planted` } })).statusCode, 204)
  t.equal((await app.inject({ url: '/api/orders', headers })).statusCode, 401)
})

t.test('from-session: the cart of an old session moves over with a sign-in, and the old session ends', async t => {
  const app = await buildFromSession({ oldSecret: 'an old secret of the application, long enough', oldStore: new oldSession.MemoryStore(new Map()) })
  // The cart as the application filled it before.
  app.post('/before', async request => {
    request.session.user = 'ada'
    request.session.cart = ['a lamp']
    return {}
  })
  closing(t, app)
  const old = cookieOf(await app.inject({ method: 'POST', url: '/before' }))
  const signedIn = await app.inject({ method: 'POST', url: '/login', headers: { cookie: old }, payload: { username: 'ada', password: 'open-the-gate' } })
  const line = [signedIn.headers['set-cookie'] ?? ''].flat().find(line => line.startsWith('portcullis='))!
  const headers = { cookie: line.split(';')[0]! }

  t.equal((await app.inject({ url: '/cart', headers: { cookie: old } })).statusCode, 401)
  t.same((await app.inject({ url: '/cart', headers })).json(), { cart: ['a lamp'] })
  t.same((await app.inject({ method: 'POST', url: '/cart', headers, payload: { item: 'a chair' } })).json(), { cart: ['a lamp', 'a chair'] })
  t.same((await app.inject({ url: '/cart', headers })).json(), { cart: ['a lamp', 'a chair'] })
  t.equal((await app.inject({ method: 'POST', url: '/logout', headers })).statusCode, 204)
  t.equal((await app.inject({ url: '/cart', headers })).statusCode, 401)
})

import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import authRoutes from '../../routes/auth.ts'
import pagesRoutes from '../../routes/pages.ts'
import { createSignInRedirect } from '../../routes/pages/redirect.ts'
import sessionsRoutes from '../../routes/sessions.ts'
import { addPart } from '../../plugins/portcullis.ts'
import type { PasswordSource } from '../../users/password-source.ts'
import { buildApp, cookieOf, createStore, origin, sessionCookieName } from '../helpers/build-app.ts'
import { inputOf, navigation, titleOf } from '../helpers/forms.ts'

/* The pages and the problems of scripts, with identity providers. The providers are names here; nothing is sent to one. */

const passwords: PasswordSource = { verify: async ({ username, password }) => password === 'right' ? { subject: username, scopes: [] } : null }

interface Options { providers?: string[], identity?: PasswordSource | null, pages?: boolean, hasLogout?: boolean, sameSite?: 'strict' }

interface TestApp { app: FastifyInstance, advance: (ms: number) => void }

/** Builds a server with these providers, and `POST /corp` and `POST /other`, which open a session as after a sign-in at a provider. */
async function start (t: Test, { providers = ['corp'], identity = null, pages = true, hasLogout = true, sameSite }: Options = {}): Promise<TestApp> {
  const { store, advance } = await createStore(t)
  const app = await buildApp(t, store, {}, async app => {
    addPart(app, 'oidc', { providers: new Map(providers.map(name => [name, { name, logoutUrl: async (asked: unknown) => hasLogout ? `https://idp.example/end?${JSON.stringify(asked)}` : null }])), onSignIn: null, logins: { openIdToken: (_name: string, sealed: string) => sealed === 'sealed' ? 'the-token' : null } } as never)
    const options = { prefix: '/auth', origin, audiences: ['orders'], ...identity === null ? {} : { identity } }
    await app.register(authRoutes, options)
    await app.register(sessionsRoutes, { prefix: '/auth/sessions', origin })
    if (pages) await app.register(pagesRoutes, { ...options, ...sameSite === undefined ? {} : { sameSite } })
    for (const name of ['corp', 'other']) {
      app.post(`/${name}`, async (_request, reply) => {
        const nowMs = store.nowMs()
        const proof = { provider: { name, sub: 'ada', sid: 's', idToken: 'sealed', claims: {} }, authTimeMs: nowMs, beganAtMs: nowMs, countsFromMs: nowMs }
        await app.portcullis.session.openFromProvider(reply, { subject: `${name}|ada`, username: 'Ada', scopes: [], audiences: [origin, 'orders'], acr: '1', amr: [] }, proof)
        return 'opened'
      })
    }
    await app.register(async scope => {
      scope.setErrorHandler(createSignInRedirect({ origin, signInPath: '/auth/sign-in', ignoreBearer: false }))
      scope.get('/orders', { onRequest: app.portcullis.authenticate({ audience: 'orders' }) }, async () => 'orders')
      scope.get('/recent', { onRequest: app.portcullis.authenticate({ audience: 'orders', stepUp: { maxAge: '5m' } }) }, async () => 'recent')
      scope.post('/recent', { onRequest: app.portcullis.authenticate({ audience: 'orders', stepUp: { maxAge: '5m' } }) }, async () => 'recent')
      scope.get('/strong', { onRequest: app.portcullis.authenticate({ audience: 'orders', acr: ['gold', 'silver'] }) }, async () => 'strong')
      scope.get('/tokens', { onRequest: app.portcullis.authenticate({ audience: 'orders', access: 'token' }) }, async () => 'tokens')
    })
  })
  return { app, advance }
}

async function get ({ app }: TestApp, url: string, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> {
  return await app.inject({ method: 'GET', url, headers })
}

/** Signs in at a provider; resolves to the Cookie header. */
async function signInAt ({ app }: TestApp, name: string): Promise<string> {
  return cookieOf(await app.inject({ method: 'POST', url: `/${name}` }), sessionCookieName) ?? ''
}

async function submit ({ app }: TestApp, url: string, fields: Record<string, string>, cookie = ''): Promise<LightMyRequestResponse> {
  return await app.inject({ method: 'POST', url, headers: { 'content-type': 'application/x-www-form-urlencoded', ...cookie === '' ? {} : { cookie } }, payload: new URLSearchParams(fields).toString() })
}

const linksOf = (html: string): string[] => [...html.matchAll(/<a [^>]*href="(\/auth\/login[^"]*)"/g)].map(([, link = '']) => link.replaceAll('&amp;', '&'))

t.test('the sign-in page offers each provider beside the form for passwords', async t => {
  const server = await start(t, { providers: ['corp', 'partner'], identity: passwords })

  const response = await get(server, '/auth/sign-in?return_to=/orders/42?a=b%26c', navigation)

  t.equal(response.statusCode, 200)
  t.same(linksOf(response.body), ['/auth/login/corp?return_to=%2Forders%2F42%3Fa%3Db%26c', '/auth/login/partner?return_to=%2Forders%2F42%3Fa%3Db%26c'])
  t.match(response.body, />Sign in with corp<\/a>/)
  t.match(response.body, />Sign in with partner<\/a>/)
  t.equal(inputOf(response.body, 'password'), '')
  t.match(response.body, /<script src="\/auth\/fragment\.js\?v=/)
  t.match(response.headers['content-security-policy'], "script-src 'self'")

  const refused = await submit(server, '/auth/sign-in', { username: 'ada', password: 'wrong', return_to: '/orders' })
  t.equal(refused.statusCode, 401)
  t.same(linksOf(refused.body), ['/auth/login/corp?return_to=%2Forders', '/auth/login/partner?return_to=%2Forders'])
})

t.test('without passwords the sign-in page has no form, and a form of a former page leads to it', async t => {
  const server = await start(t, { providers: ['corp', 'partner'] })

  const response = await get(server, '/auth/sign-in', navigation)
  t.equal(response.statusCode, 200)
  t.same(linksOf(response.body), ['/auth/login/corp?return_to=%2Fauth%2Faccount', '/auth/login/partner?return_to=%2Fauth%2Faccount'])
  t.notMatch(response.body, /<form|password/)

  const posted = await submit(server, '/auth/sign-in', { username: 'ada', password: 'right', return_to: '/orders' })
  t.equal(posted.statusCode, 303)
  t.equal(posted.headers.location, '/auth/sign-in?return_to=%2Forders')
})

t.test('the page goes to the only provider at once: by a page in a browser, which keeps the fragment, and else by a redirect', async t => {
  const server = await start(t)

  const redirected = await get(server, '/auth/sign-in?return_to=/orders')
  t.equal(redirected.statusCode, 303)
  t.equal(redirected.headers.location, '/auth/login/corp?return_to=%2Forders')
  const shown = await get(server, '/auth/sign-in?return_to=/orders', navigation)
  t.equal(shown.statusCode, 200)
  t.match(shown.body, '<a data-next="now" data-login href="/auth/login/corp?return_to=%2Forders">')
  t.match(shown.body, '<noscript><meta http-equiv="refresh" content="1; url=/auth/login/corp?return_to=%2Forders"></noscript>')
  t.equal((await get(server, '/auth/sign-in?return_to=https://evil.example/')).headers.location, '/auth/login/corp?return_to=%2Fauth%2Faccount')
})

t.test('the page does not go to a provider after a sign-out or an error', async t => {
  const server = await start(t)

  for (const query of ['signed_out', 'failed']) {
    const response = await get(server, `/auth/sign-in?${query}`, navigation)
    t.equal(response.statusCode, 200)
    t.notMatch(response.body, 'data-next')
    t.same(linksOf(response.body), ['/auth/login/corp?return_to=%2Fauth%2Faccount'])
  }
})

t.test('a provider that returns after its sign-out leads to the page, and not to a sign-in, with strict cookies too', async t => {
  const server = await start(t, { sameSite: 'strict' })

  const response = await get(server, '/auth/sign-in?signed_out', { ...navigation, 'sec-fetch-site': 'cross-site' })
  const [, link = ''] = /href="(\/auth\/sign-in[^"]*)"/.exec(response.body) ?? []
  t.equal(link, '/auth/sign-in?return_to=%2Fauth%2Faccount&amp;signed_out=1&amp;again=1')
  const shown = await get(server, link.replaceAll('&amp;', '&'), navigation)
  t.match(shown.body, 'You are signed out.')
  t.notMatch(shown.body, 'data-next')
})

t.test('a navigation that needs a recent sign-in leads the user of a provider there, with what the route demands', async t => {
  const server = await start(t, { identity: passwords })
  const cookie = await signInAt(server, 'corp')
  t.equal((await get(server, '/recent', { cookie, ...navigation })).statusCode, 200)
  server.advance(600_000)

  const refused = await get(server, '/recent?a=b', { cookie, ...navigation })
  t.equal(refused.statusCode, 303)
  t.equal(refused.headers.location, '/auth/sign-in?step_up=1&max_age=300&return_to=%2Frecent%3Fa%3Db')
  t.equal((await get(server, refused.headers.location ?? '', { cookie })).headers.location, '/auth/login/corp?step_up=1&max_age=300&return_to=%2Frecent%3Fa%3Db')
  t.match((await get(server, refused.headers.location ?? '', { cookie, ...navigation })).body, 'data-next="now" data-login href="/auth/login/corp?step_up=1&amp;max_age=300&amp;return_to=%2Frecent%3Fa%3Db"')

  const weak = await get(server, '/strong', { cookie, ...navigation })
  t.equal(weak.headers.location, '/auth/sign-in?step_up=1&acr_values=gold%20silver&return_to=%2Fstrong')
  t.equal((await get(server, weak.headers.location ?? '', { cookie })).headers.location, '/auth/login/corp?step_up=1&acr_values=gold%20silver&return_to=%2Fstrong')
  for (const query of ['max_age=-1', 'max_age=1e3', 'acr_values=%22', 'acr_values=%0d%0a', 'max_age=1&max_age=2']) {
    t.equal((await get(server, `/auth/sign-in?step_up=1&${query}`, { cookie })).headers.location, '/auth/login/corp?step_up=1&return_to=%2Fauth%2Faccount', query)
  }
})

t.test('a password steps up its own session alone', async t => {
  const server = await start(t, { identity: passwords })
  const own = cookieOf(await server.app.inject({ method: 'POST', url: '/auth/login', payload: { username: 'ada', password: 'right' } }), sessionCookieName) ?? ''
  t.match((await get(server, '/auth/sign-in?step_up=1', { cookie: own, ...navigation })).body, 'name="password"')

  const ofProvider = await signInAt(server, 'corp')
  server.advance(600_000)
  const posted = await submit(server, '/auth/account', { action: 'end', sid: 'A'.repeat(22), password: 'right' }, ofProvider)
  t.equal(posted.headers.location, `/auth/account?end=${'A'.repeat(22)}`)
  t.same(posted.cookies, [])
})

t.test('a session whose provider was removed is replaced by a new sign-in', async t => {
  const server = await start(t, { providers: ['corp', 'partner'] })
  const cookie = await signInAt(server, 'other')

  const response = await get(server, '/auth/sign-in?step_up=1&return_to=/recent', { cookie, ...navigation })
  t.equal(response.statusCode, 200)
  t.same(linksOf(response.body), ['/auth/login/corp?return_to=%2Frecent', '/auth/login/partner?return_to=%2Frecent'])
})

t.test('the account page names the provider, and leads to it before another session ends', async t => {
  const server = await start(t)
  const [first, cookie] = [await signInAt(server, 'corp'), await signInAt(server, 'corp')]
  const [sid = ''] = first.split('=')[1]!.split('.')
  const account = await get(server, '/auth/account', { cookie })
  t.equal(account.body.match(/ with corp/g)?.length, 2)

  t.equal((await submit(server, '/auth/account', { action: 'end', sid }, cookie)).headers.location, '/auth/account?notice=ended', 'a recent sign-in is enough')
  const again = await signInAt(server, 'corp')
  const [other = ''] = again.split('=')[1]!.split('.')
  server.advance(600_000)
  t.equal((await submit(server, '/auth/account', { action: 'end', sid: other }, cookie)).headers.location, `/auth/account?end=${other}`)
  const asked = await get(server, `/auth/account?end=${other}`, { cookie })
  t.equal(titleOf(asked.body), 'Confirm that it is you · app.example.com')
  t.same(linksOf(asked.body), [`/auth/login/corp?step_up=1&max_age=300&return_to=${encodeURIComponent(`/auth/account?end=${other}`)}`])
  t.notMatch(asked.body, /<form|password/)

  const fresh = await signInAt(server, 'corp')
  const confirmed = await get(server, `/auth/account?end=${other}`, { cookie: fresh })
  t.match(confirmed.body, `name="sid" value="${other}"`)
  t.notMatch(confirmed.body, 'name="password"')
  t.equal((await submit(server, '/auth/account', { action: 'end', sid: other }, fresh)).headers.location, '/auth/account?notice=ended')
})

t.test('scripts are told where a browser signs in, and never redirected', async t => {
  const rows: Array<[Options, string]> = [
    [{}, '/auth/login/corp'],
    [{ pages: false, identity: passwords }, '/auth/login/corp'],
    [{ pages: false, providers: ['partner', 'corp'] }, '/auth/login/partner'],
    [{ providers: ['corp', 'partner'] }, '/auth/sign-in'],
    [{ identity: passwords }, '/auth/sign-in']
  ]
  for (const [options, expected] of rows) {
    const server = await start(t, options)
    const missing = await get(server, '/orders')
    t.equal(missing.statusCode, 401)
    t.match(missing.json(), { code: 'PTC_ERR_CREDENTIALS_MISSING', login_url: expected })
    const invalid = await get(server, '/auth/session', { cookie: `${sessionCookieName}=${'A'.repeat(22)}.${'A'.repeat(43)}` })
    t.match(invalid.json(), { code: 'PTC_ERR_SESSION_INVALID', login_url: expected })
    t.notHas((await get(server, '/tokens')).json(), { login_url: expected }, 'a provider issues no tokens of the gateway')
  }
  const without = await start(t, { providers: [], identity: passwords })
  t.notHas((await get(without, '/orders')).json<object>(), { login_url: String })
})

t.test('a script with a session of a provider is told where its user authenticates again, with the demand', async t => {
  const server = await start(t)
  const other = await signInAt(server, 'corp')
  const cookie = await signInAt(server, 'corp')
  server.advance(600_000)
  const recent = { code: 'PTC_ERR_STEP_UP_REQUIRED', login_url: '/auth/login/corp?step_up=1&max_age=300' }

  t.match((await get(server, '/recent', { cookie })).json(), recent)
  t.match((await get(server, '/strong', { cookie })).json(), { login_url: '/auth/login/corp?step_up=1&acr_values=gold%20silver' })
  t.match((await server.app.inject({ method: 'DELETE', url: `/auth/sessions/${other.split('=')[1]!.split('.')[0]!}`, headers: { cookie } })).json(), recent)
  t.match((await server.app.inject({ method: 'POST', url: '/auth/logout', headers: { cookie }, payload: { scope: 'others' } })).json(), recent)
  const page = await server.app.inject({ method: 'POST', url: '/recent', headers: { cookie, ...navigation } })
  t.equal(page.statusCode, 401)
  t.match(page.body, '<a href="/auth/sign-in?step_up=1&amp;max_age=300">Sign in</a>')
})

t.test('a session of a provider that is not configured any more has no address for a step-up', async t => {
  const server = await start(t)
  const cookie = await signInAt(server, 'other')
  server.advance(600_000)

  const { login_url: url, code } = (await get(server, '/recent', { cookie })).json<{ login_url?: string, code: string }>()
  t.equal(code, 'PTC_ERR_STEP_UP_REQUIRED')
  t.equal(url, undefined)
})

t.test('without passwords, a script that posts some is told where a browser signs in', async t => {
  const server = await start(t)

  for (const payload of [{ username: 'ada', password: 'right' }, {}]) {
    const response = await server.app.inject({ method: 'POST', url: '/auth/login', payload })
    t.equal(response.statusCode, 401)
    t.match(response.json(), { code: 'PTC_ERR_CREDENTIALS_MISSING', login_url: '/auth/login/corp' })
  }
})

t.test('the session of the request and the list of sessions name the provider', async t => {
  const server = await start(t)
  const cookie = await signInAt(server, 'corp')

  t.match((await get(server, '/auth/session', { cookie })).json(), { session: { subject: 'corp|ada', provider: { name: 'corp' } } })
  t.match((await get(server, '/auth/sessions', { cookie })).json(), { sessions: [{ provider: { name: 'corp' } }] })
})

t.test('a sign-out ends the session here, and then a page leads to that of the provider', async t => {
  const server = await start(t)
  for (const [path, fields] of [['/auth/account', { action: 'sign-out-provider' }], ['/auth/sign-out', { provider: '1' }]] as const) {
    const cookie = await signInAt(server, 'corp')
    t.match((await get(server, path, { cookie })).body, />Sign out of corp too<\/button>/)

    const response = await submit(server, path, fields, cookie)
    t.equal(response.statusCode, 200)
    t.equal(titleOf(response.body), 'Signed out · app.example.com')
    t.match(response.body, 'data-next="elsewhere" href="https://idp.example/end?{&quot;idToken&quot;:&quot;the-token&quot;,&quot;returnTo&quot;:&quot;https://app.example.com/auth/sign-in?signed_out&quot;}"')
    t.match(response.headers['set-cookie'], [/^__Host-Http-portcullis=; Max-Age=0/])
    t.equal((await get(server, '/orders', { cookie })).statusCode, 401)
  }
})

t.test('a sign-out of a session that has no page to sign out at a provider leads to the sign-in page', async t => {
  const server = await start(t, { hasLogout: false, identity: passwords })
  const ofProvider = await signInAt(server, 'corp')
  t.equal((await submit(server, '/auth/account', { action: 'sign-out-provider' }, ofProvider)).headers.location, '/auth/sign-in?signed_out')
  t.equal((await get(server, '/orders', { cookie: ofProvider })).statusCode, 401)

  const own = cookieOf(await server.app.inject({ method: 'POST', url: '/auth/login', payload: { username: 'ada', password: 'right' } }), sessionCookieName) ?? ''
  for (const path of ['/auth/account', '/auth/sign-out']) t.notMatch((await get(server, path, { cookie: own })).body, 'Sign out of corp')
  const response = await submit(server, '/auth/sign-out', { provider: '1' }, own)
  t.equal(response.headers.location, '/auth/sign-in?signed_out')
})

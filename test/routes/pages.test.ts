import t, { type Test } from 'tap'
import { origin, password, post, signIn, startGateway, type StartOptions, type TestGateway } from '../helpers/build-gateway.ts'
import { attributesOf, isDeletion, refreshAttributes, sessionAttributes } from '../helpers/credentials.ts'
import { cookieFrom, inputOf, navigation, open, submit, titleOf } from '../helpers/forms.ts'
import { createOutage } from '../helpers/outage.ts'
import type { ConfigInput } from '../../config/schema.ts'
import { assertProblem } from '../helpers/problem.ts'

const ada = { username: 'ada', password }

interface PageGateway extends TestGateway { page: string }

async function start (t: Test, overrides: Partial<ConfigInput> = {}, options: StartOptions = {}): Promise<PageGateway> {
  const gateway = await startGateway(t, { pages: true, ...overrides }, options)
  return { ...gateway, page: `${gateway.url}/auth/sign-in` }
}

t.test('the sign-in page has labels, one form and what password managers look for', async t => {
  const { page } = await start(t)

  const response = await open(`${page}?return_to=/orders/42?a=b%26c`)

  t.equal(response.status, 200)
  t.equal(response.headers.get('content-type'), 'text/html; charset=utf-8')
  t.equal(response.headers.get('cache-control'), 'no-store')
  t.same(response.headers.getSetCookie(), [])
  const html = await response.text()
  t.match(html, '<html lang="en">')
  t.equal(titleOf(html), 'Sign in · app.example.com')
  t.match(html, /<label for="username">Username<\/label>\s*<input id="username" name="username"[^>]*autocomplete="username"/)
  t.match(html, /<label for="password">Password<\/label>\s*<input id="password" name="password" type="password"[^>]*autocomplete="current-password"/)
  t.match(html, /<button class="primary" type="submit">Sign in<\/button>/)
  t.match(html, /<form method="post">/, 'to its own address, with its fragment')
  t.equal(inputOf(html, 'return_to'), '/orders/42?a=b&amp;c')
  t.notMatch(html, /role="alert"/)
})

t.test('the right password opens a session and leads to where one wanted to go', async t => {
  const { page, url, orders } = await start(t)

  const response = await submit(page, { ...ada, return_to: '/orders/42?a=b' })

  t.equal(response.status, 303)
  t.equal(response.headers.get('location'), '/orders/42?a=b')
  t.equal(response.headers.get('cache-control'), 'no-store')
  t.equal(await response.text(), '')
  t.same(response.headers.getSetCookie().map(attributesOf), [sessionAttributes])
  const cookie = cookieFrom(response)
  t.equal((await fetch(`${url}/orders`, { headers: { cookie } })).status, 200)
  t.equal((await fetch(`${url}/billing`, { headers: { cookie } })).status, 200)
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 200)
  t.equal(orders.requests.length, 1)
  t.equal((await submit(page, ada)).headers.get('location'), '/auth/account', 'by default to the account page')
})

t.test('a wrong password and an unknown user are told the same, in the page', async t => {
  const { page } = await start(t, { identity: async ({ username, password: given }) => username === 'ada' && given === password ? 'ada' : null })

  const answers = []
  for (const username of ['ada', 'eve']) {
    const response = await submit(page, { username, password: 'wrong password', return_to: '/orders' })
    const html = await response.text()
    t.equal(response.status, 401)
    t.match(response.headers.get('www-authenticate'), 'Bearer')
    t.equal(response.headers.get('cache-control'), 'no-store')
    t.same(response.headers.getSetCookie(), [])
    t.equal(titleOf(html), 'Not signed in · app.example.com')
    t.match(html, /<p class="alert" role="alert" id="refusal">The username or the password is wrong\.<\/p>/)
    t.match(html, /<input id="password"[^>]* aria-describedby="refusal"/)
    t.equal(inputOf(html, 'username'), username, 'the name is kept')
    t.equal(inputOf(html, 'password'), '', 'the password is not')
    t.notMatch(html, 'wrong password')
    t.equal(inputOf(html, 'return_to'), '/orders')
    answers.push(html.replaceAll(username, ''))
  }
  t.equal(answers[0], answers[1])
})

t.test('attempts are counted together with those of the JSON route', async t => {
  const { page, url } = await start(t, { rateLimit: { signIn: { max: 3, window: '1h' } } })
  await submit(page, { ...ada, password: 'wrong password' })
  t.equal((await post(`${url}/auth/login`, { ...ada, password: 'wrong password' })).status, 401)
  await submit(page, { ...ada, password: 'wrong password' })

  const response = await submit(page, ada)

  const html = await response.text()
  t.equal(response.status, 429)
  t.match(response.headers.get('retry-after'), /^\d+$/)
  t.match(response.headers.get('ratelimit'), /^"signIn";r=0/)
  t.same(response.headers.getSetCookie(), [])
  t.match(html, /role="alert" id="refusal">Too many attempts\. Try again in 60 minutes\./)
  t.equal(inputOf(html, 'username'), 'ada')
  await assertProblem(t, await post(`${url}/auth/login`, ada), 429, 'PTC_ERR_RATE_LIMITED')
})

t.test('while the store is away the page says so and no cookie is set or taken away', async t => {
  const outage = createOutage()
  const { page, url } = await start(t, {}, { wrapStore: outage.wrapStore })
  const { cookie } = await signIn(url)
  outage.begin()

  for (const headers of [{}, { cookie }] as Array<Record<string, string>>) {
    const response = await submit(page, ada, headers)
    t.equal(response.status, 503)
    t.match(response.headers.get('retry-after'), /^[1-9]\d*$/)
    t.same(response.headers.getSetCookie(), [])
    t.match(await response.text(), /role="alert" id="refusal">This is not possible right now/)
  }
  t.equal((await open(page)).status, 200, 'the form is there for whoever carries nothing')
  for (const path of ['/auth/sign-in', '/auth/account']) {
    const response = await open(`${url}${path}`, { cookie })
    t.equal(response.status, 503)
    t.match(response.headers.get('content-type'), 'text/html')
    t.match(titleOf(await response.text()), 'Not possible right now')
  }
  outage.end()
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 200)
})

t.test('whoever is signed in goes on at once', async t => {
  const { page, url } = await start(t)
  const { cookie } = await signIn(url)

  for (const [query, location] of [['', '/auth/account'], ['?return_to=/orders%3Fa%3Db', '/orders?a=b'], ['?return_to=//evil.example', '/auth/account'], ['?return_to=/auth/sign-in', '/auth/account']] as const) {
    const response = await open(`${page}${query}`, { cookie })
    t.equal(response.status, 303, query)
    t.equal(response.headers.get('location'), location, query)
    t.equal(response.headers.get('cache-control'), 'no-store')
  }
})

t.test('a dead session cookie is nobody, and is left alone', async t => {
  const { page, url } = await start(t)
  const { cookie } = await signIn(url)
  await post(`${url}/auth/logout`, undefined, { cookie })

  for (const carried of [cookie, '__Host-Http-portcullis=garbage']) {
    const response = await open(page, { cookie: carried })
    t.equal(response.status, 200)
    t.same(response.headers.getSetCookie(), [])
  }
})

t.test('signing in ends what the request carried, in both modes', async t => {
  const { page, url } = await start(t)
  const { cookie } = await signIn(url, 'bob')
  const tokens = await post(`${url}/auth/login`, { ...ada, mode: 'tokens' })
  const refresh = cookieFrom(tokens, '__Secure-portcullis-refresh')

  const response = await submit(page, ada, { cookie: `${cookie}; ${refresh}` })

  t.equal(response.status, 303)
  const lines = response.headers.getSetCookie()
  t.ok(lines.some(line => isDeletion(line, '__Secure-portcullis-refresh', refreshAttributes)))
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 401)
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: refresh })).status, 401)
})

t.test('a sign-in that is too long ago is confirmed by the password, within the same session', async t => {
  const { page, url, advance } = await start(t)
  const { cookie, sid } = await signIn(url)
  advance(600_000)

  const asked = await open(`${page}?step_up=1&return_to=/orders`, { cookie })
  const html = await asked.text()
  t.equal(asked.status, 200)
  t.equal(titleOf(html), 'Confirm that it is you · app.example.com')
  t.match(html, /name="username"[^>]* value="ada"[^>]* readonly/)
  t.equal(inputOf(html, 'step_up'), '1')
  const fields = { step_up: '1', username: 'ada', return_to: '/orders' }

  const refused = await submit(page, { ...fields, password: 'wrong password' }, { cookie })
  t.equal(refused.status, 401)
  t.same(refused.headers.getSetCookie(), [])
  const again = await refused.text()
  t.match(again, /role="alert" id="refusal">The password is wrong\./)
  t.equal(titleOf(again), 'Not confirmed · app.example.com')

  const confirmed = await submit(page, { ...fields, username: 'bob', password }, { cookie })
  t.equal(confirmed.status, 303)
  t.equal(confirmed.headers.get('location'), '/orders')
  const { session } = await (await fetch(`${url}/auth/session`, { headers: { cookie: cookieFrom(confirmed) } })).json() as { session: { sid: string, subject: string, auth_time: number, created_at: number } }
  t.match(session, { sid, subject: 'ada' })
  t.ok(session.auth_time - session.created_at >= 600)
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 401, 'the old cookie is dead')
})

t.test('nobody can confirm a session that is not there', async t => {
  const { page, url } = await start(t)
  const { cookie } = await signIn(url)
  await post(`${url}/auth/logout`, undefined, { cookie })

  for (const headers of [{ cookie }, {}] as Array<Record<string, string>>) {
    t.match(titleOf(await (await open(`${page}?step_up=1`, headers)).text()), 'Sign in')
    const response = await submit(page, { step_up: '1', password, return_to: '/orders' }, headers)
    t.equal(response.status, 303)
    t.equal(response.headers.get('location'), '/auth/sign-in?return_to=%2Forders')
    t.same(response.headers.getSetCookie(), [])
  }
})

t.test('with SameSite=Strict a link from another site is followed from here by whoever wants that, and by nobody else', async t => {
  const { page, url } = await start(t, { cookies: { sameSite: 'strict' } })
  const { cookie } = await signIn(url)
  const elsewhere = { ...navigation, 'sec-fetch-site': 'cross-site' }

  const first = await (await open(`${page}?return_to=/orders%3Fa`, elsewhere)).text()
  t.notMatch(first, /http-equiv="refresh"/, 'the other site does not decide what is asked for with the cookie')
  const [, next = ''] = /<a class="primary" href="([^"]*)"[^>]*>Continue<\/a>/.exec(first) ?? []
  t.equal(next, '/auth/sign-in?return_to=%2Forders%3Fa&amp;again=1')

  const address = `${url}${next.replaceAll('&amp;', '&')}`
  t.equal((await open(address, { ...navigation, cookie })).headers.get('location'), '/orders?a')
  t.match(titleOf(await (await open(address, elsewhere)).text()), 'Sign in', 'and no more than once')
  const { page: lax } = await start(t)
  t.match(titleOf(await (await open(lax, elsewhere)).text()), 'Sign in')
})

t.test('what is no form of ours is a page that says so', async t => {
  const { page, url } = await start(t)
  const { cookie } = await signIn(url)
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const send = async (body: string, headers: Record<string, string> = form) => await fetch(page, { method: 'POST', redirect: 'manual', headers, body })

  for (const [body, status, headers] of [
    ['', 400], ['username=ada', 400], ['username=&password=x', 400], ['username=ada&password=', 400], ['username=ada&password=a&password=b', 400], ['username=ada&password=%ff', 400],
    ['username=ada&password=x&role=admin', 400], ['step_up=2&password=x', 400], [`username=${'a'.repeat(257)}&password=x`, 400], [`username=ada&password=${'x'.repeat(1025)}`, 400],
    [JSON.stringify(ada), 415, { 'content-type': 'application/json' }], ['x', 415, { 'content-type': 'text/plain' }], [`username=ada&password=${'x'.repeat(1_100_000)}`, 413]
  ] as Array<[string, number, Record<string, string>?]>) {
    const response = await send(body, headers)
    t.equal(response.status, status, body.slice(0, 40))
    t.equal(response.headers.get('content-type'), 'text/html; charset=utf-8')
    t.same(response.headers.getSetCookie(), [])
    t.match(titleOf(await response.text()), 'That did not work')
  }
  const twice = await open(page, { cookie: `${cookie}; ${cookie}` })
  t.equal(twice.status, 400)
  t.match(titleOf(await twice.text()), 'Your browser sent a cookie twice')
})

t.test('an error of the directory says nothing of itself', async t => {
  const { page } = await start(t, { identity: async () => { throw new Error('ldap://zebra.internal is broken') } })

  const response = await submit(page, ada)

  t.equal(response.status, 500)
  const html = await response.text()
  t.match(titleOf(html), 'Something went wrong')
  t.match(html, response.headers.get('x-request-id') ?? 'none', 'it has a name to ask for')
  t.notMatch(html, 'zebra')
})

t.test('style and script can be kept by what they are, and are asked for again otherwise', async t => {
  const { page, url } = await start(t)
  const html = await (await open(page)).text()
  const [, address = ''] = /<link rel="stylesheet" href="([^"]*)">/.exec(html) ?? []
  t.match(address, /^\/auth\/style\.css\?v=[\w-]{16}$/)

  const exact = await fetch(`${url}${address}`)
  t.equal(exact.headers.get('content-type'), 'text/css; charset=utf-8')
  t.equal(exact.headers.get('cache-control'), 'public, max-age=31536000, immutable')
  for (const [name, type] of [['style.css', 'text/css; charset=utf-8'], ['account.js', 'text/javascript; charset=utf-8']] as const) {
    const first = await fetch(`${url}/auth/${name}?v=other`)
    t.equal(first.status, 200)
    t.equal(first.headers.get('content-type'), type)
    t.equal(first.headers.get('cache-control'), 'no-cache')
    t.equal(first.headers.get('x-content-type-options'), 'nosniff')
    const etag = first.headers.get('etag') ?? ''
    t.match(etag, /^"[\w-]+"$/)
    const second = await fetch(`${url}/auth/${name}`, { headers: { 'if-none-match': etag } })
    t.same([second.status, await second.text()], [304, ''])
  }
})

t.test('a page signs out by a form alone, of this origin alone, whatever the mode', async t => {
  const { url, app } = await start(t)
  const { cookie } = await signIn(url)
  const tokens = await post(`${url}/auth/login`, { ...ada, mode: 'tokens' })
  const refresh = cookieFrom(tokens, app.portcullis.cookies.describe('refresh').name)

  const page = await open(`${url}/auth/sign-out`, { ...navigation, cookie })
  t.equal(page.status, 200)
  t.match(await page.text(), /<form method="post" action="\/auth\/sign-out">/)
  t.equal((await submit(`${url}/auth/sign-out`, {}, { cookie, 'sec-fetch-site': 'cross-site' })).status, 403)
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 200)

  for (const carried of [cookie, refresh, '']) {
    const response = await submit(`${url}/auth/sign-out`, {}, { cookie: carried })
    t.equal(response.status, 303)
    t.equal(response.headers.get('location'), '/auth/sign-in?signed_out')
    t.equal(response.headers.getSetCookie().length, 2)
  }
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 401)
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: refresh })).status, 401)
  t.match(await assertProblem(t, await submit(`${url}/auth/logout`, {}, { cookie }), 415, 'PTC_ERR_MEDIA_TYPE_UNSUPPORTED'), '/auth/sign-out')
})

t.test('a form that signs out may have the hidden fields that frameworks add', async t => {
  const { url } = await start(t)
  for (const fields of [{ csrf_token: 'abc' }, { utf8: '✓', authenticity_token: 'x' }, { _method: 'post' }, { csrfmiddlewaretoken: 'x', next: '/' }, Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`field${index}`, 'x'])), { __proto__: null, constructor: 'x' }] as Array<Record<string, string>>) {
    const { cookie } = await signIn(url)
    t.equal((await submit(`${url}/auth/sign-out`, fields, { cookie })).status, 303, JSON.stringify(fields).slice(0, 80))
    t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 401, JSON.stringify(fields).slice(0, 80))
  }
})

t.test('without the setting there are no pages, and with it the JSON routes still refuse forms', async t => {
  const { url } = await startGateway(t)
  for (const path of ['/auth/sign-in', '/auth/account', '/auth/style.css', '/auth/account.js']) await assertProblem(t, await fetch(`${url}${path}`), 404, 'PTC_ERR_NOT_FOUND')
  const shown = await open(`${url}/orders`, navigation)
  t.strictSame([shown.status, shown.headers.get('content-type')], [401, 'text/html; charset=utf-8'])
  const text = await shown.text()
  t.match(text, /<code>PTC_ERR_CREDENTIALS_MISSING<\/code>/)
  t.notMatch(text, /<a /, 'there is no page to sign in')

  const { url: withPages } = await start(t)
  await assertProblem(t, await submit(`${withPages}/auth/login`, ada), 415, 'PTC_ERR_MEDIA_TYPE_UNSUPPORTED')
  await assertProblem(t, await post(`${withPages}/auth/login`, { ...ada, password: 'wrong password' }, { origin }), 401, 'PTC_ERR_LOGIN_REFUSED')
  await assertProblem(t, await fetch(`${withPages}/auth/nothing`), 404, 'PTC_ERR_NOT_FOUND')
})

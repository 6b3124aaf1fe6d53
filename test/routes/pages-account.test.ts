import t, { type Test } from 'tap'
import type { ConfigInput } from '../../config/schema.ts'
import type { Store } from '../../stores/store.ts'
import { createFaultyStore, recordEvents, type FaultyStore } from '../helpers/build-app.ts'
import { password, post, setCookies, signIn, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { isDeletion, refreshAttributes, sessionAttributes } from '../helpers/credentials.ts'
import { cookieFrom, inputOf, open, submit, titleOf } from '../helpers/forms.ts'

const firefox = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0'
const minute = 60_000

interface PageGateway extends TestGateway { page: string, faulty: FaultyStore }

async function start (t: Test, overrides: Partial<ConfigInput> = {}): Promise<PageGateway> {
  const made: { faulty?: FaultyStore } = {}
  const gateway = await startGateway(t, { pages: true, ...overrides }, { wrapStore: (store: Store) => (made.faulty = createFaultyStore(store)).store })
  return { ...gateway, page: `${gateway.url}/auth/account`, faulty: made.faulty! }
}

async function signInWith (url: string, userAgent: string): Promise<{ cookie: string, sid: string }> {
  const response = await post(`${url}/auth/login`, { username: 'ada', password }, { 'user-agent': userAgent })
  const { session } = await response.json() as { session: { sid: string } }
  return { cookie: `__Host-Http-portcullis=${setCookies(response)['__Host-Http-portcullis'] ?? ''}`, sid: session.sid }
}

async function isSignedIn ({ url }: TestGateway, cookie: string): Promise<boolean> {
  return (await fetch(`${url}/auth/session`, { headers: { cookie } })).status === 200
}

const textOf = (html: string): string => html.replaceAll(/<[^>]+>/g, ' ').replaceAll(/\s+/g, ' ')

t.test('the account page tells who is signed in, where, and when each session was last used', async t => {
  const { url, page, advance } = await start(t)
  const other = await signInWith(url, firefox)
  advance(5 * minute)
  const { cookie, sid } = await signInWith(url, 'curl/8.9.1')
  await signIn(url, 'bob')

  const response = await open(page, { cookie })

  t.equal(response.status, 200)
  t.equal(response.headers.get('cache-control'), 'no-store')
  const html = await response.text()
  t.equal(titleOf(html), 'Your account · app.example.com')
  t.match(textOf(html), /Signed in to app\.example\.com as ada .*This session .*curl This device .*Active now .*Other sessions .*Firefox on Windows .*Last used 5 minutes ago · 127\.0\.0\.1 .*Signed in \d+ \w+ \d{4}, \d\d:\d\d UTC .*Sign out everywhere/)
  t.equal(html.split('name="sid"').length, 2, 'one other session, and bob\'s is not there')
  t.equal(inputOf(html, 'sid'), other.sid)
  t.notMatch(html, sid)
  t.equal([...html.matchAll(/<button[^>]*>([^<]*)<\/button>/g)].map(([, name]) => name).join(), 'Sign out,Sign out,Sign out everywhere')
})

t.test('last use is told on the grid alone', async t => {
  const { url, page, advance, store } = await start(t, { session: { idleTimeout: '60m' } })
  const other = await signInWith(url, firefox)
  const { cookie } = await signInWith(url, firefox)
  const { sessions } = await (await fetch(`${url}/auth/sessions`, { headers: { cookie } })).json() as { sessions: Array<{ sid: string, idle_expires_at: number }> }
  const grid = sessions.find(({ sid }) => sid === other.sid)!.idle_expires_at - 3600
  advance(minute)

  const html = await (await open(page, { cookie })).text()

  const [, lastUse = ''] = /Last used <time datetime="([^"]+)">/.exec(html) ?? []
  t.equal(Date.parse(lastUse) / 1000, grid)
  t.equal(grid % 120, 0)
  t.ok(store.nowMs() / 1000 - grid >= 60)
})

t.test('whoever is not signed in is sent to the sign-in page and back', async t => {
  const { url, page } = await start(t)
  const { cookie } = await signIn(url)
  const { cookie: refresh, token } = await signInForTokens(url)
  await post(`${url}/auth/logout`, undefined, { cookie })

  for (const headers of [{}, { cookie }, { cookie: '__Host-Http-portcullis=x' }, { cookie: refresh }, { authorization: `Bearer ${token}` }] as Array<Record<string, string>>) {
    const response = await open(page, headers)
    t.equal(response.status, 303)
    t.equal(response.headers.get('location'), '/auth/sign-in?return_to=%2Fauth%2Faccount')
    t.equal(response.headers.get('cache-control'), 'no-store')
    t.same(response.headers.getSetCookie(), [])
    // What is alive in tokens mode may sign out everywhere.
    const isAlive = headers['cookie'] === refresh || 'authorization' in headers
    for (const fields of [{ action: 'end', sid: 'AAAAAAAAAAAAAAAAAAAAAA' }, { action: 'end', sid: 'AAAAAAAAAAAAAAAAAAAAAA', password }, ...isAlive ? [] : [{ action: 'sign-out-everywhere' }]] as Array<Record<string, string>>) {
      const refused = await submit(page, fields, headers)
      t.equal(refused.headers.get('location'), '/auth/sign-in?return_to=%2Fauth%2Faccount', JSON.stringify(fields))
      t.same(refused.headers.getSetCookie(), [])
    }
  }
})

t.test('another session is signed out at once while the sign-in is recent', async t => {
  const gateway = await start(t)
  const { url, page } = gateway
  const [other, { cookie }] = [await signIn(url), await signIn(url)]

  const response = await submit(page, { action: 'end', sid: other.sid }, { cookie })

  t.equal(response.status, 303)
  t.equal(response.headers.get('location'), '/auth/account?notice=ended')
  t.same(response.headers.getSetCookie(), [])
  t.notOk(await isSignedIn(gateway, other.cookie))
  t.ok(await isSignedIn(gateway, cookie))
  t.match(await (await open(`${page}?notice=ended`, { cookie })).text(), /<p class="notice" role="status">The other session is signed out\.<\/p>/)
  t.equal((await submit(page, { action: 'end', sid: other.sid }, { cookie })).headers.get('location'), '/auth/account?notice=gone')
})

t.test('a sign-in of more than five minutes ago needs the password, which goes with the action', async t => {
  const gateway = await start(t)
  const { url, page, advance } = gateway
  const other = await signInWith(url, firefox)
  const { cookie, sid } = await signIn(url)
  advance(6 * minute)

  const asked = await submit(page, { action: 'end', sid: other.sid }, { cookie })
  t.equal(asked.headers.get('location'), `/auth/account?end=${other.sid}`)
  t.ok(await isSignedIn(gateway, other.cookie))

  const prompt = await (await open(`${page}?end=${other.sid}`, { cookie })).text()
  t.equal(titleOf(prompt), 'Confirm that it is you · app.example.com')
  t.match(textOf(prompt), 'Enter your password to sign out Firefox on Windows')
  t.match(prompt, /<label for="password">Password<\/label>\s*<input id="password" name="password" type="password"[^>]*autocomplete="current-password"/)
  t.equal(inputOf(prompt, 'sid'), other.sid)

  const refused = await submit(page, { action: 'end', sid: other.sid, username: 'ada', password: 'wrong password' }, { cookie })
  t.equal(refused.status, 401)
  t.same(refused.headers.getSetCookie(), [])
  const html = await refused.text()
  t.match(html, /role="alert" id="refusal">The password is wrong\./)
  t.equal(inputOf(html, 'password'), '')
  t.ok(await isSignedIn(gateway, other.cookie))

  const done = await submit(page, { action: 'end', sid: other.sid, username: 'ada', password }, { cookie })
  t.equal(done.headers.get('location'), '/auth/account?notice=ended')
  t.notOk(await isSignedIn(gateway, other.cookie))
  const renewed = cookieFrom(done)
  t.ok(renewed.startsWith(`__Host-Http-portcullis=${sid}.`))
  t.not(renewed, cookie)
  t.ok(await isSignedIn(gateway, renewed))
  t.notOk(await isSignedIn(gateway, cookie))
})

t.test('a password that is right is never lost: the new cookie comes though the session could not be ended', async t => {
  const gateway = await start(t)
  const { url, page, advance, faulty } = gateway
  const [other, { cookie }] = [await signIn(url), await signIn(url)]
  advance(6 * minute)
  faulty.fail('close')

  const response = await submit(page, { action: 'end', sid: other.sid, password }, { cookie })

  faulty.recover()
  t.equal(response.headers.get('location'), '/auth/account?notice=failed')
  const renewed = cookieFrom(response)
  t.ok(await isSignedIn(gateway, renewed))
  t.ok(await isSignedIn(gateway, other.cookie))
  t.match(await (await open(`${page}?notice=failed`, { cookie: renewed })).text(), /role="status">Your password is right, but/)
})

t.test('guesses at the prompt are counted with those at sign-in', async t => {
  const { url, page, advance } = await start(t, { rateLimit: { signIn: { max: 3, window: '1h' } } })
  const [other, { cookie }] = [await signIn(url), await signIn(url)]
  advance(6 * minute)
  t.equal((await post(`${url}/auth/login`, { username: 'ada', password: 'wrong password' })).status, 401)
  for (let guess = 0; guess < 2; guess++) t.equal((await submit(page, { action: 'end', sid: other.sid, password: 'wrong password' }, { cookie })).status, 401)

  const response = await submit(page, { action: 'end', sid: other.sid, password }, { cookie })

  t.equal(response.status, 429)
  t.match(response.headers.get('retry-after'), /^\d+$/)
  t.match(await response.text(), /role="alert" id="refusal">Too many attempts\./)
})

t.test('a session of somebody else cannot be ended, nor is it told that there is one', async t => {
  const gateway = await start(t)
  const { url, page, advance } = gateway
  const [bob, { cookie }] = [await signIn(url, 'bob'), await signIn(url)]
  const locations: Array<string | null> = []
  for (const sid of [bob.sid, 'AAAAAAAAAAAAAAAAAAAAAA', '../../x', '']) locations.push((await submit(page, { action: 'end', sid }, { cookie })).headers.get('location'))
  t.same(locations, locations.map(() => '/auth/account?notice=gone'))
  advance(6 * minute)
  const prompts = await Promise.all([bob.sid, 'AAAAAAAAAAAAAAAAAAAAAA'].map(async sid => await (await open(`${page}?end=${sid}`, { cookie })).text()))
  t.equal(prompts[0], prompts[1])
  t.equal((await submit(page, { action: 'end', sid: bob.sid, password }, { cookie })).headers.get('location'), '/auth/account?notice=gone')
  t.ok(await isSignedIn(gateway, bob.cookie))
})

t.test('signing out ends this session, empties the jar and says so', async t => {
  const gateway = await start(t)
  const { url, page } = gateway
  const [other, { cookie }] = [await signIn(url), await signIn(url)]
  const events = recordEvents(t)

  const response = await submit(page, { action: 'sign-out' }, { cookie })

  t.equal(response.status, 303)
  t.equal(response.headers.get('location'), '/auth/sign-in?signed_out')
  t.equal(response.headers.get('clear-site-data'), '"cache", "storage"')
  t.equal(response.headers.get('cache-control'), 'no-store')
  const lines = response.headers.getSetCookie()
  t.ok(lines.some(line => isDeletion(line, '__Host-Http-portcullis', sessionAttributes)))
  t.ok(lines.some(line => isDeletion(line, '__Secure-portcullis-refresh', refreshAttributes)))
  t.notOk(await isSignedIn(gateway, cookie))
  t.ok(await isSignedIn(gateway, other.cookie))
  t.match(events.map(({ event }) => event), ['session.closed'])
  const html = await (await open(`${url}/auth/sign-in?signed_out`)).text()
  t.match(html, /role="status">You are signed out\.</)
  t.match(titleOf(html), 'Signed out')
  t.equal((await submit(page, { action: 'sign-out' }, { cookie })).status, 303, 'once more is no error')
})

t.test('signing out everywhere ends every session of the subject and of nobody else', async t => {
  const gateway = await start(t)
  const { url, page, advance } = gateway
  const [other, bob, { cookie }] = [await signIn(url), await signIn(url, 'bob'), await signIn(url)]
  const tokens = await signInForTokens(url)
  advance(6 * minute)

  const response = await submit(page, { action: 'sign-out-everywhere', csrf_token: 'abc' }, { cookie })

  t.equal(response.headers.get('location'), '/auth/sign-in?signed_out')
  t.equal(response.headers.get('clear-site-data'), '"cache", "storage"')
  t.ok(response.headers.getSetCookie().some(line => isDeletion(line, '__Host-Http-portcullis', sessionAttributes)))
  for (const dead of [cookie, other.cookie]) t.notOk(await isSignedIn(gateway, dead))
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })).status, 401)
  t.ok(await isSignedIn(gateway, bob.cookie))
})

t.test('while the store is away nothing is signed out, and no cookie is taken away', async t => {
  const gateway = await start(t)
  const { url, page, faulty } = gateway
  const [other, { cookie }] = [await signIn(url), await signIn(url)]
  faulty.fail('close', 'revokeSubject')

  for (const fields of [{ action: 'sign-out' }, { action: 'sign-out-everywhere' }, { action: 'end', sid: other.sid }] as Array<Record<string, string>>) {
    const response = await submit(page, fields, { cookie })
    t.equal(response.status, 503, JSON.stringify(fields))
    t.match(response.headers.get('retry-after'), /^[1-9]\d*$/)
    t.same(response.headers.getSetCookie(), [])
    t.match(titleOf(await response.text()), 'Not possible right now')
  }
  faulty.recover()
  t.ok(await isSignedIn(gateway, cookie))
  t.ok(await isSignedIn(gateway, other.cookie))
})

t.test('what is no action of the page does nothing', async t => {
  const gateway = await start(t)
  const { url, page } = gateway
  const { cookie } = await signIn(url)

  for (const fields of [{}, { action: '' }, { action: 'zebra' }, { action: 'end' }, { action: 'end', sid: 'x', password: '' }] as Array<Record<string, string>>) {
    const response = await submit(page, fields, { cookie })
    t.equal(response.status, 400, JSON.stringify(fields))
  }
  t.ok(await isSignedIn(gateway, cookie))
  for (const sid of ['/'.repeat(10_000), 'zebra', '']) t.equal((await submit(page, { action: 'end', sid }, { cookie })).headers.get('location'), '/auth/account?notice=gone')
  for (const notice of ['constructor', 'zebra', '<b>']) t.notMatch(await (await open(`${page}?notice=${notice}`, { cookie })).text(), /role="status"/)
})

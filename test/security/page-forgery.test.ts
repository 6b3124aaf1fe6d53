import t, { type Test } from 'tap'
import { origin, password, signIn, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { navigation, open, submit } from '../helpers/forms.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { learnSecret } from '../helpers/secrets.ts'
import { createOutage } from '../helpers/outage.ts'

/*
 * Forms are what other sites can send without asking: one signs the visitor in as the attacker, one ends their sessions, one guesses
 * passwords from their address. A frame shows the page under a button of the attacker's; an opener keeps a hand on the window. And a
 * page that shows a form again likes to show what was typed into it, the password with it, to whoever comes next and to every log.
 */

const foreign: Array<Record<string, string>> = [
  { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { 'sec-fetch-site': 'cross-site', origin }, { 'sec-fetch-site': 'zebra' }, { 'sec-fetch-site': '' },
  { origin: 'null' }, { origin: 'https://evil.example' }, { origin: 'https://other.example.com' }, { origin: 'http://app.example.com' }, { origin: `${origin}.evil.example` }
]

const own: Array<Record<string, string>> = [{}, { 'sec-fetch-site': 'same-origin', origin }, { 'sec-fetch-site': 'none' }, { origin }]

async function isSignedIn ({ url }: TestGateway, cookie: string): Promise<boolean> {
  return (await fetch(`${url}/auth/session`, { headers: { cookie } })).status === 200
}

t.test('no form of another site does anything, whatever it is', async t => {
  const gateway = await startGateway(t, { pages: true })
  const { url } = gateway
  const [other, { cookie }] = [await signIn(url), await signIn(url)]

  for (const headers of foreign) {
    for (const [path, fields] of [
      ['/auth/sign-in', { username: 'eve', password }],
      ['/auth/sign-in', { step_up: '1', password }],
      ['/auth/account', { action: 'sign-out' }],
      ['/auth/account', { action: 'sign-out-everywhere' }],
      ['/auth/account', { action: 'end', sid: other.sid }],
      ['/auth/account', { action: 'end', sid: other.sid, password }]
    ] as Array<[string, Record<string, string>]>) {
      for (const carried of [{ cookie }, {}] as Array<Record<string, string>>) {
        const response = await submit(`${url}${path}`, fields, { ...headers, ...carried })
        t.equal(response.status, 403, `${path} ${JSON.stringify(fields)} ${JSON.stringify(headers)}`)
        t.same(response.headers.getSetCookie(), [])
        t.equal(response.headers.get('clear-site-data'), null)
        t.match(await response.text(), 'This came from another site')
      }
    }
  }
  t.ok(await isSignedIn(gateway, cookie))
  t.ok(await isSignedIn(gateway, other.cookie))
})

t.test('the check comes before the body: a form of another site is not even read', async t => {
  const { url } = await startGateway(t, { pages: true })
  const answer = await sendRaw(t, Number(new URL(url).port), 'POST /auth/sign-in HTTP/1.1\r\nHost: a\r\nConnection: close\r\nSec-Fetch-Site: cross-site\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n').until(/another site/)
  t.match(answer, /^HTTP\/1\.1 403 /)
})

t.test('the own form is sent with what the check needs', async t => {
  const { url } = await startGateway(t, { pages: true })
  for (const headers of own) t.equal((await submit(`${url}/auth/sign-in`, { username: 'ada', password }, headers)).status, 303, JSON.stringify(headers))
  // With no-referrer browsers say `Origin: null`, which is everybody.
  t.equal((await open(`${url}/auth/sign-in`)).headers.get('referrer-policy'), 'same-origin')
})

t.test('reading a page changes nothing, wherever the link to it stands', async t => {
  const gateway = await startGateway(t, { pages: true })
  const { url } = gateway
  const [other, { cookie }] = [await signIn(url), await signIn(url)]
  for (const path of ['/auth/account?action=sign-out', '/auth/account?action=sign-out-everywhere', `/auth/account?action=end&sid=${other.sid}`, `/auth/account?end=${other.sid}`, '/auth/sign-in?username=eve&password=x', '/auth/sign-in?signed_out', '/auth/sign-in?step_up=1']) {
    t.same((await open(`${url}${path}`, { ...navigation, 'sec-fetch-site': 'cross-site', cookie })).headers.getSetCookie(), [], path)
  }
  t.ok(await isSignedIn(gateway, cookie))
  t.ok(await isSignedIn(gateway, other.cookie))
})

function assertHardened (t: Test, { headers }: Response, what: string, { hasScript = false } = {}): void {
  const directives = (headers.get('content-security-policy') ?? '').split('; ')
  t.same(directives.toSorted(), ["base-uri 'none'", "default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", ...hasScript ? ["script-src 'self'"] : [], "style-src 'self'"], what)
  t.equal(headers.get('cache-control'), 'no-store', what)
  t.equal(headers.get('cross-origin-opener-policy'), 'same-origin', what)
  t.equal(headers.get('cross-origin-resource-policy'), 'same-origin', what)
  t.equal(headers.get('x-content-type-options'), 'nosniff', what)
  t.equal(headers.get('referrer-policy'), 'same-origin', what)
  t.equal(headers.get('content-type'), 'text/html; charset=utf-8', what)
  t.match(headers.get('strict-transport-security'), /^max-age=31536000; includeSubDomains$/, what)
  for (const name of ['server', 'x-powered-by', 'access-control-allow-origin']) t.equal(headers.get(name), null, what)
}

t.test('no page can be framed, sniffed, kept or held by its opener, and none has anything inline', async t => {
  const outage = createOutage()
  const { url } = await startGateway(t, { pages: true, rateLimit: { signIn: { max: 4, window: '1h' } } }, { wrapStore: outage.wrapStore })
  const [other, { cookie }] = [await signIn(url), await signIn(url)]
  const wrong = { username: 'eve', password: 'wrong password' }
  const pages: Array<[status: number, what: string, response: Response]> = [
    [200, 'sign-in', await open(`${url}/auth/sign-in`)],
    [200, 'step-up', await open(`${url}/auth/sign-in?step_up=1`, { cookie })],
    [200, 'account', await open(`${url}/auth/account`, { cookie })],
    [200, 'prompt', await open(`${url}/auth/account?end=${other.sid}`, { cookie })],
    [401, 'refused', await submit(`${url}/auth/sign-in`, wrong)],
    [400, 'malformed', await submit(`${url}/auth/sign-in`, {})],
    [403, 'foreign', await submit(`${url}/auth/sign-in`, wrong, { origin: 'null' })],
    [415, 'JSON', await fetch(`${url}/auth/sign-in`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })],
    [401, 'refused again', await submit(`${url}/auth/sign-in`, wrong)],
    [429, 'too many', await submit(`${url}/auth/sign-in`, wrong)]
  ]
  outage.begin()
  pages.push([503, 'away', await open(`${url}/auth/account`, { cookie })])
  for (const [status, what, response] of pages) {
    t.equal(response.status, status, what)
    assertHardened(t, response, what, { hasScript: what === 'account' })
    const html = await response.text()
    t.notMatch(html, /<style|<script(?! src=)| style=|javascript:| on\w+="/i, `${what}: nothing inline`)
    t.notMatch(html, /(?:src|href|action)="(?!\/auth\/)/, `${what}: nothing from elsewhere`)
  }
})

t.test('a password that was typed is in no answer, no address and no line of the log', async t => {
  const { url } = await startGateway(t, { pages: true })
  const { cookie, sid } = await signIn(url)
  const other = await signIn(url)
  const typed = 'hunter2 hunter2 & <hunter3>'
  learnSecret('a password', typed)
  learnSecret('a password', encodeURIComponent(typed))

  for (const [path, fields, headers, status] of [
    ['/auth/sign-in', { username: 'ada', password: typed }],
    ['/auth/sign-in', { username: 'ada', password: typed, more: 'x' }],
    ['/auth/sign-in', { username: '', password: typed }],
    ['/auth/sign-in', { step_up: '1', password: typed }, { cookie }],
    ['/auth/sign-in', { username: 'ada', password: typed }, { origin: 'null' }],
    ['/auth/account', { action: 'end', sid: other.sid, password: typed }, { cookie }],
    ['/auth/account', { action: 'end', sid, password: typed }, { cookie }],
    ['/auth/account', { action: 'sign-out', password: typed }, { cookie }, 303]
  ] as Array<[string, Record<string, string>, Record<string, string>?, number?]>) {
    const response = await submit(`${url}${path}`, fields, headers)
    const seen = `${JSON.stringify([...response.headers])}${await response.text()}`
    t.notMatch(seen, /hunter[23]/, `${path} ${Object.keys(fields).join()}`)
    t.ok(status === undefined ? response.status >= 400 : response.status === status, String(response.status))
  }
})

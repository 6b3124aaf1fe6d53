import type { LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { cookieOf, createFaultyStore, createStore } from '../../helpers/build-app.ts'
import { inputOf, titleOf } from '../../helpers/forms.ts'
import { buildSecondFactorApp, challengeCookieName, code, password, sessionOf, type SecondFactorApp, type SecondFactorAppOptions } from '../../helpers/second-factor.ts'

const form = { 'content-type': 'application/x-www-form-urlencoded' }

interface Pages extends SecondFactorApp {
  submit: (path: string, fields: Record<string, string>, cookie?: string) => Promise<LightMyRequestResponse>
  advance: (ms: number) => void
}

async function start (t: Test, options: SecondFactorAppOptions = {}): Promise<Pages> {
  const { store, advance } = await createStore(t)
  const built = await buildSecondFactorApp(t, store, options)
  return { ...built, advance, submit: async (path, fields, cookie) => await built.post(path, new URLSearchParams(fields).toString(), cookie, form) }
}

/** Returns the hidden fields of the form, and the cookie of the challenge. */
function askedIn (response: LightMyRequestResponse): { fields: Record<string, string>, cookie: string } {
  const fields = Object.fromEntries([...response.body.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)">/g)].map(([, name, value]) => [name!, value!.replaceAll('&amp;', '&')]))
  return { fields, cookie: cookieOf(response, challengeCookieName) ?? '' }
}

const ada = { username: 'ada', password, return_to: '/orders?a=b&c' }

t.test('the page asks for the second factor with a label, and leads to where one wanted to go', async t => {
  const { submit, app } = await start(t)

  const response = await submit('/auth/sign-in', ada)

  t.equal(response.statusCode, 401)
  t.match(response.headers, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', 'content-security-policy': "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'" })
  t.equal(titleOf(response.body), 'One more step · app.example.com')
  t.match(response.body, /<label for="response">One-time code<\/label>\s*<input id="response" name="response" type="text"[^>]* required autofocus autocomplete="one-time-code"/)
  t.match(response.body, /<button class="primary" type="submit">Continue<\/button>/)
  t.match(response.body, /<form method="post">/, 'to its own address, with its fragment')
  t.match(response.body, /<a class="secondary" href="\/auth\/sign-in\?return_to=%2Forders%3Fa%3Db%26c">Start again<\/a>/)
  t.notMatch(response.body, /role="alert"|<script/)
  const { fields, cookie } = askedIn(response)
  t.same(Object.keys(fields).sort(), ['challenge_token', 'return_to'])

  const done = await submit('/auth/sign-in', { ...fields, response: code }, cookie)

  t.equal(done.statusCode, 303)
  t.equal(done.headers.location, '/orders?a=b&c')
  t.match((await app.inject({ url: '/auth/session', headers: { cookie: sessionOf(done)! } })).json(), { session: { subject: 'ada', acr: '2' } })
})

t.test('a wrong code is told in the page, which asks again', async t => {
  const { submit } = await start(t)
  const { fields, cookie } = askedIn(await submit('/auth/sign-in', ada))

  const wrong = await submit('/auth/sign-in', { ...fields, response: '000000' }, cookie)

  t.equal(wrong.statusCode, 401)
  t.match(wrong.body, /<p class="alert" role="alert" id="refusal">The code is wrong\.<\/p>/)
  t.match(wrong.body, /<input id="response"[^>]* aria-describedby="refusal"/)
  t.same(askedIn(wrong).fields, fields)
  t.notMatch(wrong.body, '000000')
  t.equal((await submit('/auth/sign-in', { ...fields, response: code }, cookie)).statusCode, 303)
})

t.test('too many codes, and a store that is away, are told in the page', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const { post } = await buildSecondFactorApp(t, faulty.store, { limits: { signIn: { max: 2, window: '1h' } } })
  const submit = async (fields: Record<string, string>, cookie?: string) => await post('/auth/sign-in', new URLSearchParams(fields).toString(), cookie, form)
  const { fields, cookie } = askedIn(await submit(ada))
  faulty.fail('useOnce')
  const away = await submit({ ...fields, response: code }, cookie)
  t.equal(away.statusCode, 503)
  t.match(away.body, 'It is not your code: try again in a moment.')
  t.same(askedIn(away).fields, fields)
  faulty.recover()
  const many = await submit({ ...fields, response: code }, cookie)
  t.equal(many.statusCode, 429)
  t.match(many.body, /Too many attempts\. Try again in/)
  t.same(askedIn(many).fields, fields)
})

t.test('a challenge that is over leads back to the password', async t => {
  const { submit, advance } = await start(t)
  const { fields, cookie } = askedIn(await submit('/auth/sign-in', ada))
  advance(300_000)

  const late = await submit('/auth/sign-in', { ...fields, response: code }, cookie)

  t.equal(late.statusCode, 401)
  t.match(late.body, 'That took too long, or it was done already. Start again.')
  t.equal(inputOf(late.body, 'return_to'), '/orders?a=b&amp;c')
  t.ok(late.body.includes('id="password"'))
})

t.test('the step-up page asks for the second factor', async t => {
  const { submit, enter, app } = await start(t)
  const { cookie, sid } = await enter()
  const asked = await submit('/auth/sign-in', { step_up: '1', password, return_to: '/orders' }, cookie)
  t.equal(asked.statusCode, 401)
  const { fields, cookie: challenge } = askedIn(asked)
  t.same(Object.keys(fields).sort(), ['challenge_token', 'return_to', 'step_up'])
  t.match(asked.body, 'href="/auth/sign-in?step_up=1')

  const wrong = await submit('/auth/sign-in', { ...fields, response: '0' }, `${cookie}; ${challenge}`)
  t.match(wrong.body, 'The code is wrong.')
  t.same(askedIn(wrong).fields, fields)
  const done = await submit('/auth/sign-in', { ...fields, response: code }, `${cookie}; ${challenge}`)

  t.equal(done.headers.location, '/orders')
  t.match(await app.portcullis.session.read(sid), { acr: '2', amr: ['pwd', 'otp', 'mfa'] })
  const again = await submit('/auth/sign-in', { ...fields, response: code }, `${sessionOf(done)!}; ${challenge}`)
  t.equal(again.statusCode, 401)
  t.match((await submit('/auth/sign-in', { ...fields, response: code }, challenge)).headers.location, '/auth/sign-in', 'without its session it leads to the sign-in')
})

t.test('the account page ends another session after the second factor', async t => {
  const { submit, enter, app, advance } = await start(t)
  const [here, there] = [await enter(), await enter()]
  advance(301_000)
  t.match((await submit('/auth/account', { action: 'end', sid: there.sid }, here.cookie)).headers.location, `/auth/account?end=${there.sid}`)
  const asked = await submit('/auth/account', { action: 'end', sid: there.sid, password }, here.cookie)
  const { fields, cookie: challenge } = askedIn(asked)
  t.same(fields, { action: 'end', sid: there.sid, challenge_token: fields['challenge_token'] })
  t.match(asked.body, '<form method="post" action="/auth/account">')
  t.ok(await app.portcullis.session.read(there.sid))

  const wrong = await submit('/auth/account', { ...fields, response: '0' }, `${here.cookie}; ${challenge}`)
  t.match(wrong.body, 'The code is wrong.')
  const done = await submit('/auth/account', { ...fields, response: code }, `${here.cookie}; ${challenge}`)

  t.equal(done.headers.location, '/auth/account?notice=ended')
  t.equal(await app.portcullis.session.read(there.sid), null)
})

t.test('pages of an application without second factors take no answers', async t => {
  const { submit, enter, advance } = await start(t, { routes: { identity: { verify: async () => null } } })
  t.equal((await submit('/auth/sign-in', { challenge_token: 'x', response: code })).statusCode, 400)
  const [here, there] = [await enter(), await enter()]
  advance(301_000)
  t.match((await submit('/auth/account', { action: 'end', sid: there.sid, challenge_token: 'x', response: code }, here.cookie)).headers.location, '/auth/account?end=')
})

t.test('what a form carries is written as text', async t => {
  const { submit } = await start(t)
  const { body } = await submit('/auth/sign-in', { ...ada, return_to: '/x?"><script>alert(1)</script>' })
  t.notMatch(body, '<script')
})

import t, { type Test } from 'tap'
import type { Store } from '../../stores/store.ts'
import authRoutes from '../../routes/auth.ts'
import pagesRoutes from '../../routes/pages.ts'
import { createFaultyStore, createStore, origin, otherSecret, recordEvents, secret } from '../helpers/build-app.ts'
import { begun, buildSecondFactorApp, code, codeOf, password, sessionOf, type SecondFactorApp, type SecondFactorAppOptions } from '../helpers/second-factor.ts'
import { sharedStores } from '../helpers/stores.ts'
import type { PasswordSource } from '../../users/password-source.ts'

/*
 * Between the password and the second factor the client holds a challenge token. An attacker has stolen it, or has the password and no
 * second factor, or holds both for a moment. No session may open that the protocol does not promise.
 */

const refused = '401 PTC_ERR_LOGIN_REFUSED'

async function start (t: Test, options: SecondFactorAppOptions = {}): Promise<SecondFactorApp & { store: Store, advance: (ms: number) => void }> {
  const { store, advance } = await createStore(t)
  return { ...await buildSecondFactorApp(t, store, options), store, advance }
}

t.test('a stolen challenge token opens nothing without the cookie of its client, or with that of another client', async t => {
  const { post, begin, asked } = await start(t)
  const events = recordEvents(t)
  const victim = await begin()
  const attacker = await begin({ username: 'bob' })

  for (const cookie of [undefined, attacker.cookie, '__Host-Http-portcullis-challenge=', victim.cookie.replace(/.$/, '_'), victim.cookie.replace('__Host-Http-', '__Host-'), victim.cookie.replace('__Host-Http-', '')]) {
    const response = await post('/auth/login', { challenge_token: victim.token, response: code }, cookie)
    t.equal(codeOf(response), refused, String(cookie))
    t.equal(sessionOf(response), null)
  }
  t.same(asked, [], 'the application is not asked')
  t.match(events.filter(({ event }) => event === 'second_factor.refused'), Array.from({ length: 6 }, () => ({ outcome: 'forged' })))
  t.equal(codeOf(await post('/auth/login', { challenge_token: victim.token, response: code }, `${victim.cookie}; ${attacker.cookie}`)), '400 PTC_ERR_COOKIE_DUPLICATE')
  t.equal(codeOf(await post('/auth/login', { challenge_token: victim.token, response: code }, victim.cookie)), '200', 'the victim goes on')
})

for (const [name, open] of sharedStores) {
  t.test(`of many answers at once to one challenge, from two processes at ${name}, exactly one opens a session`, async t => {
    const stores = await open(t)
    const apps = await Promise.all(stores.map(store => buildSecondFactorApp(t, store)))
    const { token, cookie } = await apps[0]!.begin()

    const answers = await Promise.all(Array.from({ length: 12 }, (_, number) => apps[number % 2]!.post('/auth/login', { challenge_token: token, response: code }, cookie)))

    t.same(answers.map(codeOf).sort(), ['200', ...Array.from({ length: 11 }, () => refused)])
    t.equal(answers.filter(answer => sessionOf(answer) !== null).length, 1)
    t.equal((await stores[0].list('ada')).length, 1)
    t.equal(codeOf(await apps[1]!.post('/auth/login', { challenge_token: token, response: code }, cookie)), refused, 'nor a later one')
  })
}

t.test('a token opens only at its origin, for its purpose, and for its session', async t => {
  const { store } = await createStore(t)
  const { post, begin, enter } = await buildSecondFactorApp(t, store)
  const other = await buildSecondFactorApp(t, store, { plugins: { cookies: { origin: 'https://other.example.com' } } })
  const { token, cookie } = await begin()
  t.equal(codeOf(await other.post('/auth/login', { challenge_token: token, response: code }, cookie)), refused, 'another origin')

  const [one, two] = [await enter(), await enter()]
  const stepUp = begun(await post('/auth/step-up', { password }, one.cookie))
  const answer = { challenge_token: stepUp.token, response: code }
  t.equal(codeOf(await post('/auth/login', answer, stepUp.cookie)), refused, 'that of a step-up signs nobody in')
  t.equal(codeOf(await post('/auth/step-up', answer, `${two.cookie}; ${stepUp.cookie}`)), refused, 'another session of the subject')
  t.equal(codeOf(await post('/auth/step-up', { challenge_token: token, response: code }, `${one.cookie}; ${cookie}`)), refused, 'that of a sign-in is no step-up')
  t.equal(codeOf(await post('/auth/step-up', answer, stepUp.cookie)), '401 PTC_ERR_CREDENTIALS_MISSING', 'no session')
  t.equal(codeOf(await post('/auth/step-up', answer, `${one.cookie}; ${stepUp.cookie}`)), '200', 'its own session')
})

t.test('a token opens only at the routes that issued it, because others may have other users', async t => {
  const { store } = await createStore(t)
  const states: unknown[] = []
  const staff: PasswordSource = {
    verify: async () => null,
    verifyChallenge: async state => {
      states.push(state)
      return { subject: 'staff-7', scopes: ['orders:write'] }
    }
  }
  const { post, begin } = await buildSecondFactorApp(t, store, {
    register: async app => {
      await app.register(authRoutes, { prefix: '/staff', origin, audiences: ['orders'], identity: staff })
      await app.register(pagesRoutes, { prefix: '/staff', origin, audiences: ['orders'], identity: staff })
    }
  })
  const { token, cookie } = await begin()
  const answer = { challenge_token: token, response: code }

  t.equal(codeOf(await post('/staff/login', answer, cookie)), refused)
  t.equal((await post('/staff/sign-in', new URLSearchParams(answer).toString(), cookie, { 'content-type': 'application/x-www-form-urlencoded' })).statusCode, 401)
  t.same(states, [], 'the application is not asked')
  t.equal(codeOf(await post('/auth/login', answer, cookie)), '200')
})

t.test('the mode and the audiences are those of the password', async t => {
  const { post, begin } = await start(t)
  const { token, cookie } = await begin({ mode: 'tokens', audience: ['orders'] })
  const answer = { challenge_token: token, response: code }

  for (const more of [{ mode: 'session' }, { audience: ['billing'] }, { username: 'bob' }, { password }, { username: 'ada', password }]) {
    t.equal(codeOf(await post('/auth/login', { ...answer, ...more }, cookie)), '400 PTC_ERR_REQUEST_INVALID', JSON.stringify(more))
  }
  const form = await post('/auth/sign-in', new URLSearchParams(answer).toString(), cookie, { 'content-type': 'application/x-www-form-urlencoded' })
  t.equal(form.statusCode, 401, 'the page opens no token family')
  t.equal(sessionOf(form), null)

  const response = await post('/auth/login', answer, cookie)
  t.equal(codeOf(response), '200')
  const { access_token: accessToken } = response.json<{ access_token: string }>()
  t.same(JSON.parse(Buffer.from(accessToken.split('.')[1]!, 'base64url').toString()).aud, ['orders'])
})

t.test('a challenge ends after five minutes', async t => {
  const { post, begin, advance, asked } = await start(t)
  const [early, late] = [await begin(), await begin()]
  advance(299_000)
  t.equal(codeOf(await post('/auth/login', { challenge_token: early.token, response: code }, early.cookie)), '200')
  advance(1000)
  const events = recordEvents(t)
  t.equal(codeOf(await post('/auth/login', { challenge_token: late.token, response: code }, late.cookie)), refused)
  t.equal(asked.length, 1)
  t.match(events, [{ event: 'second_factor.refused', outcome: 'expired' }])
})

t.test('a token of the secret before is accepted, one of a secret that is not known here is nobody’s fault', async t => {
  const { store } = await createStore(t)
  const before = await buildSecondFactorApp(t, store, { factor: { secret: otherSecret } })
  const after = await buildSecondFactorApp(t, store, { factor: { secret: [secret, otherSecret] } })
  const without = await buildSecondFactorApp(t, store, { factor: { secret } })
  const { token, cookie } = await before.begin()

  const unknown = await without.post('/auth/login', { challenge_token: token, response: code }, cookie)
  t.equal(codeOf(unknown), '503 PTC_ERR_STORE_UNAVAILABLE')
  t.equal(sessionOf(unknown), null)
  t.equal(codeOf(await after.post('/auth/login', { challenge_token: token, response: code }, cookie)), '200')
})

t.test('no bit of a token can be changed', async t => {
  const { post, begin } = await start(t)
  const { token, cookie } = await begin()
  const bytes = Buffer.from(token, 'base64url')
  for (let at = 4; at < bytes.length; at += 7) {
    const changed = Buffer.from(bytes)
    changed[at]! ^= 1
    t.equal(codeOf(await post('/auth/login', { challenge_token: changed.toString('base64url'), response: code }, cookie)), refused, String(at))
  }
  for (const cut of [token.slice(0, -1), token.slice(0, 43), `${token}A`, `${token}=`, ` ${token}`, 'x', token.replace(/^.{6}/, '')]) {
    const response = await post('/auth/login', { challenge_token: cut, response: code }, cookie)
    t.match(codeOf(response), /^(?:401 PTC_ERR_LOGIN_REFUSED|503 PTC_ERR_STORE_UNAVAILABLE)$/, cut.slice(0, 8))
    t.equal(sessionOf(response), null)
  }
})

t.test('a response of another type, too long, empty or twice in the body is malformed', async t => {
  const { post, begin, asked } = await start(t)
  const { token, cookie } = await begin()
  for (const response of [123456, [code], { code }, null, true, '', 'x'.repeat(4097)]) {
    t.equal(codeOf(await post('/auth/login', { challenge_token: token, response }, cookie)), '400 PTC_ERR_REQUEST_INVALID', JSON.stringify(response)?.slice(0, 20))
  }
  for (const challengeToken of [1, [token], null, '', 'A'.repeat(24_577)]) {
    t.equal(codeOf(await post('/auth/login', { challenge_token: challengeToken, response: code }, cookie)), '400 PTC_ERR_REQUEST_INVALID')
  }
  const twice = [`{"challenge_token":"${token}","response":"000000","response":"${code}"}`, `{"challenge_token":"x","challenge_token":"${token}","response":"${code}"}`, `{"challenge_token":"${token}","response":"${code}","resp\\u006fnse":"0"}`]
  for (const body of twice) t.equal(codeOf(await post('/auth/login', body, cookie, { 'content-type': 'application/json' })), '400 PTC_ERR_REQUEST_INVALID', body.slice(-30))
  const form = await post('/auth/sign-in', `challenge_token=${token}&response=0&response=${code}`, cookie, { 'content-type': 'application/x-www-form-urlencoded' })
  t.equal(form.statusCode, 400)
  t.same(asked, [])
})

t.test('other sites cannot answer a challenge', async t => {
  const { post, begin } = await start(t)
  const { token, cookie } = await begin()
  t.equal(codeOf(await post('/auth/login', { challenge_token: token, response: code }, cookie, { 'sec-fetch-site': 'cross-site' })), '403 PTC_ERR_CSRF_REFUSED')
  t.equal(codeOf(await post('/auth/login', { challenge_token: token, response: code }, cookie, { origin: 'https://evil.example.com' })), '403 PTC_ERR_CSRF_REFUSED')
})

t.test('a user who was disabled, or signed out everywhere, between the password and the second factor is not signed in', async t => {
  const { app, post, begin, disabled, advance } = await start(t)
  const one = await begin()
  disabled.add('ada')
  t.equal(codeOf(await post('/auth/login', { challenge_token: one.token, response: code }, one.cookie)), refused)
  disabled.clear()

  const events = recordEvents(t)
  for (const end of [async () => await app.portcullis.blocklist.revoke({ subject: 'ada' }), async () => { await app.portcullis.store.revokeAll({ keepForMs: 60_000 }) }]) {
    const pending = await begin()
    advance(2000)
    await end()
    t.equal(codeOf(await post('/auth/login', { challenge_token: pending.token, response: code }, pending.cookie)), refused)
    const again = await begin()
    t.equal(codeOf(await post('/auth/login', { challenge_token: again.token, response: code }, again.cookie)), '200', 'in the same second, the password counts again')
  }
  t.match(events.filter(({ event }) => event === 'second_factor.refused'), [{ outcome: 'subject' }, { outcome: 'subject' }])
})

t.test('a subject that verify has named is the one that the second factor must authenticate', async t => {
  const { app, post, begin } = await start(t, {
    identity: {
      verify: async () => ({ challenge: 'otp', state: null, subject: 'ada' }),
      verifyChallenge: async (_state, response) => ({ subject: response, scopes: [] })
    }
  })
  const { token, cookie } = await begin()
  t.equal(codeOf(await post('/auth/login', { challenge_token: token, response: 'bob' }, cookie)), refused)
  await app.portcullis.blocklist.revoke({ subject: 'ada' })
  t.equal(codeOf(await post('/auth/login', { challenge_token: token, response: 'ada' }, cookie)), refused, 'a cut in the same second counts')
  const again = await begin()
  t.equal(codeOf(await post('/auth/login', { challenge_token: again.token, response: 'ada' }, again.cookie)), '200')
})

t.test('a step-up whose second factor is another subject’s, or whose session has ended between, strengthens nothing', async t => {
  const { app, post, store, enter } = await start(t, { identity: { verifyChallenge: async (_state, response) => ({ subject: response, scopes: [] }) } })
  const { cookie, sid } = await enter()
  const { token, cookie: challenge } = begun(await post('/auth/step-up', { password }, cookie))
  t.equal(codeOf(await post('/auth/step-up', { challenge_token: token, response: 'bob' }, `${cookie}; ${challenge}`)), refused)
  t.match(await store.read(sid), { acr: '1', amr: ['pwd'] })

  await app.portcullis.blocklist.revoke({ sid })
  t.equal(codeOf(await post('/auth/step-up', { challenge_token: token, response: 'ada' }, `${cookie}; ${challenge}`)), '401 PTC_ERR_SESSION_INVALID')
})

t.test('a session that ends while the second factor of its step-up is verified stays ended', async t => {
  const { store } = await createStore(t)
  let end = async (): Promise<void> => {}
  const { app, post, enter } = await buildSecondFactorApp(t, store, {
    identity: {
      async verifyChallenge (state) {
        await end()
        return { subject: (state as { user: string }).user, scopes: [] }
      }
    }
  })
  const { cookie, sid } = await enter()
  const { token, cookie: challenge } = begun(await post('/auth/step-up', { password }, cookie))
  end = async () => { await app.portcullis.blocklist.revoke({ sid }) }

  const response = await post('/auth/step-up', { challenge_token: token, response: code }, `${cookie}; ${challenge}`)

  t.equal(codeOf(response), '401 PTC_ERR_SESSION_INVALID')
  t.equal(sessionOf(response), null)
})

t.test('while the store is gone nobody is let through, and the challenge continues afterwards', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const { post, begin } = await buildSecondFactorApp(t, faulty.store)
  const { token, cookie } = await begin()
  for (const method of ['useOnce', 'isGood'] as const) {
    faulty.fail(method)
    const response = await post('/auth/login', { challenge_token: token, response: code }, cookie)
    t.equal(codeOf(response), '503 PTC_ERR_STORE_UNAVAILABLE', method)
    t.same(response.cookies, [])
  }
  faulty.recover()
  t.equal(codeOf(await post('/auth/login', { challenge_token: token, response: code }, cookie)), '200')

  const next = await begin()
  faulty.fail('open')
  t.equal(codeOf(await post('/auth/login', { challenge_token: next.token, response: code }, next.cookie)), '503 PTC_ERR_STORE_UNAVAILABLE')
  faulty.recover()
  t.equal(codeOf(await post('/auth/login', { challenge_token: next.token, response: code }, next.cookie)), refused, 'it was used up, so the user begins again')
})

t.test('six digits cannot be searched: wrong responses use up the budget of the account, which no right password gives back', async t => {
  const { post, begin, asked } = await start(t, { limits: { signIn: { max: 5, window: '1h' } } })
  const from = (number: number): Record<string, string> => ({ 'x-number': String(number) })
  const answers: string[] = []
  for (let number = 0; number < 6; number++) {
    const { token, cookie, response } = await begin()
    if (token === '') {
      answers.push(codeOf(response))
      continue
    }
    answers.push(codeOf(await post('/auth/login', { challenge_token: token, response: `00000${number}` }, cookie, from(number))))
  }
  t.ok(asked.length <= 5)
  t.match(answers.at(-1), '429 PTC_ERR_RATE_LIMITED')
})

t.test('guesses at many challenges of one account, from many addresses, share its budget', async t => {
  const { app, begin, asked } = await start(t, { limits: { signIn: { max: 3, window: '1h' } } })
  const challenges = [await begin(), await begin()]
  const answers: string[] = []
  for (let number = 0; number < 8; number++) {
    const { token, cookie } = challenges[number % 2]!
    answers.push(codeOf(await app.inject({ method: 'POST', url: '/auth/login', headers: { cookie }, payload: { challenge_token: token, response: `00000${number}` }, remoteAddress: `192.0.2.${number}` })))
  }
  t.equal(asked.length, 3)
  t.same(answers, [refused, refused, refused, ...Array.from({ length: 5 }, () => '429 PTC_ERR_RATE_LIMITED')])
  const right = await app.inject({ method: 'POST', url: '/auth/login', headers: { cookie: challenges[0]!.cookie }, payload: { challenge_token: challenges[0]!.token, response: code }, remoteAddress: '192.0.2.200' })
  t.equal(codeOf(right), '429 PTC_ERR_RATE_LIMITED', 'nor may the right response be tried')
})

t.test('forged tokens are counted by address, and use up no account’s budget', async t => {
  const { post, begin, app } = await start(t, { limits: { signIn: { max: 4, window: '1h' } } })
  const { token, cookie } = await begin()
  for (let number = 0; number < 3; number++) t.equal(codeOf(await post('/auth/login', { challenge_token: token, response: code })), refused)
  t.equal(codeOf(await post('/auth/login', { challenge_token: token, response: code })), '429 PTC_ERR_RATE_LIMITED')
  const response = await app.inject({ method: 'POST', url: '/auth/login', headers: { cookie }, payload: { challenge_token: token, response: code }, remoteAddress: '192.0.2.9' })
  t.equal(codeOf(response), '200')
})

t.test('every refused answer is the same, and a wrong password is told nothing of a second factor', async t => {
  const { post, begin, advance, store } = await start(t)
  const used = await begin()
  await post('/auth/login', { challenge_token: used.token, response: code }, used.cookie)
  const wrong = await begin()
  const bodies = [
    await post('/auth/login', { challenge_token: used.token, response: code }, used.cookie),
    await post('/auth/login', { challenge_token: wrong.token, response: '000000' }, wrong.cookie),
    await post('/auth/login', { challenge_token: wrong.token, response: code }),
    await post('/auth/login', { challenge_token: 'x', response: code }, wrong.cookie)
  ].map(response => response.json<{ code: string }>())
  advance(300_000)
  bodies.push((await post('/auth/login', { challenge_token: wrong.token, response: code }, wrong.cookie)).json())
  for (const body of bodies) t.same(body, bodies[0])
  t.equal(store.type, 'sqlite')

  const [known, unknown] = [await post('/auth/login', { username: 'ada', password: 'wrong' }), await post('/auth/login', { username: 'nobody', password: 'wrong' })]
  t.same(known.json(), unknown.json())
  t.same(known.cookies, [])
})

t.test('what the client holds tells neither the state nor the name, and is in no log or event', async t => {
  const { begin } = await start(t, { identity: { verify: async () => ({ challenge: 'otp', state: { secretOfTheUser: 'JBSWY3DPEHPK3PXP' } }) } })
  const events = recordEvents(t)
  const { token, cookie } = await begin()
  const opened = Buffer.from(token, 'base64url').toString('latin1')
  for (const text of ['ada', 'JBSWY3DPEHPK3PXP', 'orders']) t.notOk(opened.includes(text))
  t.match(events, [{ event: 'second_factor.required', outcome: 'sign-in' }])
  t.notMatch(JSON.stringify(events), token)
  t.notMatch(JSON.stringify(events), cookie.split('=')[1]!)
})

t.test('the cookie of a challenge is hardened, and deleted with the sign-in', async t => {
  const { post, begin } = await start(t)
  const { token, cookie, response } = await begin()
  t.equal(String(response.headers['set-cookie']), `${cookie}; Max-Age=300; Path=/; HttpOnly; Secure; SameSite=Strict`)
  t.match(cookie, /^__Host-Http-portcullis-challenge=[\w-]{43}$/)

  const done = await post('/auth/login', { challenge_token: token, response: code }, cookie)

  const lines = [done.headers['set-cookie']].flat().map(String)
  t.equal(lines.length, 2)
  t.ok(lines.some(line => line.startsWith('__Host-Http-portcullis-challenge=; Max-Age=0;')))
})

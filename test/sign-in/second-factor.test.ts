import t, { type Test } from 'tap'
import { createStore, decode, recordEvents } from '../helpers/build-app.ts'
import { begun, buildSecondFactorApp, challengeCookieName, code, codeOf, password, sessionOf, type SecondFactorApp, type SecondFactorAppOptions } from '../helpers/second-factor.ts'

async function start (t: Test, options: SecondFactorAppOptions = {}): Promise<SecondFactorApp> {
  const { store } = await createStore(t)
  return await buildSecondFactorApp(t, store, options)
}

t.test('a right password is answered with a challenge, and the right response to it with a session', async t => {
  const { app, post, begin, asked } = await start(t)
  const events = recordEvents(t)
  const { token, cookie, response } = await begin()

  t.equal(response.statusCode, 401)
  t.match(response.headers, { 'content-type': 'application/problem+json; charset=utf-8', 'cache-control': 'no-store', 'www-authenticate': 'Bearer' })
  t.same(response.json(), { type: 'urn:portcullis:error:ptc-err-second-factor-required', title: 'A second factor is required', status: 401, code: 'PTC_ERR_SECOND_FACTOR_REQUIRED', challenge: 'otp', challenge_token: token })

  t.equal(codeOf(await post('/auth/login', { challenge_token: token, response: '000000' }, cookie)), '401 PTC_ERR_LOGIN_REFUSED')
  const done = await post('/auth/login', { challenge_token: token, response: code }, cookie)

  t.equal(done.statusCode, 200, 'a wrong response has left the challenge as it was')
  const { session } = done.json<{ session: { sid: string } }>()
  t.match(session, { subject: 'ada', acr: '2', amr: ['pwd', 'otp', 'mfa'] })
  t.same(asked.map(({ state }) => state), [{ user: 'ada', generation: 1 }, { user: 'ada', generation: 1 }])
  t.equal((await app.inject({ url: '/auth/session', headers: { cookie: sessionOf(done)! } })).statusCode, 200)
  t.match(await app.portcullis.session.read(session.sid), { username: 'ada', scopes: ['orders:read'], audiences: ['orders', 'billing', 'https://app.example.com'] })
  t.match(events, [
    { event: 'second_factor.required', outcome: 'sign-in' },
    { event: 'second_factor.refused', outcome: 'response' },
    { event: 'session.opened', subject: 'ada' }
  ])
})

t.test('a sign-in for tokens keeps its mode and its audiences over the second factor', async t => {
  const { post, begin } = await start(t)
  const { token, cookie } = await begin({ mode: 'tokens', audience: ['billing'] })

  const done = await post('/auth/login', { challenge_token: token, response: code }, cookie)

  const { access_token: accessToken } = done.json<{ access_token: string }>()
  t.match(decode(accessToken).claims, { sub: 'ada', aud: ['billing'], acr: '2', amr: ['pwd', 'otp', 'mfa'] })
  t.ok(sessionOf(done))
})

t.test('a user without a second factor signs in with the password alone', async t => {
  const { post } = await start(t)
  const done = await post('/auth/login', { username: 'eve', password })
  t.match(done.json(), { session: { subject: 'eve', acr: '1', amr: ['pwd'] } })
})

t.test('the session that the client has ends with the second factor, and not before', async t => {
  const { app, post, begin, enter } = await start(t)
  const { cookie: old, sid } = await enter()
  const response = await post('/auth/login', { username: 'ada', password }, old)
  const { token, cookie } = begun(response)
  t.ok(await app.portcullis.session.read(sid))

  t.equal((await post('/auth/login', { challenge_token: token, response: code }, `${old}; ${cookie}`)).statusCode, 200)
  t.equal(await app.portcullis.session.read(sid), null)

  const pending = await begin()
  const other = await post('/auth/login', { username: 'eve', password }, pending.cookie)
  t.ok(other.cookies.some(({ name, value }) => name === challengeCookieName && value === ''), 'another sign-in ends the pending one')
})

for (const mode of ['session', 'tokens'] as const) {
  t.test(`a step-up asks for the second factor too, and strengthens the session (${mode})`, async t => {
    const { app, post, enter } = await start(t)
    const events = recordEvents(t)
    const { cookie, sid } = await enter(mode)
    const response = await post('/auth/step-up', { password }, cookie)
    const { token, cookie: challenge } = begun(response)
    t.equal(codeOf(response), '401 PTC_ERR_SECOND_FACTOR_REQUIRED')
    t.match(await app.portcullis.session.read(sid), { acr: '1', amr: ['pwd'] }, 'the password alone changes nothing')
    t.equal(codeOf(await post('/auth/step-up', { challenge_token: token, response: '000000' }, `${cookie}; ${challenge}`)), '401 PTC_ERR_LOGIN_REFUSED')

    const done = await post('/auth/step-up', { challenge_token: token, response: code }, `${cookie}; ${challenge}`)

    t.equal(done.statusCode, 200)
    t.match(done.json(), { session: { sid, acr: '2', amr: ['pwd', 'otp', 'mfa'] } })
    t.not(sessionOf(done), cookie)
    t.ok(done.cookies.some(({ name, value }) => name === challengeCookieName && value === ''))
    t.equal(codeOf(await post('/auth/step-up', { challenge_token: token, response: code }, `${sessionOf(done)!}; ${challenge}`)), '401 PTC_ERR_LOGIN_REFUSED', 'once')
    t.match(events.filter(({ event }) => event.startsWith('second') || event.startsWith('step')), [
      { event: 'second_factor.required', sid, subject: 'ada', outcome: 'step-up' },
      { event: 'second_factor.refused', sid, subject: 'ada', outcome: 'response' },
      { event: 'step_up.done', sid },
      { event: 'second_factor.refused', outcome: 'used' }
    ])
  })
}

t.test('the strength is what verifyChallenge says, and a step-up lowers none', async t => {
  const { app, post, begin } = await start(t, { identity: { verifyChallenge: async () => ({ subject: 'ada', scopes: [], acr: '3', amr: ['hwk', 'user'] }) } })
  const { token, cookie } = await begin()
  const done = await post('/auth/login', { challenge_token: token, response: code }, cookie)
  t.match(done.json(), { session: { acr: '3', amr: ['hwk', 'user'] } })

  const weaker = await start(t, { identity: { verifyChallenge: async () => ({ subject: 'ada', scopes: [], acr: '0', amr: ['sms'] }) } })
  const { cookie: session, sid } = await weaker.enter()
  const challenge = begun(await weaker.post('/auth/step-up', { password }, session))
  t.match((await weaker.post('/auth/step-up', { challenge_token: challenge.token, response: 'x' }, `${session}; ${challenge.cookie}`)).json(), { session: { sid, acr: '1', amr: ['pwd', 'sms'] } })
  t.ok(app)
})

t.test('the name of the challenge is a method of the session', async t => {
  const { post, begin } = await start(t, { identity: { verify: async () => ({ challenge: 'sms', state: 1 }), verifyChallenge: async () => ({ subject: 'ada', scopes: [] }) } })
  const { token, cookie, response } = await begin()
  t.match(response.json(), { challenge: 'sms' })
  t.match((await post('/auth/login', { challenge_token: token, response: 'x' }, cookie)).json(), { session: { acr: '2', amr: ['pwd', 'sms', 'mfa'] } })
})

t.test('states are JSON of any kind, up to 2048 bytes', async t => {
  const states: unknown[] = [null, 0, false, 'é'.repeat(1023), ['a', { b: [1.5, null] }], { __proto__: null, x: '\u2028' }]
  let state: unknown = null
  const { post, begin, asked } = await start(t, { identity: { verify: async () => ({ challenge: 'otp', state }), verifyChallenge: async given => { asked.push({ state: given, response: '' }); return null } } })
  for (state of states) {
    const { token, cookie } = await begin()
    await post('/auth/login', { challenge_token: token, response: 'x' }, cookie)
    t.same(asked.at(-1)!.state, JSON.parse(JSON.stringify(state)))
  }
})

t.test('a demand in the wrong form is an error of the application, and opens nothing', async t => {
  let demand: object = {}
  const { begin } = await start(t, { identity: { verify: async () => demand as { challenge: string, state: unknown } } })
  for (demand of [{ challenge: 'otp' }, { challenge: '', state: 1 }, { challenge: 'a b', state: 1 }, { challenge: null, state: 1, subject: 'ada' }, { challenge: 'otp', state: 'x'.repeat(2047) }, { challenge: 'otp', state: () => {} }, { challenge: 'x'.repeat(33), state: 1 }]) {
    const { response } = await begin()
    t.equal(codeOf(response), '500 PTC_ERR_INTERNAL', JSON.stringify(demand).slice(0, 50))
    t.same(response.cookies, [])
  }
  demand = { challenge: 'otp', state: 'x'.repeat(2046) }
  t.equal((await begin()).response.statusCode, 401)
})

t.test('a demand of an application that has no verifyChallenge opens nothing', async t => {
  const { begin } = await start(t, { routes: { identity: { verify: async () => ({ challenge: 'otp', state: 1, subject: 'ada' }) } } })
  t.equal(codeOf((await begin()).response), '500 PTC_ERR_INTERNAL')
  const { post } = await start(t, { routes: { identity: { verify: async () => null } } })
  t.equal(codeOf(await post('/auth/login', { challenge_token: 'x', response: 'y' })), '400 PTC_ERR_REQUEST_INVALID', 'and no answer is taken')
})

t.test('a verifyChallenge that asks for another factor opens nothing, and strengthens nothing', async t => {
  const { store } = await createStore(t)
  const { post, begin, enter } = await buildSecondFactorApp(t, store, { identity: { verifyChallenge: async () => ({ challenge: 'hwk', state: 1, subject: 'ada', scopes: [] }) } })
  const { token, cookie } = await begin()

  const response = await post('/auth/login', { challenge_token: token, response: code }, cookie)
  t.equal(codeOf(response), '500 PTC_ERR_INTERNAL')
  t.equal(sessionOf(response), null)

  const session = await enter()
  const stepUp = begun(await post('/auth/step-up', { password }, session.cookie))
  t.equal(codeOf(await post('/auth/step-up', { challenge_token: stepUp.token, response: code }, `${session.cookie}; ${stepUp.cookie}`)), '500 PTC_ERR_INTERNAL')
  t.match(await store.read(session.sid), { acr: '1', amr: ['pwd'] })
})

t.test('a verifyChallenge that returns nothing, or throws, signs nobody in', async t => {
  for (const [result, expected] of [[undefined, '401 PTC_ERR_LOGIN_REFUSED'], [{}, '401 PTC_ERR_LOGIN_REFUSED'], [{ subject: '' }, '401 PTC_ERR_LOGIN_REFUSED'], [new Error('x'), '500 PTC_ERR_INTERNAL'], ['ada', '401 PTC_ERR_LOGIN_REFUSED']] as const) {
    const { post, begin } = await start(t, {
      identity: {
        async verifyChallenge () {
          if (result instanceof Error) throw result
          return result as never
        }
      }
    })
    const { token, cookie } = await begin()
    const response = await post('/auth/login', { challenge_token: token, response: code }, cookie)
    t.equal(codeOf(response), expected)
    t.equal(sessionOf(response), null)
  }
})

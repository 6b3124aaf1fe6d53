import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { build, totp } from '../../examples/second-factor.ts'

const key = Buffer.from('12345678901234567890')
const ada = { username: 'ada', password: 'open-the-gate' }

async function start (t: Test): Promise<FastifyInstance> {
  const app = await build()
  t.teardown(() => app.close())
  return app
}

interface Begun { token: string, cookies: Record<string, string> }

async function begin (app: FastifyInstance): Promise<Begun> {
  const response = await app.inject({ method: 'POST', url: '/auth/login', payload: ada })
  t.match(response.json(), { code: 'PTC_ERR_SECOND_FACTOR_REQUIRED', challenge: 'otp' })
  return { token: response.json<{ challenge_token: string }>().challenge_token, cookies: cookiesOf(response) }
}

function cookiesOf (response: LightMyRequestResponse): Record<string, string> {
  return Object.fromEntries(response.cookies.map(({ name, value }) => [name, value]))
}

async function answer (app: FastifyInstance, { token, cookies }: Begun, response: string): Promise<LightMyRequestResponse> {
  return await app.inject({ method: 'POST', url: '/auth/login', cookies, payload: { challenge_token: token, response } })
}

t.test('the codes are those of RFC 6238', async t => {
  const vectors = [[59, '287082'], [1_111_111_109, '081804'], [1_111_111_111, '050471'], [1_234_567_890, '005924'], [2_000_000_000, '279037'], [20_000_000_000, '353130']] as const
  for (const [seconds, code] of vectors) t.equal(totp(key, Math.floor(seconds / 30)), code, String(seconds))
})

t.test('a password and a code sign in, and satisfy the route that demands both', async t => {
  const app = await start(t)
  const begun = await begin(app)
  for (const wrong of ['000000', '']) t.match((await answer(app, begun, wrong)).statusCode, /^40[01]$/, wrong)

  const done = await answer(app, begun, totp(key, Math.floor(Date.now() / 30_000)))

  t.equal(done.statusCode, 200)
  t.match(done.json(), { session: { subject: 'ada', acr: '2', amr: ['pwd', 'otp', 'mfa'] } })
  const cookies = cookiesOf(done)
  t.match((await app.inject({ url: '/orders', cookies })).json(), { of: 'ada' })
  t.equal((await app.inject({ method: 'DELETE', url: '/orders/1', cookies })).statusCode, 204)
})

t.test('wrong codes of any form are refused, and use the budget of the account up', async t => {
  const app = await start(t)
  const begun = await begin(app)
  const statuses: number[] = []
  for (const wrong of ['12345', '1234567', 'abcdef', '٠٠٠٠٠٠', ...Array<string>(20).fill('000000')]) statuses.push((await answer(app, begun, wrong)).statusCode)

  t.same(statuses.filter(status => status !== 401 && status !== 429), [])
  t.equal(statuses.at(-1), 429)
  t.equal((await answer(app, begun, totp(key, Math.floor(Date.now() / 30_000)))).statusCode, 429)
})

t.test('a code is accepted once, also for another challenge', async t => {
  const app = await start(t)
  const [one, other] = [await begin(app), await begin(app)]
  const code = totp(key, Math.floor(Date.now() / 30_000))
  const answers = await Promise.all([answer(app, one, code), answer(app, other, code)])
  t.same(answers.map(({ statusCode }) => statusCode).sort(), [200, 401])
})

t.test('the page asks for the code', async t => {
  const app = await start(t)
  const response = await app.inject({ method: 'POST', url: '/auth/sign-in', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: new URLSearchParams(ada).toString() })
  t.match(response.body, /autocomplete="one-time-code"/)
})

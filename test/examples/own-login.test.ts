import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { build } from '../../examples/own-login.ts'
import { recordEvents } from '../helpers/build-app.ts'

async function start (t: Test): Promise<FastifyInstance> {
  const app = await build()
  t.teardown(() => app.close())
  return app
}

async function logIn (app: FastifyInstance, { password = 'open-the-gate', headers = {} }: { password?: string, headers?: Record<string, string> } = {}): Promise<LightMyRequestResponse> {
  return await app.inject({ method: 'POST', url: '/login', payload: { username: 'ada', password }, headers })
}

async function cookiesOf (app: FastifyInstance): Promise<{ portcullis: string }> {
  return { portcullis: (await logIn(app)).cookies.find(({ name }) => name === 'portcullis')?.value ?? '' }
}

t.test('an own sign-in opens the protected route, and its cookie is HttpOnly', async t => {
  const app = await start(t)
  const response = await logIn(app)

  t.match(response.cookies, [{ name: 'portcullis', httpOnly: true, sameSite: 'Lax' }])
  t.match((await app.inject({ url: '/orders', cookies: { portcullis: response.cookies[0]!.value } })).json(), { of: 'ada' })
  t.match((await app.inject('/orders')).json(), { code: 'PTC_ERR_CREDENTIALS_MISSING' })
})

t.test('a wrong password gets no cookie, is an event, and uses up a budget', async t => {
  const app = await start(t)
  const events = recordEvents(t)

  const statuses: number[] = []
  for (let attempt = 0; attempt < 30 && statuses.at(-1) !== 429; attempt++) {
    const response = await logIn(app, { password: 'wrong' })
    t.equal(response.headers['set-cookie'], undefined)
    statuses.push(response.statusCode)
  }

  t.equal(statuses[0], 401)
  t.equal(statuses.at(-1), 429)
  t.same(events[0], { event: 'login.refused', ip: '127.0.0.1' })
})

t.test('another site can neither sign a browser in nor sign its user out', async t => {
  const app = await start(t)
  const foreign = { 'sec-fetch-site': 'cross-site' }
  const cookies = await cookiesOf(app)

  const refused = [await logIn(app, { headers: foreign }), await app.inject({ method: 'POST', url: '/logout', cookies, headers: foreign }), await app.inject({ method: 'POST', url: '/logout-everywhere', cookies, headers: foreign })]

  for (const response of refused) {
    t.match(response.json(), { code: 'PTC_ERR_CSRF_REFUSED' })
    t.equal(response.headers['set-cookie'], undefined)
  }
  t.equal((await app.inject({ url: '/orders', cookies })).statusCode, 200)
})

t.test('a sign-out ends one session and clears its cookie, a sign-out everywhere ends all of them', async t => {
  const app = await start(t)
  const [one, two, three] = [await cookiesOf(app), await cookiesOf(app), await cookiesOf(app)]
  const statusOf = async (cookies: { portcullis: string }): Promise<number> => (await app.inject({ url: '/orders', cookies })).statusCode

  const signedOut = await app.inject({ method: 'POST', url: '/logout', cookies: one })
  t.equal(signedOut.statusCode, 204)
  t.match(signedOut.cookies, [{ name: 'portcullis', value: '', maxAge: 0 }])
  t.same([await statusOf(one), await statusOf(two)], [401, 200])

  t.equal((await app.inject({ method: 'POST', url: '/logout-everywhere', cookies: two })).statusCode, 204)
  t.same([await statusOf(two), await statusOf(three), await statusOf(await cookiesOf(app))], [401, 401, 200])
})

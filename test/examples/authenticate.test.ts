import t from 'tap'
import type { FastifyInstance } from 'fastify'
import { build } from '../../examples/authenticate.ts'

let offsetMs = 0
const realNow = Date.now
Date.now = () => realNow() + offsetMs
t.afterEach(() => { offsetMs = 0 })
t.teardown(() => { Date.now = realNow })

async function signIn (app: FastifyInstance, more: object = {}) {
  return await app.inject({ method: 'POST', url: '/auth/login', payload: { username: 'ada', password: 'open-the-gate', ...more } })
}

async function sessionCookie (app: FastifyInstance): Promise<{ portcullis: string }> {
  const response = await signIn(app)
  return { portcullis: response.cookies.find(({ name }) => name === 'portcullis')?.value ?? '' }
}

t.test('a route that demands an audience refuses whoever presents nothing', async t => {
  const app = await build()
  t.teardown(() => app.close())

  const response = await app.inject('/orders')

  t.equal(response.statusCode, 401)
  t.match(response.json(), { code: 'PTC_ERR_CREDENTIALS_MISSING' })
  t.match(response.headers['www-authenticate'], /^Bearer/)
})

t.test('a session cookie opens a route until its owner signs out', async t => {
  const app = await build()
  t.teardown(() => app.close())
  const cookies = await sessionCookie(app)
  t.match((await app.inject({ url: '/orders', cookies })).json(), { of: 'ada' })

  t.equal((await app.inject({ method: 'POST', url: '/auth/logout', cookies })).statusCode, 204)

  const refused = await app.inject({ url: '/orders', cookies })
  t.equal(refused.statusCode, 401)
  t.match(refused.json(), { code: 'PTC_ERR_SESSION_INVALID' })
})

t.test('an access token opens the routes of its audience alone', async t => {
  const app = await build()
  t.teardown(() => app.close())
  const bearer = async (audience: string) => ({ authorization: `Bearer ${(await signIn(app, { mode: 'tokens', audience: [audience] })).json<{ access_token: string }>().access_token}` })

  const [forOrders, forOrigin] = [await bearer('orders'), await bearer('origin')]

  t.equal((await app.inject({ url: '/orders', headers: forOrders })).statusCode, 200)
  t.match((await app.inject({ url: '/orders', headers: forOrigin })).json(), { code: 'PTC_ERR_TOKEN_INVALID' })
  t.match((await app.inject({ url: '/auth/session', headers: forOrders })).json(), { code: 'PTC_ERR_TOKEN_INVALID' })
})

t.test('a route with step-up refuses a sign-in that is older than it allows', async t => {
  const app = await build()
  t.teardown(() => app.close())
  const cookies = await sessionCookie(app)
  t.equal((await app.inject({ method: 'DELETE', url: '/orders/42', cookies })).statusCode, 204)

  offsetMs = 6 * 60_000

  const refused = await app.inject({ method: 'DELETE', url: '/orders/42', cookies })
  t.equal(refused.statusCode, 401)
  t.match(refused.json(), { code: 'PTC_ERR_STEP_UP_REQUIRED' })
  t.match(refused.headers['www-authenticate'], /insufficient_user_authentication.*max_age="?300/)
  t.equal((await app.inject({ url: '/orders', cookies })).statusCode, 200)
})

t.test('another site cannot cancel an order with the cookie of a signed-in browser', async t => {
  const app = await build()
  t.teardown(() => app.close())
  const cookies = await sessionCookie(app)

  const response = await app.inject({ method: 'DELETE', url: '/orders/42', cookies, headers: { 'sec-fetch-site': 'cross-site' } })

  t.equal(response.statusCode, 403)
  t.match(response.json(), { code: 'PTC_ERR_CSRF_REFUSED' })
})

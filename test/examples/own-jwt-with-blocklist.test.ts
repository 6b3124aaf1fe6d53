import t from 'tap'
import type { FastifyInstance } from 'fastify'
import { build } from '../../examples/own-jwt-with-blocklist.ts'

async function signIn (app: FastifyInstance): Promise<{ authorization: string }> {
  const response = await app.inject({ method: 'POST', url: '/login', payload: { username: 'ada', password: 'open-the-gate' } })
  return { authorization: `Bearer ${response.json<{ token: string }>().token}` }
}

t.test('a wrong password gets no token', async t => {
  const app = await build()
  t.teardown(() => app.close())

  const response = await app.inject({ method: 'POST', url: '/login', payload: { username: 'ada', password: 'wrong' } })

  t.equal(response.statusCode, 401)
  t.notMatch(response.body, 'token')
})

t.test('signing out revokes that token and no other', async t => {
  const app = await build()
  t.teardown(() => app.close())
  const [laptop, phone] = [await signIn(app), await signIn(app)]
  t.match((await app.inject({ url: '/orders', headers: laptop })).json(), { of: 'ada' })

  const signedOut = await app.inject({ method: 'POST', url: '/logout', headers: laptop })

  t.equal(signedOut.statusCode, 204)
  const refused = await app.inject({ url: '/orders', headers: laptop })
  t.equal(refused.statusCode, 401)
  t.match(refused.json(), { code: 'FST_JWT_AUTHORIZATION_TOKEN_UNTRUSTED' })
  t.equal((await app.inject({ url: '/orders', headers: phone })).statusCode, 200)
})

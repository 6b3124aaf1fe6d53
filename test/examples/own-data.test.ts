import type { FastifyInstance, InjectOptions } from 'fastify'
import t, { type Test } from 'tap'
import { build } from '../../examples/own-data.ts'
import { decode } from '../helpers/build-app.ts'

async function start (t: Test): Promise<FastifyInstance> {
  const app = await build()
  t.teardown(() => app.close())
  return app
}

async function logIn (app: FastifyInstance, mode: string): Promise<{ cookies: Record<string, string>, token: string }> {
  const response = await app.inject({ method: 'POST', url: '/login', query: { mode }, payload: { username: 'ada', password: 'open-the-gate' } })
  t.notMatch(response.body, /tenant|acme/)
  return { cookies: Object.fromEntries(response.cookies.map(({ name, value }) => [name, value])), token: response.json<{ access_token?: string }>().access_token ?? '' }
}

t.test('a session has its tenant from the sign-in on, and a cart that grows', async t => {
  const app = await start(t)
  const { cookies } = await logIn(app, 'session')
  const call = async (options: InjectOptions): Promise<object> => (await app.inject({ ...options, cookies })).json<object>()

  t.same(await call({ url: '/cart' }), { tenant: 'acme', cart: [] })
  t.same(await call({ method: 'POST', url: '/cart', payload: { item: 'book' } }), { cart: ['book'] })
  t.same(await call({ method: 'POST', url: '/cart', payload: { item: 'pen' } }), { cart: ['book', 'pen'] })
  t.same(await call({ url: '/cart' }), { tenant: 'acme', cart: ['book', 'pen'] })
})

t.test('tokens of clients and of services carry the tenant', async t => {
  const app = await start(t)
  const { token } = await logIn(app, 'tokens')
  const { cookies } = await logIn(app, 'session')

  t.equal(decode(token).claims['tenant'], 'acme')
  t.same((await app.inject({ url: '/tenant', headers: { authorization: `Bearer ${token}` } })).json(), { tenant: 'acme', cart: [] })
  t.equal(decode((await app.inject({ url: '/token', cookies })).json<{ token: string }>().token).claims['tenant'], 'acme')
})

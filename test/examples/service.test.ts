import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { build } from '../../examples/service.ts'
import wellKnownRoutes from '../../routes/well-known.ts'
import { buildApp, createFaultyStore, createStore, openFamily, openSession, origin, until } from '../helpers/build-app.ts'

/** A gateway that mints tokens, and the service behind it on the same store. */
async function start (t: Test) {
  const { store } = await createStore(t)
  const gateway = await buildApp(t, store, {}, async app => {
    await app.register(wellKnownRoutes, { prefix: '/.well-known' })
    const onRequest = app.portcullis.authenticate({ audience: 'orders' })
    for (const audience of ['orders', 'billing']) app.get(`/${audience}`, { onRequest }, async ({ identity }) => app.portcullis.mint(identity, audience))
  })
  const url = await gateway.listen({ host: '127.0.0.1', port: 0 })
  const faulty = createFaultyStore(store)
  const service = await build({ issuer: origin, jwks: `${url}/.well-known/jwks.json`, sharedStore: { type: 'custom', store: faulty.store } })
  t.teardown(() => service.close())
  const { cookie, sid } = await openSession(gateway)
  const minted = async (audience = 'orders'): Promise<string> => (await gateway.inject({ url: `/${audience}`, headers: { cookie } })).body
  return { gateway, service, faulty, sid, minted }
}

async function ask (service: FastifyInstance, token: string): Promise<number> {
  return (await service.inject({ url: '/orders', headers: { authorization: `Bearer ${token}` } })).statusCode
}

t.test('a service accepts tokens that the gateway minted for it, and no others', async t => {
  const { service, gateway, minted } = await start(t)
  const token = await minted()

  t.equal(await ask(service, token), 200)
  for (const other of [await minted('billing'), 'a.b.c', '', `${token.slice(0, -4)}AAAA`]) t.equal(await ask(service, other), 401)
  t.equal(await ask(service, (await openFamily(gateway)).token), 200, 'an access token of the client that is for this audience, as forward: pass sends it')
})

t.test('a service refuses a token of a session, or of a subject, that the gateway has revoked', async t => {
  const { gateway, service, sid, minted } = await start(t)
  const token = await minted()
  const { token: other } = await openFamily(gateway)

  await gateway.portcullis.blocklist.revoke({ sid })
  await until(async () => await ask(service, token) === 401)
  t.equal(await ask(service, other), 200)
  await gateway.portcullis.blocklist.revoke({ subject: 'ada' })
  await until(async () => await ask(service, other) === 401)
})

t.test('a service that cannot know whether a token is revoked answers 503', async t => {
  const { service, faulty, minted } = await start(t)
  const token = await minted()
  faulty.fail()

  await until(async () => await ask(service, token) === 503)
  faulty.recover()
  await until(async () => await ask(service, token) === 200)
})

import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import blocklist, { type BlocklistOptions } from '../../plugins/blocklist.ts'
import health from '../../plugins/health.ts'
import healthRoutes from '../../routes/health.ts'
import storePlugin from '../../plugins/store.ts'
import { createFaultyStore, createServer, createStore, until } from '../helpers/build-app.ts'

async function build (t: Test, options: BlocklistOptions = {}) {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = createServer(t)
  await app.register(storePlugin, { type: 'custom', store: faulty.store })
  await app.register(blocklist, options)
  await app.register(health)
  await app.register(healthRoutes, { prefix: '/admin' })
  return { app, faulty }
}

t.test('a server that can verify is alive and ready', async t => {
  const { app } = await build(t)

  t.same((await app.inject('/admin/healthz')).json(), { status: 'alive' })
  const ready = await app.inject('/admin/readyz')
  t.match({ status: ready.statusCode, body: ready.json<object>() }, { status: 200, body: { status: 'ready' } })
})

t.test('without the store it is alive and not ready, until it hears of the store again', async t => {
  const { app, faulty } = await build(t, { maxStaleness: '500ms' })
  faulty.fail()
  await until(() => !app.portcullis.health.isReady())

  t.equal((await app.inject('/admin/healthz')).statusCode, 200)
  const ready = await app.inject('/admin/readyz')
  t.match({ status: ready.statusCode, body: ready.json<object>() }, { status: 503, body: { status: 'not ready' } })

  faulty.recover()
  await until(async () => (await app.inject('/admin/readyz')).statusCode === 200)
})

t.test('a server on its way out is not ready any more, whatever the store says', async t => {
  const { app } = await build(t)
  app.portcullis.health.leave()

  t.equal((await app.inject('/admin/readyz')).statusCode, 503)
  t.equal((await app.inject('/admin/healthz')).statusCode, 200)
})

t.test('the plugin does not boot without the blocklist, nor with a plugin that is only called so', async t => {
  const app = createServer(t)
  await app.register(fp(async () => {}, { name: 'blocklist' }))

  await t.rejects(async () => { await app.register(health) }, { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' })
})

t.test('wrong options are refused by name', async t => {
  const { app } = await build(t)
  const server = createServer(t)
  await server.register(fp(async () => {}, { name: 'portcullis-blocklist' }))
  server.decorate('portcullis', app.portcullis)

  await t.rejects(async () => { await server.register(health, { path: '/healthz' } as unknown as Parameters<typeof health>[1]) }, { code: 'PTC_ERR_CONFIG_INVALID', message: 'portcullis-health: path is not an option' })
})

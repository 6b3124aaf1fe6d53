import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { checkConfig } from '../../config/load.ts'
import { composeGateway } from '../../gateway/gateway.ts'
import { createSqliteStore } from '../../stores/sqlite.ts'
import type { Store } from '../../stores/store.ts'
import { origin, password, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { eventually } from '../helpers/proxy.ts'
import { startUpstream } from '../helpers/upstream.ts'

/** What follows the log runs beside the requests, by its own clock. */
const besideRequests = ['nowMs', 'pull', 'onGrowth']

/** A store that tells which of its methods were called. */
function recording (store: Store, calls: string[]): Store {
  return new Proxy(store, {
    get (target, name: keyof Store) {
      const value = target[name]
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        if (!besideRequests.includes(name)) calls.push(name)
        return (value as (...given: unknown[]) => unknown)(...args)
      }
    }
  })
}

async function startRecordedGateway (t: Test): Promise<{ url: string, calls: string[] }> {
  const calls: string[] = []
  const store = await createSqliteStore({ path: ':memory:' })
  const upstream = await startUpstream(t)
  const app = await composeGateway(checkConfig({
    origin,
    store: { type: 'sqlite', path: ':memory:' },
    identity: async (credentials: { username: string, password: string }) => credentials.password === password ? { subject: credentials.username, scopes: ['orders:read'] } : null,
    log: { level: 'silent' },
    upstreams: [
      { prefix: '/orders', target: upstream.url, audience: 'orders', scopes: ['orders:read'] },
      { prefix: '/strict', target: upstream.url, audience: 'strict', revocation: { consistency: 'strict' } }
    ]
  }, { directory: '.', env: {} }), { store: recording(store, calls) })
  t.teardown(async () => {
    app.server.closeAllConnections()
    await app.close()
    await store.end()
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return { url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`, calls }
}

async function get (url: string, headers: Record<string, string>, times = 1): Promise<void> {
  for (let i = 0; i < times; i++) {
    const response = await fetch(url, { headers })
    if (await response.text() !== 'ok') throw new Error(`answered ${response.status}`)
  }
}

t.test('an access token is verified without asking the store', async t => {
  const { url, calls } = await startRecordedGateway(t)
  const { token } = await signInForTokens(url)
  const headers = { authorization: `Bearer ${token}` }
  calls.length = 0

  await get(`${url}/orders/1`, headers)
  // That the client has this generation is told to the store once, and nobody waits for it.
  t.strictSame(calls, ['noteReceived'])

  calls.length = 0
  await get(`${url}/orders/1`, headers, 50)
  t.strictSame(calls, [])
})

t.test('a session cookie is asked for once, and then known', async t => {
  const { url, calls } = await startRecordedGateway(t)
  const { cookie } = await signIn(url)
  calls.length = 0

  await get(`${url}/orders/1`, { cookie })
  t.strictSame(calls, ['read'])

  calls.length = 0
  await get(`${url}/orders/1`, { cookie }, 50)
  t.strictSame(calls, [])
})

t.test('twenty first requests with one cookie read its session together', async t => {
  const { url, calls } = await startRecordedGateway(t)
  const { cookie } = await signIn(url)
  calls.length = 0

  await Promise.all(Array.from({ length: 20 }, async () => await get(`${url}/orders/1`, { cookie })))

  t.ok(calls.length >= 1 && calls.length < 20, `read ${calls.length} times`)
  t.ok(calls.every(call => call === 'read'))
})

t.test('a revoked credential is refused without asking the store', async t => {
  const { url, calls } = await startRecordedGateway(t)
  const { token } = await signInForTokens(url)
  const headers = { authorization: `Bearer ${token}` }
  await get(`${url}/orders/1`, headers)
  await fetch(`${url}/auth/logout`, { method: 'POST', headers })
  await eventually(() => calls.includes('close'))
  calls.length = 0

  const response = await fetch(`${url}/orders/1`, { headers })

  t.equal(response.status, 401)
  t.strictSame(calls, [])
})

t.test('where strict is demanded the store is asked about every request', async t => {
  const { url, calls } = await startRecordedGateway(t)
  const { cookie } = await signIn(url)
  await get(`${url}/strict/1`, { cookie })
  calls.length = 0

  await get(`${url}/strict/1`, { cookie }, 5)

  t.strictSame(calls, Array.from({ length: 5 }, () => 'read'))
})

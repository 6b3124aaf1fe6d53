import type { FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { checkConfig } from '../../config/load.ts'
import type { ConfigInput } from '../../config/schema.ts'
import { composeGateway } from '../../gateway/gateway.ts'
import { createSqliteStore } from '../../stores/sqlite.ts'
import type { Store } from '../../stores/store.ts'
import { learnConfigured, learnCookie, learnToken, watch } from './secrets.ts'
import { generousLimits, password, post } from './sign-in.ts'
import { startUpstream, type Upstream } from './upstream.ts'

export { generousLimits, password, post }

export const origin = 'https://app.example.com'

export interface TestGateway {
  app: FastifyInstance
  url: string
  store: Store
  /** Two upstreams that record what they receive: /orders (audience orders, scope orders:read) and /billing (audience billing). */
  orders: Upstream
  billing: Upstream
  /** Moves the store's clock. */
  advance (ms: number): void
}

export interface StartOptions {
  /** Wraps the store that the gateway gets. */
  wrapStore?: (store: Store) => Store
  /** Whether the gateway is one of several processes, without its primary process. */
  isWorker?: boolean
}

/**
 * Starts a whole gateway on free loopback ports, with an embedded store whose clock the test moves. Every user's password is
 * `password`; the subject is the user name, the scopes are orders:read and orders:write. Ends with the test; then its log, metrics,
 * events and forwarded requests are searched for every secret (secrets.ts).
 */
export async function startGateway (t: Test, overrides: Partial<ConfigInput> = {}, { wrapStore = store => store, isWorker = false }: StartOptions = {}): Promise<TestGateway> {
  let offsetMs = 0
  const store = await createSqliteStore({ path: ':memory:', now: () => Date.now() + offsetMs })
  const [orders, billing] = [await startUpstream(t), await startUpstream(t)]
  const config = checkConfig({
    origin,
    listen: { host: '127.0.0.1', port: 0 },
    store: { type: 'sqlite', path: ':memory:' },
    identity: async (credentials: { username: string, password: string }) => credentials.password === password ? { subject: credentials.username, scopes: ['orders:read', 'orders:write'] } : null,
    log: { level: 'trace', access: true },
    rateLimit: generousLimits,
    upstreams: [
      { prefix: '/orders', target: orders.url, audience: 'orders', scopes: ['orders:read'] },
      { prefix: '/billing', target: billing.url, audience: 'billing' }
    ],
    ...overrides
  } satisfies ConfigInput, { directory: '.', env: {} })
  learnConfigured(config)
  const watched = watch(t)
  const app = await composeGateway(config, { store: wrapStore(store), isWorker, logTo: watched.log })
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(async () => {
    const metrics = app.hasPlugin('portcullis-metrics') ? await app.portcullis.metrics.text() : ''
    app.server.closeAllConnections()
    await app.close()
    await store.end()
    watched.search({ metrics, destinations: config.upstreams })
  })
  const { port } = app.server.address() as AddressInfo
  return { app, url: `http://127.0.0.1:${port}`, store, orders, billing, advance: ms => { offsetMs += ms } }
}

/** Returns name and value of every cookie that a response sets; deleted ones have an empty value. */
export function setCookies (response: Response): Record<string, string> {
  return Object.fromEntries(response.headers.getSetCookie().map(line => {
    const [pair = ''] = line.split(';')
    learnCookie(pair)
    return [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
  }))
}

/** Signs in with a session cookie; resolves to the Cookie header to send. */
export async function signIn (url: string, username = 'ada'): Promise<{ cookie: string, sid: string }> {
  const response = await post(`${url}/auth/login`, { username, password })
  const { session } = await response.json() as { session: { sid: string } }
  return { cookie: `__Host-Http-portcullis=${setCookies(response)['__Host-Http-portcullis'] ?? ''}`, sid: session.sid }
}

export interface SignedInWithTokens { cookie: string, token: string, sid: string }

/** Signs in in tokens mode. */
export async function signInForTokens (url: string, username = 'ada', audience?: string[]): Promise<SignedInWithTokens> {
  const response = await post(`${url}/auth/login`, { username, password, mode: 'tokens', ...audience === undefined ? {} : { audience } })
  const { access_token: token, session } = await response.json() as { access_token: string, session: { sid: string } }
  learnToken('an access token', token)
  return { cookie: `__Secure-portcullis-refresh=${setCookies(response)['__Secure-portcullis-refresh'] ?? ''}`, token, sid: session.sid }
}

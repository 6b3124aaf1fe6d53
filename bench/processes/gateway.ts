import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { AddressInfo } from 'node:net'
import { buildGateway } from '../../gateway/gateway.ts'
import type { SigningAlgorithm } from '../../lib/jwt/signing-key.ts'
import { argsOfParent, cpuTime, serveParent } from './child.ts'

export interface GatewayArgs {
  store: { type: 'sqlite', path: string } | { type: 'redis', url: string }
  /** The secret that gateways of one Redis share; by default the embedded store has a secret beside its file. */
  secret?: string
  upstream: string
  /** The algorithm of the access tokens. Default: ES256. */
  algorithm?: SigningAlgorithm
  /** The number of remembered tokens. Default: as in the configuration. */
  cacheSize?: number
}

export interface SignIns { first: number, count: number, mode: 'session' | 'tokens' }

export interface SignedIn {
  sid: string
  /** The name and the value of the session cookie, or of the refresh cookie. */
  cookie: string
  /** The access token; empty in session mode. */
  token: string
}

export interface LoopDelay { p50Ms: number, p99Ms: number, maxMs: number }

const { store, secret, upstream, algorithm, cacheSize } = argsOfParent<GatewayArgs>()

/** The complete gateway in front of one upstream that is reached in several ways. */
const app = await buildGateway({
  origin: 'https://app.example.com',
  listen: { host: '127.0.0.1', port: 0 },
  admin: { host: '127.0.0.1', port: 0, token: 'a-token-of-the-bench' },
  // A stall of the machine shows in the latencies instead of ending the run.
  store: { ...store, timeout: '5s' },
  ...secret === undefined ? {} : { secret },
  ...algorithm === undefined ? {} : { keys: { algorithm } },
  accessToken: { ttl: '15m', ...cacheSize === undefined ? {} : { cacheSize } },
  identity: async ({ username, password }: { username: string, password: string }) => password === 'right' ? { subject: username, scopes: ['orders:read', 'orders:write'] } : null,
  log: { level: 'error' },
  rateLimit: { signIn: { max: 1_000_000 }, refresh: { max: 1_000_000 } },
  upstreams: [
    { prefix: '/orders', target: upstream, audience: 'orders', scopes: ['orders:read'] },
    { prefix: '/named', target: upstream, audience: 'orders', scopes: ['orders:read'], forward: 'headers' },
    { prefix: '/strict', target: upstream, audience: 'orders', scopes: ['orders:read'], revocation: { consistency: 'strict' } },
    { prefix: '/public', target: upstream, access: 'public' },
    { prefix: '/carried', target: upstream, access: 'public', authorization: 'keep', forward: 'none' }
  ]
})
await app.listen({ host: '127.0.0.1', port: 0 })

const { accessToken, blocklist, health, session } = app.portcullis
const signInsAtOnce = 64

/** Signs in through the gateway's own endpoint, as browsers and apps do. */
async function signIn ({ first, count, mode }: SignIns): Promise<SignedIn[]> {
  const signedIn: SignedIn[] = []
  for (let from = 0; from < count; from += signInsAtOnce) {
    const batch = Array.from({ length: Math.min(signInsAtOnce, count - from) }, (_, index) => `user-${first + from + index}`)
    signedIn.push(...await Promise.all(batch.map(username => signInOne(username, mode))))
  }
  return signedIn
}

async function signInOne (username: string, mode: SignIns['mode']): Promise<SignedIn> {
  const response = await app.inject({ method: 'POST', url: '/auth/login', payload: { username, password: 'right', mode } })
  if (response.statusCode !== 200) throw new Error(`sign-in answered ${response.statusCode}: ${response.body}`)
  const { session, access_token: token = '' } = response.json<{ session: { sid: string }, access_token?: string }>()
  const [{ name, value } = { name: '', value: '' }] = response.cookies
  return { sid: session.sid, cookie: `${name}=${value}`, token }
}

/** Issues further, distinct access tokens of existing sessions, without a refresh token. */
async function issue ({ sids, count }: { sids: string[], count: number }): Promise<string[]> {
  const records = (await Promise.all(sids.map(sid => session.read(sid)))).filter(record => record !== null)
  return Array.from({ length: count }, (_, index) => accessToken.issue(records[index % records.length]!, { audience: ['orders'], generation: null }))
}

let delays: ReturnType<typeof monitorEventLoopDelay> | null = null
const delayResolutionMs = 1

/** Starts to measure the event loop. */
function watchDelay (): void {
  delays?.disable()
  delays = monitorEventLoopDelay({ resolution: delayResolutionMs })
  delays.enable()
}

/** Returns the delay beyond the timer's own interval. */
function readDelay (): LoopDelay {
  const above = (nanoseconds = 0): number => Math.max(0, nanoseconds / 1e6 - delayResolutionMs)
  return { p50Ms: above(delays?.percentile(50)), p99Ms: above(delays?.percentile(99)), maxMs: above(delays?.max) }
}

serveParent({ url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}` }, {
  cpu: cpuTime,
  signIn,
  issue,
  checked: () => accessToken.checked,
  watchDelay,
  readDelay,
  isReady: () => health.isReady(),
  revocations: () => blocklist.size,
  isRevoked: (sid: string) => blocklist.isRevoked({ sid }),
  revoke: async (sid: string) => { await blocklist.revoke({ sid }) },
  rss: () => process.memoryUsage.rss()
}, async () => {
  app.server.closeAllConnections()
  await app.close()
})

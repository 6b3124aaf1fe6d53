import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { ConfigInput } from '../../config/schema.ts'
import { buildGateway } from '../../gateway/gateway.ts'
import { generousLimits, origin, password } from './build-gateway.ts'
import { startUpstream } from './upstream.ts'

export interface RedisGateway { app: FastifyInstance, url: string }

/** Starts gateways that share one Redis, one secret and one upstream, /orders (audience orders). They end with the test. */
export async function startRedisGateways (t: Test, redis: { url: string }, count: number, overrides: Partial<ConfigInput> = {}): Promise<RedisGateway[]> {
  const upstream = await startUpstream(t)
  const secret = randomBytes(32).toString('base64url')
  const gateways: RedisGateway[] = []
  for (let index = 0; index < count; index++) {
    const app = await buildGateway({
      origin,
      store: { type: 'redis', url: redis.url, timeout: '20s' },
      secret,
      log: { level: 'silent' },
      rateLimit: generousLimits,
      identity: async ({ username, password: given }: { username: string, password: string }) => given === password ? { subject: username, scopes: [] } : null,
      upstreams: [{ prefix: '/orders', target: upstream.url, audience: 'orders' }],
      ...overrides
    })
    await app.listen({ host: '127.0.0.1', port: 0 })
    t.teardown(async () => {
      app.server.closeAllConnections()
      await app.close()
    })
    gateways.push({ app, url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}` })
  }
  return gateways
}

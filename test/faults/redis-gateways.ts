import type { Test } from 'tap'
import type { ConfigInput } from '../../config/schema.ts'
import { startFaultProxy, type FaultProxy } from '../helpers/fault-proxy.ts'
import { startRedisGateways, type RedisGateway } from '../helpers/redis-gateways.ts'
import { startRedis, type RedisServer } from '../helpers/redis-server.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { secret, startEcho, type Echo } from './gateways.ts'

export interface FaultyRedis {
  redis: RedisServer
  proxy: FaultProxy
  /** Reaches Redis through the proxy. */
  gateway: RedisGateway
  /** Reaches it directly. */
  healthy: RedisGateway
  urls: () => string[]
  echo: Echo
}

/** Two gateways in this process on one Redis, one of them behind a proxy that misbehaves; upstreams /up, /strict and, for everybody, /open. */
export async function startFaultyRedis (t: Test, { timeout = '20s', args = [], more = {} }: { timeout?: string, args?: string[], more?: Partial<ConfigInput> } = {}): Promise<FaultyRedis> {
  const redis = await startRedis(t, args)
  const proxy = await startFaultProxy(t, redis.port)
  const echo = await startEcho(t)
  const open = await startUpstream(t)
  const start = async (port: number): Promise<RedisGateway> => {
    const url = `redis://127.0.0.1:${port}`
    const [gateway] = await startRedisGateways(t, { url }, 1, {
      store: { type: 'redis', url, timeout },
      secret,
      session: { maxPerSubject: 1000 },
      upstreams: [
        { prefix: '/up', target: echo.url, audience: 'up' },
        { prefix: '/strict', target: echo.url, audience: 'up', revocation: { consistency: 'strict' } },
        { prefix: '/open', target: open.url, access: 'public' }
      ],
      ...more
    })
    return gateway!
  }
  const [gateway, healthy] = [await start(proxy.port), await start(redis.port)]
  return { redis, proxy, gateway, healthy, urls: () => [gateway.url, healthy.url], echo }
}

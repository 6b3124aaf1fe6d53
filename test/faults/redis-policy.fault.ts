import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { bearer } from '../helpers/bearer.ts'
import { signInForTokens } from '../helpers/build-gateway.ts'
import { connectAdmin } from '../helpers/redis-server.ts'
import { startFaultyRedis } from './redis-gateways.ts'

/*
 * Somebody makes Redis evict what was not used lately, while gateways run: from then on it may forget revocations at any moment. At the
 * next look, at most half a minute later, gateways are not ready any more, and strict upstreams know as little as they.
 */

t.test('a Redis that begins to evict is noticed within half a minute, and trusted again when it has stopped', async t => {
  const { redis, gateway: { app, url } } = await startFaultyRedis(t)
  const admin = await connectAdmin(t, redis)
  const { token } = await signInForTokens(url)
  const within = async (seconds: number, isReady: boolean): Promise<boolean> => {
    for (let waited = 0; waited < 4 * seconds && app.portcullis.health.isReady() !== isReady; waited++) await sleep(250)
    return app.portcullis.health.isReady() === isReady
  }

  await admin.config('SET', 'maxmemory-policy', 'allkeys-lru')
  t.ok(await within(30, false))
  await admin.config('SET', 'maxmemory-policy', 'noeviction')
  t.ok(await within(30, true))
  t.equal((await fetch(`${url}/up`, { headers: bearer(token) })).status, 200)
})

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { connectAdmin } from '../helpers/redis-server.ts'
import { checkHistory } from './check-history.ts'
import { History } from './history.ts'
import { startLoad } from './load.ts'
import { startFaultyRedis } from './redis-gateways.ts'

/*
 * Redis forgets its scripts whenever it likes: at a restart, at a failover, or because somebody says SCRIPT FLUSH. It did not execute
 * anything then, so the script is sent whole, and no client notices.
 */

t.test('while Redis forgets its scripts again and again no client notices', async t => {
  const { redis, urls, echo } = await startFaultyRedis(t)
  const admin = await connectAdmin(t, redis)
  const history = new History()
  const load = startLoad({ history, gateways: urls, refreshEveryMs: 50 })

  for (let flushes = 0; flushes < 40; flushes++) {
    await sleep(100)
    await admin.script('FLUSH')
  }
  await load.stop()

  t.same(await load.sweep(), [])
  t.same(checkHistory(history.operations, { stalenessMs: 2000 }), [])
  t.same(history.operations.filter(({ outcome }) => outcome === 'unknown'), [])
  t.ok(history.operations.length > 200)
  t.equal(echo.unidentified, 0)
  t.ok(Number(/cmdstat_eval:calls=(\d+)/.exec(await admin.info('commandstats'))?.[1]) > 40, 'scripts were sent whole')
})

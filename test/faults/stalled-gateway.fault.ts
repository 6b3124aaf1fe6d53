import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startRedis } from '../helpers/redis-server.ts'
import { checkHistory } from './check-history.ts'
import { auditOf, startFleet } from './gateways.ts'
import { History } from './history.ts'
import { startLoad } from './load.ts'

/*
 * A gateway stands still for two seconds: the machine swaps, a hypervisor moves it, something blocks its event loop. When it goes on all
 * its timers fire at once, and every deadline seems to be over. That is no outage of Redis, and nobody's session has run out by it.
 */

t.test('a gateway that stood still takes it neither for an outage nor for idleness', async t => {
  const redis = await startRedis(t)
  const fleet = await startFleet(t, { type: 'redis', url: redis.url, timeout: '1s' }, { more: { session: { idleTimeout: '1m', maxPerSubject: 1000 } } })
  const history = new History()
  const load = startLoad({ history, gateways: fleet.urls })
  for (let round = 0; round < 6; round++) {
    await sleep(500)
    const stalled = fleet.processes[round % 2]!
    stalled.signal('SIGSTOP')
    await sleep(2500)
    stalled.signal('SIGCONT')
  }
  await sleep(500)
  await load.stop()

  t.same(await load.sweep(), [])
  t.same(checkHistory(history.operations, { stalenessMs: 2000 }), [])
  t.same(history.operations.filter(({ outcome }) => outcome === 'unknown'), [])
  for (const process of fleet.processes) t.same(auditOf(process).filter(({ event }) => event.startsWith('store.') || event === 'session.expired' || event === 'refresh.reused'), [])
  t.equal(fleet.echo.unidentified, 0)
})

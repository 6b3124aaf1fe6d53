import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startCluster, until } from '../helpers/redis-topology.ts'
import { checkHistory } from './check-history.ts'
import { auditOf, startFleet } from './gateways.ts'
import { History } from './history.ts'
import { startLoad } from './load.ts'

/*
 * A node of a Cluster dies while gateways serve, refresh, sign in and out, and its replica takes its place. Only what lay on it waits
 * meanwhile; afterwards everybody is as they were told. (test/stores/redis-cluster.test.ts moves slots, and asks the store itself.)
 */

t.test('when a node of a Cluster dies under load nobody is signed out by it, and who signed out stays out', async t => {
  const cluster = await startCluster(t)
  const fleet = await startFleet(t, { type: 'redis', cluster: cluster.target.cluster, timeout: '1s' }, { clients: 24 })
  const history = new History()
  const load = startLoad({ history, gateways: fleet.urls, clients: 24, refreshEveryMs: 1000 })
  await sleep(3000)

  const [victim] = await cluster.primaries()
  await victim!.command('WAIT', '1', '1000')
  const killedAtMs = performance.now()
  await victim!.kill()
  await until(async () => (await cluster.primaries()).length === 3, 60_000)
  await sleep(4000)
  await load.stop()

  t.same(await load.sweep(), [])
  const young = new Set(history.operations.filter(({ kind, outcome, returnedAtMs }) => kind === 'sign-in' && outcome === 'ok' && Math.abs(returnedAtMs - killedAtMs) < 200).map(({ sid }) => sid))
  t.same(checkHistory(history.operations, { stalenessMs: 2000, mayBeForgotten: young }), [])
  t.equal(fleet.echo.unidentified, 0)
  t.same(fleet.processes.flatMap(auditOf).filter(({ event }) => event === 'refresh.reused'), [])
  const unknown = history.operations.filter(({ outcome }) => outcome === 'unknown')
  t.ok(unknown.length > 0)
  t.comment(`${unknown.length} of ${history.operations.length} operations were to be repeated`)
})

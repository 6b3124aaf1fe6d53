import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startFaultProxy } from '../helpers/fault-proxy.ts'
import { startRedis } from '../helpers/redis-server.ts'
import { startSentinels, until } from '../helpers/redis-topology.ts'
import { post } from '../helpers/build-gateway.ts'
import { checkHistory } from './check-history.ts'
import { auditOf, startFleet } from './gateways.ts'
import { History } from './history.ts'
import { sessionName, startLoad } from './load.ts'

/*
 * The primary dies while its replica hears nothing of it any more, and the sentinels make that replica the primary: what was
 * acknowledged since is lost to Redis. Sign-ins of that time are gone, refresh tokens go on from where their clients are, and whoever
 * signed out stays out, because the gateways that acknowledged it know, and tell the new primary.
 */

async function failOver (t: Test, silentMs: number, args: string[] = []): Promise<void> {
  const sentinels = await startSentinels(t, args)
  const [primary, replica] = [await sentinels.primary(), await sentinels.replica()]
  const link = await startFaultProxy(t, primary.port)
  // The sentinels would otherwise put the replica back on its direct way while the test runs.
  for (const sentinel of sentinels.sentinels) await sentinel.command('SENTINEL', 'SET', 'portcullis', 'failover-timeout', '60000')
  await replica.command('REPLICAOF', '127.0.0.1', String(link.port))
  await until(async () => /master_link_status:up/.test(String(await replica.command('INFO', 'replication'))))
  await until(async () => /state=online/.test(String(await primary.command('INFO', 'replication'))))
  const fleet = await startFleet(t, { type: 'redis', sentinels: sentinels.target.sentinels, name: sentinels.target.name, timeout: '1s' }, { clients: 16 })
  const history = new History()
  const load = startLoad({ history, gateways: fleet.urls, clients: 16, pauseMs: 50, refreshEveryMs: silentMs / 2 })
  await sleep(2000)

  link.inject({ silent: true })
  const silentAtMs = performance.now()
  await sleep(silentMs)
  await primary.kill()
  const killedAtMs = performance.now()
  await until(async () => await sentinels.primary() === replica, 60_000)
  // Without a replica of its own the new primary may take no writes.
  await startRedis(t, ['--replicaof', '127.0.0.1', String(replica.port)])
  await until(async () => (await post(`${fleet.urls()[0]!}/auth/login`, { username: 'client-0', password: 'correct horse' })).status === 200, 60_000)
  await sleep(3000)
  await load.stop()
  const failures = await load.sweep()

  // What was answered just before may still have been on its way to the replica, and an answer of before the end on its way to its client.
  const during = history.operations.filter(({ calledAtMs, returnedAtMs, outcome }) => returnedAtMs > silentAtMs - 500 && calledAtMs < killedAtMs && outcome === 'ok')
  const sidsOf = (kind: string) => [...new Set(during.filter(operation => operation.kind === kind).map(({ sid }) => sid))]
  t.same(failures, [])
  t.same(checkHistory(history.operations, { stalenessMs: 2000, mayBeForgotten: new Set(sidsOf('sign-in')) }), [])
  t.equal(fleet.echo.unidentified, 0)
  const accused = fleet.processes.flatMap(auditOf).filter(({ event }) => event === 'refresh.reused')
  t.same(accused, [], 'nobody is accused')
  const recovered = fleet.processes.flatMap(auditOf).filter(({ event }) => event === 'refresh.recovered')
  t.comment(`${args.join(' ') || 'without min-replicas-to-write'}: in ${silentMs} ms of silence ${during.length} acknowledged operations, among them ${sidsOf('sign-in').length} sign-ins, ${sidsOf('sign-out').length} sign-outs, ${sidsOf('refresh').length} refreshes; ${recovered.length} refreshes recovered`)
  await assertEndsAreKept(t, load.clients.flatMap(({ ended }) => ended).filter(({ sid }) => sidsOf('sign-out').includes(sid)), fleet.start)
}

/** A gateway that has seen nothing of it refuses them too: what the others know is in the store again. */
async function assertEndsAreKept (t: Test, ended: Array<{ sid: string, cookie: string, token: string | null }>, start: () => Promise<{ url: string }>): Promise<void> {
  const { url } = await start()
  const lost: string[] = []
  for (const { sid, cookie, token } of ended) {
    const { status } = await fetch(`${url}/up`, { headers: cookie.startsWith(sessionName) ? { cookie } : { authorization: `Bearer ${token}` } })
    if (status === 200) lost.push(sid)
  }
  t.comment(`${lost.length} of ${ended.length} of these sign-outs are lost to a gateway that starts afterwards`)
  t.same(lost, [])
}

t.test('a failover that loses acknowledged writes brings nobody back and accuses nobody', async t => {
  await failOver(t, 4000)
})

t.test('with min-replicas-to-write the window is as short as the lag that it allows', async t => {
  await failOver(t, 4000, ['--min-replicas-to-write', '1', '--min-replicas-max-lag', '1'])
})

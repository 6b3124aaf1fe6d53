import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startRedis } from '../helpers/redis-server.ts'
import { checkHistory } from './check-history.ts'
import { auditOf, startFleet } from './gateways.ts'
import { History } from './history.ts'
import { startLoad } from './load.ts'

/*
 * Redis is killed under load, and comes back with what is on its disk. What is not answered meanwhile is unknown to the clients, who
 * ask again. What was acknowledged is on the disk: all of it with appendfsync always, and with everysec all but the last moments.
 */

const rounds = 3
/** `everysec` promises one second, and may hold a write back for one more while the disk is slow. */
const lossMs = 2000

for (const appendfsync of ['always', 'everysec'] as const) {
  t.test(`with appendfsync ${appendfsync} a Redis that is killed under load signs nobody out and brings nobody back`, async t => {
    const redis = await startRedis(t, ['--appendonly', 'yes', '--appendfsync', appendfsync])
    const fleet = await startFleet(t, { type: 'redis', url: redis.url })
    const history = new History()
    const load = startLoad({ history, gateways: fleet.urls })
    const killedAtMs: number[] = []

    for (let round = 0; round < rounds; round++) {
      await sleep(2000)
      killedAtMs.push(performance.now())
      await redis.stop()
      await sleep(1500)
      await redis.start()
    }
    await sleep(2000)
    await load.stop()

    t.same(await load.sweep(), [])
    const isYoung = (atMs: number): boolean => appendfsync === 'everysec' && killedAtMs.some(killedMs => atMs > killedMs - lossMs && atMs < killedMs + 100)
    const sidsOf = (kind: string) => new Set(history.operations.filter(operation => operation.kind === kind && isYoung(operation.returnedAtMs)).map(({ sid }) => sid))
    t.same(checkHistory(history.operations, { stalenessMs: 2000, mayBeForgotten: sidsOf('sign-in') }), [])
    t.equal(fleet.echo.unidentified, 0)
    for (const process of fleet.processes) {
      const events = auditOf(process).map(({ event }) => event)
      t.notOk(events.includes('refresh.reused'), 'nobody is accused')
      const changes = events.filter(event => event.startsWith('store.'))
      t.ok(changes.length >= 2 * rounds)
      t.same(changes, changes.map((_, index) => index % 2 === 0 ? 'store.unavailable' : 'store.recovered'), 'one line a change, not one a request')
      t.equal((await process.end()).code, 0)
    }
    const outcomes = Object.groupBy(history.operations, ({ outcome }) => outcome)
    t.comment(`${outcomes.ok?.length} operations succeeded, ${outcomes.unknown?.length} were to be repeated, ${outcomes.refused?.length} of the signed out were refused`)
    t.ok((outcomes.unknown?.length ?? 0) > 0)
  })
}

t.test('a Redis that has forgotten everything signs everybody out with 401, accuses nobody, and is used again', async t => {
  const redis = await startRedis(t)
  const fleet = await startFleet(t, { type: 'redis', url: redis.url })
  const history = new History()
  const load = startLoad({ history, gateways: fleet.urls })
  await sleep(2000)

  await redis.stop()
  await redis.start()
  const backAtMs = performance.now()
  await sleep(3000)
  // One that has seen nothing of what was before.
  await fleet.start()
  await sleep(1000)
  await load.stop()

  t.same(await load.sweep(), [])
  const before = new Set(history.operations.filter(({ kind, calledAtMs }) => kind === 'sign-in' && calledAtMs < backAtMs).map(({ sid }) => sid))
  t.same(checkHistory(history.operations, { stalenessMs: 2000, mayBeForgotten: before }), [])
  t.ok(history.operations.some(({ kind, outcome, sid }) => kind === 'refresh' && outcome === 'refused' && before.has(sid)), 'refreshing of before is refused')
  for (const process of fleet.processes) {
    t.notOk(auditOf(process).some(({ event }) => event === 'refresh.reused'))
    t.equal((await process.end()).code, 0)
  }
})

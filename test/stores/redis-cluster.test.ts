import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { createRedisStore } from '../../stores/redis.ts'
import type { OpenSession, Store } from '../../stores/store.ts'
import { patienceMs, settlesWithin } from '../helpers/patience.ts'
import { freezeClock } from '../helpers/redis-server.ts'
import { connectTo, startCluster, until } from '../helpers/redis-topology.ts'
import { rotating, session, tokens } from '../../stores/contract/fixtures.ts'
import { storeContract } from '../../stores/contract/contract.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

/*
 * Everything that a script touches lies in one slot, so no operation can be torn by where the slots are: not while one is on its way
 * from one node to another, and not when a node is lost.
 */

const cluster = await startCluster(t)
let fixtures = 0

function signIn (subject: string): OpenSession {
  return session({ ...tokens, subject })
}

async function createStore (t: Test, keyPrefix: string): Promise<Store> {
  const store = await createRedisStore({ redis: connectTo(t, cluster.target), keyPrefix, timeoutMs: 2000 })
  t.teardown(() => store.end())
  return store
}

/** Until every shard answers again. */
async function recovery (store: Store): Promise<void> {
  await until(async () => !(await store.pull((await takeSnapshot(store)).position)).gap)
}

await storeContract(async (t: Test) => {
  const keyPrefix = `contract-${++fixtures}:`
  const startMs = Date.now()
  let clockOffsetMs = 0
  async function create (): Promise<Store> {
    const redis = connectTo(t, cluster.target)
    freezeClock(redis, startMs)
    const store = await createRedisStore({ redis, keyPrefix, timeoutMs: 5000, clockOffsetMs: () => clockOffsetMs })
    t.teardown(() => store.end())
    return { ...store, nowMs: () => startMs + clockOffsetMs }
  }
  return { store: await create(), advance: ms => { clockOffsetMs += ms }, second: create }
}, { test: t.test.bind(t), name: 'redis cluster' })

t.test('a server that evicts data is refused, whichever of the primaries it is', async t => {
  const [, , third] = await cluster.primaries()
  await third!.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
  t.teardown(async () => { await third!.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction') })

  await t.rejects(createRedisStore({ redis: connectTo(t, cluster.target) }), { code: 'PTC_ERR_CONFIG_INVALID', message: /allkeys-lru/ })
})

t.test('while a slot moves to another node its sessions are read, rotated and revoked as ever', async t => {
  const store = await createStore(t, 'moving')
  const subjects = Array.from({ length: 64 }, (_, number) => `subject-${number}`)
  const records = await Promise.all(subjects.map(async subject => (await store.open(signIn(subject))).record))
  const follower = await createStore(t, 'moving')
  const { position } = await takeSnapshot(follower)
  const slot = await cluster.slotOf('moving:{0}:state')
  const from = await cluster.primaryOf('moving:{0}:state')
  const to = (await cluster.primaries()).find(node => node !== from)!
  const ended: string[] = []
  const work = async (generation: number): Promise<void> => {
    const outcomes = await Promise.all(records.filter(({ sid }) => !ended.includes(sid)).map(async ({ sid }) => (await store.rotate(sid, generation, rotating)).outcome))
    t.same(new Set(outcomes), new Set(['rotated']))
    const sids = records.filter(({ sid }) => !ended.includes(sid)).slice(0, 8).map(({ sid }) => sid)
    for (const closed of await Promise.all(sids.map(async sid => await store.close(sid, { maxTokenAgeMs: 900_000 })))) t.ok(closed)
    ended.push(...sids)
  }

  await work(1)
  await cluster.moveSlot(slot, to, async () => { await untilMoved(() => work(2)) })
  await work(3)

  t.equal(await cluster.primaryOf('moving:{0}:state'), to)
  const { entries, gap } = await follower.pull(position)
  t.equal(gap, false)
  t.same(new Set(entries.map(entry => 'sid' in entry ? entry.sid : '')), new Set(ended))
  for (const { sid } of records) t.equal(await follower.read(sid) === null, ended.includes(sid))

  /** Keys on two nodes: a script waits until they are on one. Here they are, after the next few have moved. */
  async function untilMoved (action: () => Promise<void>): Promise<void> {
    const keys = await from.command('CLUSTER', 'GETKEYSINSLOT', String(slot), '10000') as string[]
    await Promise.all([action(), (async () => {
      for (const key of keys) await from.command('MIGRATE', '127.0.0.1', String(to.port), key, '0', '1000')
    })()])
  }
})

t.test('a node that is lost takes only its own sessions away, and its replica brings them back', async t => {
  const store = await createStore(t, 'lost')
  const subjects = Array.from({ length: 64 }, (_, number) => `subject-${number}`)
  const records = await Promise.all(subjects.map(async subject => (await store.open(signIn(subject))).record))
  const closed = records.slice(0, 8)
  for (const { sid } of closed) await store.close(sid, { maxTokenAgeMs: 900_000 })
  const { position } = await takeSnapshot(store)
  const [victim] = await cluster.primaries()
  await victim!.command('WAIT', '1', '5000')

  await victim!.kill()
  const during = await Promise.all(records.slice(8).map(async ({ sid }) => await store.read(sid).then(record => record === null ? 'gone' : 'there', ({ code }: { code: string }) => code)))
  t.notOk(during.includes('gone'), 'unknown is not no')
  t.ok(during.includes('there'), 'the other nodes answer on')
  t.ok(during.includes('PTC_ERR_STORE_UNAVAILABLE'))

  await recovery(store)
  for (const { sid } of closed) t.equal(await store.read(sid), null)
  for (const { sid } of records.slice(8)) t.match(await store.rotate(sid, 1, rotating), { outcome: 'rotated' })
  t.equal((await store.pull(position)).gap, false)
})

t.test('a process ends when its clients have ended, also in the middle of a look-up of the slots', async t => {
  const script = `
    import { createRedisClient, duplicateForBlocking } from './stores/redis/client.ts'
    const client = createRedisClient(${JSON.stringify(cluster.target)})
    for (const redis of [client, duplicateForBlocking(client, 5000)]) {
      redis.on('error', () => {})
      const refresh = redis.refreshSlotsCache
      redis.refreshSlotsCache = function refreshAndEnd (...given) {
        refresh.apply(redis, given)
        if (redis.status === 'ready') redis.disconnect()
      }
    }`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { cwd: new URL('../../', import.meta.url), stdio: ['ignore', 'ignore', 'inherit'] })
  t.teardown(() => { child.kill('SIGKILL') })
  const ended = once(child, 'exit')

  t.ok(await settlesWithin(patienceMs, ended))
  t.equal(child.exitCode, 0)
})

import t from 'tap'
import { createSid } from '../../lib/session/sid.ts'
import { createRedisStore } from '../../stores/redis.ts'
import type { Revocation } from '../../lib/revocation/entries.ts'
import type { Store } from '../../stores/store.ts'
import { connectAdmin, connectRedis, startRedis } from '../helpers/redis-server.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

const server = await startRedis(t)
const admin = await connectAdmin(t, server)
const store: Store = await createRedisStore({ redis: connectRedis(t, server), timeoutMs: 5000 })
t.teardown(() => store.end())
t.beforeEach(() => admin.flushall())

const logKey = 'portcullis:{0}:log'
let tokens = 0

async function revokeTokens (count: number): Promise<string> {
  const expiresAtMs = store.nowMs() + 60_000
  await Promise.all(Array.from({ length: count }, () => store.revokeToken({ issuer: 'i', jti: `jti-${++tokens}`, expiresAtMs })))
  const { position } = await takeSnapshot(store)
  return position
}

t.test('a log that was trimmed up to a position connects to it, one trimmed past it does not', async t => {
  const first = await revokeTokens(1)
  const second = await revokeTokens(1)
  await revokeTokens(3)

  await admin.xtrim(logKey, 'MAXLEN', 3)

  const pull = await store.pull(second)
  t.equal(pull.gap, false)
  t.equal(pull.entries.length, 3)
  t.match(await store.pull(first), { position: first, entries: [], gap: true })
})

t.test('a log that has lost its last entries does not connect', async t => {
  await revokeTokens(2)
  const position = await revokeTokens(1)

  await admin.xdel(logKey, position)
  await admin.hincrby('portcullis:{0}:state', 'seq', -1)

  t.equal((await store.pull(position)).gap, true)
})

t.test('a log that has lost an entry and numbered another one like it does not connect', async t => {
  await revokeTokens(2)
  const position = await revokeTokens(1)

  await admin.del(logKey)
  await admin.del('portcullis:{0}:state')
  const other = await revokeTokens(4)

  t.equal(other.split('-')[0], '4')
  t.equal((await store.pull(position)).gap, true)
})

t.test('a store that was emptied does not connect to what it was', async t => {
  const position = await revokeTokens(3)

  await admin.flushall()

  t.equal((await store.pull(position)).gap, true)
  const fresh = await takeSnapshot(store)
  t.strictSame(fresh.revocations, [])
  t.equal((await store.pull(fresh.position)).gap, false)
})

t.test('a position that is none of this store’s is a gap', async t => {
  await revokeTokens(1)

  for (const position of ['', 'x', '1', '0-0,0-0', '99999999999999999999-1', '1-1-1', '-']) {
    t.match(await store.pull(position), { position, entries: [], gap: true })
  }
})

t.test('everything comes back from a log and an index of many pages, once', async t => {
  const { position } = await takeSnapshot(store)
  for (let count = 0; count < 5; count++) await revokeTokens(500)

  const pull = await store.pull(position)
  const { revocations } = await takeSnapshot(store)

  t.equal(pull.entries.length, 2500)
  t.equal(new Set(pull.entries.map(entry => 'tokenKey' in entry && entry.tokenKey)).size, 2500)
  t.equal(new Set(revocations.map(revocation => 'tokenKey' in revocation && revocation.tokenKey)).size, 2500)
  t.equal(revocations.length, 2500)
})

t.test('a snapshot of many pages has everything once, however many end in the same millisecond', async t => {
  const nowMs = store.nowMs()
  const ends = [...Array.from({ length: 7000 }, (_, index) => 90_000 + index), ...Array.from({ length: 12_000 }, () => 60_000), ...Array.from({ length: 6000 }, (_, index) => 50_000 + Math.floor(index / 3))]
  const revoked = ends.map((end, index): Revocation => ({ kind: 'sid', sid: createSid(`user-${index}`), expiresAtMs: nowMs + end }))
  await store.reassert(revoked, { owner: 'test' })

  const { revocations } = await takeSnapshot(store)

  t.equal(revocations.length, revoked.length)
  const known = new Set(revocations.map(one => JSON.stringify(one)))
  t.equal(revoked.filter(one => !known.has(JSON.stringify(one))).length, 0)
})

t.test('the index forgets what is over as new revocations come', async t => {
  let clockOffsetMs = 0
  const clocked = await createRedisStore({ redis: connectRedis(t, server), timeoutMs: 5000, clockOffsetMs: () => clockOffsetMs })
  t.teardown(() => clocked.end())
  await revokeTokens(50)

  clockOffsetMs = 61_000
  for (let count = 0; count < 3; count++) await clocked.revokeToken({ issuer: 'i', jti: `later-${count}`, expiresAtMs: clocked.nowMs() + 60_000 })

  t.equal(await admin.zcard('portcullis:{0}:revocations'), 3)
})

t.test('the log keeps about its last hundred thousand entries', async t => {
  const { position } = await takeSnapshot(store)
  await revokeTokens(1)
  await admin.eval(`
    for i = 2, 100500 do redis.call('XADD', KEYS[1], i .. '-1', 'entry', '["keys"]', 'until', '0') end
    redis.call('HSET', KEYS[2], 'seq', 100500)`, 2, logKey, 'portcullis:{0}:state')

  const newest = await revokeTokens(1)

  const length = await admin.xlen(logKey)
  t.ok(length >= 100_000 && length < 100_500)
  t.equal((await store.pull(position)).gap, true)
  t.equal((await store.pull(newest)).gap, false)
})

t.test('of many who say revocations again one is at it, and when it has died another one', async t => {
  const expiresAtMs = store.nowMs() + 60_000
  const lost = [{ kind: 'jti', tokenKey: 'AAAAAAAAAAAAAAAAAAAAAA', expiresAtMs } as const]

  t.equal(await store.reassert(lost, { owner: 'one' }), 'asserted')
  t.equal(await store.reassert(lost, { owner: 'two' }), 'busy')
  t.equal(await store.reassert(lost, { owner: 'one' }), 'asserted')

  await connectAdmin(t, server).then(async redis => await redis.del('portcullis:{0}:lease'))
  t.equal(await store.reassert(lost, { owner: 'two' }), 'asserted')
})

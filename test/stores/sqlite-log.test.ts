import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { createSqliteStore } from '../../stores/sqlite.ts'
import type { Store } from '../../stores/store.ts'
import { session } from './sqlite-session.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

const hour = 3_600_000

async function fixture (t: Test): Promise<{ store: Store, advance: (ms: number) => void, count: (table: string) => number }> {
  const path = join(t.testdir({}), 'store.db')
  let nowMs = 1_790_000_000_000
  const store = await createSqliteStore({ path, now: () => nowMs })
  const db = new DatabaseSync(path, { readOnly: true })
  t.teardown(async () => {
    db.close()
    await store.end()
  })
  return { store, advance: ms => { nowMs += ms }, count: table => Number(db.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.['count']) }
}

/** Any write takes purging along. */
async function writeSomething (store: Store): Promise<void> {
  await store.touch([], { idleTimeoutMs: hour })
}

async function closeOne (store: Store, maxTokenAgeMs: number): Promise<void> {
  const { record } = await store.open(session())
  await store.close(record.sid, { maxTokenAgeMs })
}

for (const position of ['', 'x', '-1', '1.5', '1e3', ' 1', '0x1', '9'.repeat(17), '9007199254740993', '1']) {
  t.test(`a pull from ${JSON.stringify(position)} in an empty log is a gap`, async t => {
    const { store } = await fixture(t)

    t.strictSame(await store.pull(position), { position: '0', entries: [], gap: true })
  })
}

t.test('a follower that slept for less than an hour gets every entry, also those that are over', async t => {
  const { store, advance } = await fixture(t)
  const { position } = await takeSnapshot(store)
  await closeOne(store, 1000)

  advance(hour - 1)
  await writeSomething(store)

  t.match(await store.pull(position), { gap: false, entries: [{ kind: 'sid' }] })
  t.strictSame((await takeSnapshot(store)).revocations, [])
})

t.test('a follower that slept while entries were purged meets a gap, one that had read them does not', async t => {
  const { store, advance, count } = await fixture(t)
  const { position: asleep } = await takeSnapshot(store)
  await closeOne(store, 1000)
  const { position: awake } = await takeSnapshot(store)

  advance(hour)
  await writeSomething(store)

  t.equal(count('log'), 0)
  t.equal((await store.pull(asleep)).gap, true)
  t.strictSame(await store.pull(awake), { position: awake, entries: [], gap: false })
})

t.test('a revocation that lasts stays on the log until it is over', async t => {
  const { store, advance, count } = await fixture(t)
  const { position } = await takeSnapshot(store)
  await store.revokeSubject('alice', { exceptSid: null, keepForMs: 24 * hour })

  advance(24 * hour - 1)
  await writeSomething(store)
  t.match(await store.pull(position), { gap: false, entries: [{ kind: 'subject' }] })
  t.equal((await takeSnapshot(store)).revocations.length, 1)

  advance(1)
  await writeSomething(store)
  t.equal(count('log'), 0)
})

t.test('expired records are purged a bounded number at a time', async t => {
  const { store, advance, count } = await fixture(t)
  await Promise.all(Array.from({ length: 300 }, () => store.open(session({ absoluteTimeoutMs: 1000 }))))
  advance(1000)

  const remaining: number[] = []
  for (let batch = 0; batch < 6; batch++) {
    await writeSomething(store)
    remaining.push(count('sessions'))
  }

  t.strictSame(remaining, [232, 164, 96, 28, 0, 0])
})

t.test('a subject that was cut is forgotten when neither the cut nor a session of its is left', async t => {
  const { store, advance, count } = await fixture(t)
  await store.revokeSubject('alice', { exceptSid: null, keepForMs: hour })
  await store.open(session({ absoluteTimeoutMs: 10 * hour }))
  await store.revokeSubject('bob', { exceptSid: null, keepForMs: hour })

  advance(2 * hour)
  await writeSomething(store)
  t.equal(count('subjects'), 2)

  // The instant of a cut is remembered for 30 days.
  advance(31 * 24 * hour)
  await writeSomething(store)
  t.equal(count('subjects'), 0)
})

t.test('a snapshot of more than a page is whole', async t => {
  const { store } = await fixture(t)
  const expiresAtMs = store.nowMs() + hour
  await Promise.all(Array.from({ length: 5001 }, (_, index) => store.revokeToken({ issuer: 'i', jti: String(index), expiresAtMs })))

  const { revocations, position } = await takeSnapshot(store)

  t.equal(new Set(revocations.map(one => one.kind === 'jti' ? one.tokenKey : '')).size, 5001)
  t.equal((await store.pull(position)).gap, false)
})

t.test('a listener is not called for writes that are not on the log', async t => {
  const { store } = await fixture(t)
  let calls = 0
  t.teardown(store.onGrowth(() => { calls++ }))

  await store.open(session())
  await writeSomething(store)

  t.equal(calls, 0)
})

import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { createSqliteStore } from '../../stores/sqlite.ts'
import { createRunBatch, type Request } from '../../stores/sqlite/batch.ts'
import { openFile } from '../../stores/sqlite/file.ts'
import type { Store } from '../../stores/store.ts'
import { session } from './sqlite-session.ts'

const unavailable = { code: 'PTC_ERR_STORE_UNAVAILABLE' }
const unstorable = session({ acr: null as unknown as string })

async function fixture (t: Test, timeoutMs?: number): Promise<{ store: Store, path: string }> {
  const path = join(t.testdir({ data: {} }), 'data', 'store.db')
  const store = await createSqliteStore({ path, ...timeoutMs === undefined ? {} : { timeoutMs } })
  t.teardown(() => store.end())
  return { store, path }
}

function openings (count: number): Request[] {
  return Array.from({ length: count }, (_, id) => ({ id, name: 'open', nowMs: 1_790_000_000_000, args: [session()] }))
}

t.test('a write that fails takes none of its batch with it', async t => {
  const { store } = await fixture(t)

  const results = await Promise.allSettled([store.open(session()), store.open(unstorable), store.open(session())])

  t.strictSame(results.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'])
  t.match(results[1], { reason: { ...unavailable, cause: { message: /NOT NULL constraint failed/ } } })
  t.equal((await store.list('alice')).length, 2)
})

t.test('in memory a write that fails is unavailable too, and changes nothing', async t => {
  const store = await createSqliteStore({ path: ':memory:' })
  t.teardown(() => store.end())

  await t.rejects(store.open(unstorable), unavailable)

  t.strictSame(await store.list('alice'), [])
})

t.test('a write that waits longer than its deadline is unavailable, and the next one is not', async t => {
  const { store, path } = await fixture(t, 1500)
  await store.open(session())
  const holder = new DatabaseSync(path)
  t.teardown(() => holder.close())

  holder.exec('BEGIN IMMEDIATE')
  await t.rejects(store.open(session()), { ...unavailable, cause: { message: /no answer within 1500 ms|database is locked/ } })
  t.equal((await store.list('alice')).length, 1)
  holder.exec('ROLLBACK')

  await t.resolves(store.open(session()))
})

t.test('reads do not wait for a writer', async t => {
  const { store, path } = await fixture(t)
  const { record } = await store.open(session())
  const holder = new DatabaseSync(path)
  t.teardown(() => holder.close())
  holder.exec('BEGIN IMMEDIATE; DELETE FROM sessions')

  t.strictSame(await store.read(record.sid), record)
})

t.test('when the thread that writes dies its writes are unavailable, and the next one starts it again', async t => {
  const { store, path } = await fixture(t)
  const directory = join(path, '..')

  renameSync(directory, `${directory}-away`)
  const lost = await Promise.allSettled([store.open(session()), store.open(session())])
  renameSync(`${directory}-away`, directory)

  for (const result of lost) t.match(result, { status: 'rejected', reason: { ...unavailable, cause: Error } })
  await t.resolves(store.open(session()))
  t.equal((await store.list('alice')).length, 1)
})

t.test('the end of a store waits for the writes under way', async t => {
  const { store, path } = await fixture(t)

  const writes = Promise.all(Array.from({ length: 20 }, () => store.open(session())))
  await store.end()

  t.equal((await writes).length, 20)
  const again = await createSqliteStore({ path })
  t.teardown(() => again.end())
  t.equal((await again.list('alice')).length, 20)
})

t.test('a store ends although a write under way never gets its turn', async t => {
  const { store, path } = await fixture(t, 200)
  const holder = new DatabaseSync(path)
  t.teardown(() => holder.close())
  holder.exec('BEGIN IMMEDIATE')

  const write = t.rejects(store.open(session()), unavailable)
  await store.end()

  await write
})

t.test('on a full disk what was acknowledged is there and the rest is refused', async t => {
  const db = await openFile(join(t.testdir({}), 'store.db'), { startTimeoutMs: 1000, onWait: () => {} })
  t.teardown(() => db.close())
  const runBatch = createRunBatch(db, 1000)
  runBatch(openings(1))
  db.exec('PRAGMA max_page_count = 40')

  const replies = Array.from({ length: 80 }, () => runBatch(openings(10))).flat()

  const acknowledged = replies.flatMap(reply => 'value' in reply ? [reply] : [])
  t.match(replies.at(-1), { error: { message: 'database or disk is full' } })
  t.equal(db.prepare('SELECT count(*) AS count FROM sessions').get()?.['count'], acknowledged.length + 1)
  db.exec('PRAGMA max_page_count = 1000000')
  t.match(runBatch(openings(1)), [{ value: { closed: [] } }])
})

t.test('a batch that cannot be committed is refused whole', async t => {
  const db = await openFile(':memory:', { startTimeoutMs: 1000, onWait: () => {} })
  t.teardown(() => db.close())
  const runBatch = createRunBatch(db, 1000)
  db.exec(`
    PRAGMA foreign_keys = ON;
    CREATE TABLE orphans (sid TEXT REFERENCES keys (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER orphan AFTER INSERT ON sessions BEGIN INSERT INTO orphans VALUES (9); END`)

  const replies = runBatch(openings(3))

  t.match(replies, Array.from({ length: 3 }, (_, id) => ({ id, error: { message: 'FOREIGN KEY constraint failed' } })))
  t.equal(db.prepare('SELECT count(*) AS count FROM sessions').get()?.['count'], 0)
  t.equal(db.isTransaction, false)
})

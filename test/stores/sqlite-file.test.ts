import { chownSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import type { SessionData } from '../../lib/own-data.ts'
import { inspectFile } from '../../stores/sqlite/inspect.ts'
import { createSqliteStore } from '../../stores/sqlite.ts'
import type { Store } from '../../stores/store.ts'
import { session } from './sqlite-session.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

async function open (t: Test, path: string): Promise<Store> {
  const store = await createSqliteStore({ path })
  t.teardown(() => store.end())
  return store
}

function edit (path: string, sql: string): void {
  const db = new DatabaseSync(path)
  db.exec(sql)
  db.close()
}

const invalid = (message: RegExp): { code: string, message: RegExp } => ({ code: 'PTC_ERR_CONFIG_INVALID', message })

t.test('a new database and its companions can be read by their owner alone', async t => {
  const path = join(t.testdir({}), 'store.db')

  const store = await open(t, path)
  await store.open(session())

  for (const file of [path, `${path}-wal`, `${path}-shm`]) t.equal(statSync(file).mode & 0o777, 0o600, file)
})

t.test('a database that root makes belongs to the owner of its folder, with its companions', process.geteuid!() === 0 ? {} : { skip: 'only root may give files away' }, async t => {
  const folder = t.testdir({})
  chownSync(folder, 1234, 2345)
  const path = join(folder, 'store.db')

  const store = await open(t, path)
  await store.open(session())

  for (const file of [path, `${path}-wal`, `${path}-shm`]) t.match(statSync(file), { uid: 1234, gid: 2345 }, file)
})

t.test('sessions, cuts, revocations and keys survive a restart', async t => {
  const path = join(t.testdir({}), 'store.db')
  const before = await open(t, path)
  const { record } = await before.open(session())
  const { record: closed } = await before.open(session())
  await before.close(closed.sid, { maxTokenAgeMs: 900_000 })
  await before.revokeToken({ issuer: 'i', jti: 'j', expiresAtMs: Date.now() + 900_000 })
  await before.revokeSubject('bob', { exceptSid: null, keepForMs: 900_000 })
  await before.writeKeys(0, 'sealed')
  const snapshot = await takeSnapshot(before)
  await before.end()

  const after = await open(t, path)

  t.strictSame(await after.read(record.sid), record)
  t.equal(await after.read(closed.sid), null)
  t.equal(await after.isGood({ issuer: 'i', jti: 'j', sid: null, subject: null, epoch: null }), false)
  t.strictSame(await after.readKeys(), { version: 1, text: 'sealed' })
  t.strictSame(await takeSnapshot(after), snapshot)
  t.strictSame(await after.pull(snapshot.position), { position: snapshot.position, entries: [], gap: false })
})

t.test('several stores that make one file at once share it', async t => {
  const path = join(t.testdir({}), 'store.db')

  const stores = await Promise.all(Array.from({ length: 4 }, () => open(t, path)))
  const opened = await Promise.all(stores.map(store => store.open(session())))

  t.strictSame((await stores[0]?.list('alice'))?.length, opened.length)
})

t.test('a path in a directory that does not exist is refused with the way out', async t => {
  const path = join(t.testdir({}), 'missing', 'store.db')

  await t.rejects(createSqliteStore({ path }), invalid(/^store\.path: ".*store\.db" is in a directory that does not exist; make the directory/))
})

t.test('a directory is refused', async t => {
  await t.rejects(createSqliteStore({ path: t.testdir({}) }), invalid(/^store\.path: ".*" cannot be opened as a file; choose/))
})

t.test('a file that is no database is refused and left as it is', async t => {
  const path = join(t.testdir({ 'notes.txt': 'remember the milk\n'.repeat(100) }), 'notes.txt')

  await t.rejects(createSqliteStore({ path }), invalid(/is not an SQLite database; choose another path/))

  t.equal(readFileSync(path, 'utf8'), 'remember the milk\n'.repeat(100))
})

t.test('the database of another program is refused and left as it is', async t => {
  const path = join(t.testdir({}), 'other.db')
  edit(path, 'CREATE TABLE accounts (id INTEGER PRIMARY KEY)')
  const before = readFileSync(path)

  await t.rejects(createSqliteStore({ path }), invalid(/is the database of another program; choose another path/))

  t.strictSame(readFileSync(path), before)
})

/** Statements that give a database the form of version 8. */
const toVersion8 = `
  DROP TRIGGER sessions_leave_providers; DROP TABLE provider_sids; ALTER TABLE sessions DROP COLUMN provider;
  ALTER TABLE subjects DROP COLUMN cut_epoch; ALTER TABLE subjects DROP COLUMN cut_at_ms;
  ALTER TABLE state DROP COLUMN cut_epoch; ALTER TABLE state DROP COLUMN cut_at_ms; PRAGMA user_version = 8`

t.test('a database of the version before is taken over with everybody in it, also by many at once, and whoever has it open goes on', async t => {
  const path = join(t.testdir({}), 'store.db')
  const before = await createSqliteStore({ path })
  const { record } = await before.open(session())
  await before.end()
  edit(path, `${toVersion8}; ALTER TABLE sessions DROP COLUMN device_key; ALTER TABLE sessions DROP COLUMN device_bound_at_ms; ALTER TABLE sessions DROP COLUMN device_renewals; ALTER TABLE sessions DROP COLUMN origin; ALTER TABLE sessions DROP COLUMN step_up; ALTER TABLE sessions DROP COLUMN data; DROP TABLE notes; DROP TABLE used; PRAGMA user_version = 3`)
  const old = new DatabaseSync(path)
  t.teardown(() => old.close())
  const [read, use] = [old.prepare('SELECT * FROM sessions WHERE sid = ?'), old.prepare('UPDATE sessions SET last_used_at_ms = last_used_at_ms + 1 WHERE sid = ?')]
  t.equal(read.get(record.sid)?.['subject'], 'alice')
  t.doesNotThrow(() => { inspectFile(path) })

  const stores = await Promise.all(Array.from({ length: 4 }, () => open(t, path)))

  t.strictSame(await stores[0]!.read(record.sid), record)
  t.match(await stores[1]!.bindDevice(record.sid, { publicKey: 'key' }), { outcome: 'bound' })
  t.match(await stores[2]!.read(record.sid), { device: { publicKey: 'key', renewals: 0 } })
  t.equal(use.run(record.sid).changes, 1)
  t.equal(read.get(record.sid)?.['subject'], 'alice')
  t.ok((await stores[3]!.open(session())).record.sid)
  await stores[3]!.putNote('topic', 'name', 'text', 60_000)
  t.match(await stores[0]!.readNotes('topic'), [{ name: 'name', text: 'text' }])
  t.equal(await stores[1]!.useOnce('name', 60_000), true)
  t.equal(await stores[2]!.useOnce('name', 60_000), false)
})

t.test('a family of a database of the version before goes on, and is told of its step-ups from then on', async t => {
  const path = join(t.testdir({}), 'store.db')
  const before = await createSqliteStore({ path })
  const { record } = await before.open({ ...session(), mode: 'tokens', secretHash: null, acr: '1' })
  await before.end()
  edit(path, `${toVersion8}; ALTER TABLE sessions DROP COLUMN origin; ALTER TABLE sessions DROP COLUMN step_up; ALTER TABLE sessions DROP COLUMN data; DROP TABLE notes; DROP TABLE used; PRAGMA user_version = 4`)

  const store = await open(t, path)

  t.strictSame(await store.read(record.sid), record)
  const options = { overlapMs: 10_000, retryWindowMs: 60_000, idleTimeoutMs: 60_000, maxTokenAgeMs: 60_000 }
  await store.rotate(record.sid, 1, { ...options, fresh: { acr: '2', amr: ['otp'] } })
  t.match(await store.read(record.sid), { acr: '2', family: { generation: 2, stepUp: { generation: 2, prior: { acr: '1' } } } })
})

t.test('sessions of a database of the version before have no data, and take data from then on, beside a process of that version', async t => {
  const path = join(t.testdir({}), 'store.db')
  const before = await createSqliteStore({ path })
  const { record } = await before.open(session())
  await before.end()
  edit(path, `${toVersion8}; ALTER TABLE sessions DROP COLUMN data; DROP TABLE used; PRAGMA user_version = 7`)
  const old = new DatabaseSync(path)
  t.teardown(() => old.close())
  const renew = old.prepare("UPDATE sessions SET secret_hash = 'other' WHERE sid = ?")
  const insert = old.prepare('INSERT INTO sessions (sid, subject, subject_key, username, mode, epoch, created_at_ms, auth_time_ms, last_used_at_ms, expires_at_ms, acr, amr, scopes, audiences, user_agent, ip) SELECT ?, subject, subject_key, username, mode, epoch, created_at_ms, auth_time_ms, last_used_at_ms, expires_at_ms, acr, amr, scopes, audiences, user_agent, ip FROM sessions')
  const data = { cart: ['book'] } as SessionData

  const store = await open(t, path)

  t.strictSame(await store.read(record.sid), { ...record, data: {} })
  insert.run('AAAAAAAAAAAAAAAAAAAAAA')
  t.strictSame((await store.read('AAAAAAAAAAAAAAAAAAAAAA'))?.data, {})
  t.strictSame(await store.replaceData(record.sid, data), { ...record, data })
  renew.run(record.sid)
  t.strictSame(await store.read(record.sid), { ...record, data, secretHash: 'other' })
})

t.test('a database of the version before takes sessions of providers, and knows when a cut of that version was at the latest', async t => {
  const path = join(t.testdir({}), 'store.db')
  const before = await createSqliteStore({ path })
  const { record } = await before.open(session())
  const { belowEpoch } = await before.revokeSubject('corp|alice', { exceptSid: null, keepForMs: 60_000 })
  await before.end()
  edit(path, toVersion8)
  const old = new DatabaseSync(path)
  t.teardown(() => old.close())
  const cut = old.prepare('UPDATE subjects SET epoch = epoch + 1')
  const close = old.prepare("DELETE FROM sessions WHERE subject = 'corp|carol'")

  const store = await open(t, path)

  t.strictSame(await store.read(record.sid), { ...record, provider: null })
  const latestMs = await store.lastCutMs('corp|alice')
  t.ok(latestMs !== null && latestMs >= belowEpoch * 1000 - 1000 && latestMs <= belowEpoch * 1000 - 1)
  const provider = { name: 'corp', sub: 'carol', sid: 'sso', idToken: null, claims: {} }
  const opening = { ...session({ subject: 'corp|carol' }), provider, authTimeMs: 0, beganAtMs: store.nowMs(), countsFromMs: store.nowMs() }
  t.match(await store.openFromProvider(opening), { outcome: 'opened', record: { provider } })
  await store.revokeSubject('corp|alice', { exceptSid: null, keepForMs: 60_000 })
  const knownMs = await store.lastCutMs('corp|alice')
  cut.run()
  t.ok((await store.lastCutMs('corp|alice'))! >= knownMs!)
  t.equal(close.run().changes, 1)
  const rest = old.prepare('SELECT count(*) AS rows FROM provider_sids').get()
  t.equal(rest?.['rows'], 0)
})

t.test('the index of sessions at providers has no rows of sessions that have expired, ended or were cut', async t => {
  const path = join(t.testdir({}), 'store.db')
  let nowMs = Date.now()
  const store = await createSqliteStore({ path, now: () => nowMs })
  t.teardown(() => store.end())
  const provider = { name: 'corp', sub: 'carol', sid: 'sso', idToken: null, claims: {} }
  const opening = (): Parameters<typeof store.openFromProvider>[0] => ({ ...session({ subject: 'corp|carol' }), provider, authTimeMs: 0, beganAtMs: nowMs, countsFromMs: nowMs, absoluteTimeoutMs: 1000 })
  const rows = (): unknown => {
    const db = new DatabaseSync(path)
    const { rows } = db.prepare('SELECT count(*) AS rows FROM provider_sids').get() as { rows: number }
    db.close()
    return rows
  }
  const records = []
  for (let i = 0; i < 4; i++) records.push((await store.openFromProvider(opening())).record!)
  t.equal(rows(), 4)
  await store.close(records[0]!.sid, { maxTokenAgeMs: 1000 })
  t.equal(rows(), 3)
  await store.revokeSubject('corp|carol', { exceptSid: records[1]!.sid, keepForMs: 1000 })
  t.equal(rows(), 1)
  nowMs += 1000
  await store.open(session())
  t.equal(rows(), 0)
})

t.test('a record whose data is damaged is unavailable, and no other one', async t => {
  const path = join(t.testdir({}), 'store.db')
  const store = await open(t, path)
  const [{ record }, { record: other }] = [await store.open(session()), await store.open(session({ subject: 'bob' }))]
  for (const text of ['{', '[]', 'null', '"text"', '']) {
    edit(path, `UPDATE sessions SET data = '${text}' WHERE sid = '${record.sid}'`)
    await t.rejects(store.read(record.sid), { code: 'PTC_ERR_STORE_UNAVAILABLE' }, text)
    t.strictSame(await store.read(other.sid), other)
  }
})

t.test('a database of a newer version is refused', async t => {
  const path = join(t.testdir({}), 'store.db')
  await (await open(t, path)).end()
  edit(path, 'PRAGMA user_version = 1000')

  await t.rejects(createSqliteStore({ path }), invalid(/was written by a newer version; run that version/))
})

t.test('a database that another program holds locked is refused after the deadline', async t => {
  const path = join(t.testdir({}), 'store.db')
  const holder = new DatabaseSync(path)
  t.teardown(() => holder.close())
  holder.exec('BEGIN EXCLUSIVE')

  await t.rejects(createSqliteStore({ path, startTimeoutMs: 50 }), invalid(/is locked by another process; end what holds the lock/))
})

t.test('a damaged database makes a store that refuses or is unavailable, never a crash', async t => {
  const path = join(t.testdir({}), 'store.db')
  const healthy = await open(t, path)
  for (let count = 0; count < 50; count++) await healthy.open(session({ client: { userAgent: 'x'.repeat(1000), ip: '' } }))
  const [first] = await healthy.list('alice')
  await healthy.end()
  const intact = readFileSync(path)

  for (let page = 1; page < 8; page++) {
    const damaged = Buffer.from(intact).fill(0xa5, page * 4096)
    writeFileSync(path, damaged)
    const error: unknown = await open(t, path).then(store => store.read(first?.sid ?? ''), cause => cause).catch(cause => cause)
    t.match(error, { code: /^PTC_ERR_(CONFIG_INVALID|STORE_UNAVAILABLE)$/ }, `from page ${page} on`)
  }
})

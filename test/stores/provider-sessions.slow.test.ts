import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import t, { type Test } from 'tap'
import { providerSidKeyOf } from '../../lib/revocation/provider-keys.ts'
import { createSid } from '../../lib/session/sid.ts'
import { claimsOf } from '../../stores/contract/fixtures.ts'
import { logOut, openAt, providerSession } from '../../stores/contract/provider-fixtures.ts'
import { createRedisStore } from '../../stores/redis.ts'
import { createSqliteStore } from '../../stores/sqlite.ts'
import type { Store } from '../../stores/store.ts'
import { subjectKeyOf } from '../../lib/revocation/revocation-keys.ts'
import { connectAdmin, connectRedis, startRedis } from '../helpers/redis-server.ts'

/*
 * A robot account may have thousands of sessions. They are copies of one, because opening each would look at all the others.
 */

const many = 10_000
const subject = 'corp|alice'

interface Filled { store: Store, sids: string[] }

async function fillSqlite (t: Test): Promise<Filled> {
  const path = join(t.testdir({}), 'store.db')
  const store = await createSqliteStore({ path, timeoutMs: 60_000 })
  t.teardown(() => store.end())
  const { sid } = await openAt(store)
  const sids = [sid, ...Array.from({ length: many - 1 }, () => createSid(subject))]
  const db = new DatabaseSync(path)
  const columns = db.prepare('PRAGMA table_info(sessions)').all().map(({ name }) => String(name)).filter(name => name !== 'sid')
  const copy = db.prepare(`INSERT INTO sessions (sid, ${columns.join()}) SELECT ?, ${columns.join()} FROM sessions WHERE sid = ?`)
  const index = db.prepare('INSERT INTO provider_sids (provider_key, sid) VALUES (?, ?)')
  db.exec('BEGIN IMMEDIATE')
  for (const other of sids.slice(1)) {
    copy.run(other, sid)
    index.run(providerSidKeyOf('corp', 'sso-1'), other)
  }
  db.exec('COMMIT')
  db.close()
  return { store, sids }
}

async function fillRedis (t: Test): Promise<Filled> {
  const server = await startRedis(t)
  const store = await createRedisStore({ redis: connectRedis(t, server), timeoutMs: 60_000 })
  t.teardown(() => store.end())
  const admin = await connectAdmin(t, server)
  const { sid, createdAtMs, expiresAtMs } = await openAt(store)
  const sids = [sid, ...Array.from({ length: many - 1 }, () => createSid(subject))]
  const fields = await admin.hgetall(`portcullis:{0}:session:${sid}`)
  const pipeline = admin.pipeline()
  for (const other of sids.slice(1)) {
    pipeline.hset(`portcullis:{0}:session:${other}`, { ...fields, sid: other })
    pipeline.zadd(`portcullis:{0}:index:${subjectKeyOf(subject)}`, createdAtMs, other)
    pipeline.zadd(`portcullis:{0}:provider:${providerSidKeyOf('corp', 'sso-1')}`, expiresAtMs, other)
  }
  await pipeline.exec()
  return { store, sids }
}

for (const [name, fill] of [['SQLite', fillSqlite], ['Redis', fillRedis]] as const) {
  for (const [what, logout, entries] of [['subject', { subject }, 1], ['session at the provider', { sid: 'sso-1' }, many + 1]] as const) {
    t.test(`${name}: one logout ends ten thousand sessions of one ${what}, and no other`, async t => {
      const { store, sids } = await fill(t)
      const kept = await openAt(store, { provider: providerSession({ sub: 'bob', sid: 'sso-2' }) })
      const startedAtMs = performance.now()

      const end = await logOut(store, logout)

      t.comment(`${Math.round(performance.now() - startedAtMs)} ms`)
      t.equal(end.sessions, many)
      t.equal(end.revocations.length, entries)
      for (const sid of [sids[0]!, sids[1]!, sids.at(-1)!]) t.equal(await store.read(sid), null)
      t.strictSame(await store.list(subject), [])
      t.equal(await store.isGood(claimsOf(kept)), true)
    })
  }
}

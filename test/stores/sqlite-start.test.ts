import { mkdtemp, rm } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { StoreUnavailableError } from '../../lib/errors.ts'
import { waitForStore } from '../../stores/wait-for-store.ts'
import { createSqliteStore } from '../../stores/sqlite.ts'
import { startPortcullis, writeConfig } from '../helpers/portcullis.ts'
import { session } from '../../stores/contract/fixtures.ts'

async function fileName (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-start-'))
  t.teardown(async () => { await rm(folder, { recursive: true, force: true }) })
  return join(folder, 'store.db')
}

t.test('a database that is locked at the start is waited for, the event loop goes on, and the wait is told once', async t => {
  const path = await fileName(t)
  await (await createSqliteStore({ path })).end()
  const holder = new DatabaseSync(path)
  t.teardown(() => { if (holder.isOpen) holder.close() })
  holder.exec('PRAGMA journal_mode = DELETE; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  const told: string[] = []
  let turns = 0
  const timer = setInterval(() => { turns++ }, 10)
  t.teardown(() => { clearInterval(timer) })

  const opening = createSqliteStore({ path, timeoutMs: 60_000, onWait: text => told.push(text) })
  while (told.length === 0) await wait(20)
  t.ok(turns > 0, 'this process does other things meanwhile')
  holder.exec('COMMIT; PRAGMA locking_mode = NORMAL; SELECT count(*) FROM sessions')
  holder.close()

  const store = await opening
  t.teardown(() => store.end())
  t.match(told, [/^store\.path: ".*store\.db" is locked by another process; waiting for it, at most 60 s$/])
  t.equal(told.length, 1)
  t.ok((await store.open(session())).record.sid)
})

t.test('a first write that cannot be made yet is repeated, the reason is told once, and anything else ends the start', async t => {
  const told: string[] = []
  let attempts = 0
  const locked = async (): Promise<string> => {
    if (++attempts < 4) throw new StoreUnavailableError({ cause: new Error('database is locked') })
    return 'done'
  }

  t.equal(await waitForStore(locked, text => told.push(text), 60_000), 'done')
  t.match(told, [/^store: cannot be used yet \(database is locked\); waiting/])
  t.equal(told.length, 1)

  await t.rejects(waitForStore(async () => { throw new StoreUnavailableError({ cause: new Error('disk is full') }) }, () => {}, 0), { code: 'PTC_ERR_STORE_UNAVAILABLE', cause: { message: /^store: cannot be used yet \(disk is full\)/ } })
  await t.rejects(waitForStore(async () => { throw new TypeError('wrong') }, () => {}, 60_000), TypeError)
})

t.test('four gateways that start at once on a new file all start', async t => {
  const { config } = await writeConfig(t, { listen: { host: '127.0.0.1', port: 0 } })

  const gateways = await Promise.all(Array.from({ length: 4 }, async () => await startPortcullis(t, config)))

  t.equal(gateways.length, 4)
})

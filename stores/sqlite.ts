import type { DatabaseSync } from 'node:sqlite'
import { resolve } from 'node:path'
import { StoreUnavailableError } from '../lib/errors.ts'
import { assertNote } from '../lib/notes.ts'
import { assertOnce } from '../lib/once.ts'
import { openFile } from './sqlite/file.ts'
import { watchGrowth } from './sqlite/log.ts'
import { createReads } from './sqlite/reads.ts'
import { ThreadWriter } from './sqlite/thread-writer.ts'
import { createInlineWriter } from './sqlite/writer.ts'
import type { Store } from './store.ts'

export interface SqliteStoreOptions {
  /** The database file, created with mode 0600 if it is missing, in an existing directory. `:memory:` keeps the data in the Store object. */
  path: string
  /** The store's clock in milliseconds since the epoch. Default: `Date.now`. */
  now?: () => number
  /** Maximum duration of a write, in milliseconds. Default: 5000. */
  timeoutMs?: number
  /** Maximum wait at the start for a file that other processes have locked, in milliseconds. Default: 60000. */
  startTimeoutMs?: number
  /** Called with the reason when the start has to wait. */
  onWait?: (text: string) => void
}

/**
 * The embedded store: one file for all processes of one machine. Reads run on the calling thread and take microseconds. Writes run
 * on one other thread, which commits all pending writes in one transaction, so the event loop never waits for the disk.
 */
export async function createSqliteStore ({ path, now = () => Date.now(), timeoutMs = 5000, startTimeoutMs = 60_000, onWait = () => {} }: SqliteStoreOptions): Promise<Store> {
  const isInMemory = path === ':memory:'
  const file = isInMemory ? path : resolve(path)
  const db = await openFile(file, { startTimeoutMs, onWait })
  const reads = createReads(db)
  const growth = watchGrowth(reads.head)
  const nowMs = (): number => Math.floor(now())
  const options = { nowMs, timeoutMs, onCommitted: growth.check }
  const writer = isInMemory ? createInlineWriter(db, options) : new ThreadWriter(file, options)
  const query = createQuery(db)
  let ended: Promise<void> | null = null

  async function end (): Promise<void> {
    growth.stop()
    const written = writer.end()
    if (!isInMemory) db.close()
    await written
    if (isInMemory) db.close()
  }

  return {
    type: 'sqlite',
    nowMs,
    open: session => writer.run('open', session),
    read: sid => query(() => reads.read(sid, nowMs())),
    touch: (uses, { idleTimeoutMs }) => writer.run('touch', uses, idleTimeoutMs),
    rotate: (sid, generation, options) => writer.run('rotate', sid, generation, options),
    noteReceived: (sid, generation, windows) => writer.run('noteReceived', sid, generation, windows),
    renew: (sid, fresh) => writer.run('renew', sid, fresh),
    openFromProvider: session => writer.run('openFromProvider', session),
    renewFromProvider: (sid, fresh) => writer.run('renewFromProvider', sid, fresh),
    endProviderSessions: logout => writer.run('endProviderSessions', logout),
    bindDevice: (sid, device) => writer.run('bindDevice', sid, device),
    renewDevice: (sid, renewals) => writer.run('renewDevice', sid, renewals),
    replaceData: (sid, data) => writer.run('replaceData', sid, data),
    close: (sid, { maxTokenAgeMs, origin = null }) => writer.run('close', sid, maxTokenAgeMs, origin),
    list: subject => query(() => reads.list(subject, nowMs())),
    revokeToken: token => writer.run('revokeToken', token),
    revokeSubject: (subject, options) => writer.run('revokeSubject', subject, options),
    revokeAll: ({ keepForMs }) => writer.run('revokeAll', keepForMs),
    lastCutMs: subject => query(() => reads.lastCutMs(subject, nowMs())),
    reassert: async revocations => await writer.run('reassert', revocations),
    isGood: claims => query(() => reads.isGood(claims, nowMs())),
    snapshot: take => query(() => reads.snapshot(nowMs(), take)),
    pull: position => query(() => reads.pull(position)),
    onGrowth: listener => growth.subscribe(listener),
    readKeys: () => query(() => reads.readKeys()),
    writeKeys: (expectedVersion, text) => writer.run('writeKeys', expectedVersion, text),
    async putNote (topic, name, text, keepForMs) {
      assertNote(topic, name, text)
      await writer.run('putNote', topic, name, text, keepForMs)
    },
    readNotes: topic => query(() => reads.readNotes(topic, nowMs())),
    async useOnce (name, keepForMs) {
      assertOnce(name, keepForMs)
      return await writer.run('useOnce', name, keepForMs)
    },
    end: () => (ended ??= end())
  }
}

/** Returns a function that runs a read, and turns its errors into StoreUnavailableError. */
function createQuery (db: DatabaseSync): <T>(read: () => T | Promise<T>) => Promise<T> {
  return async read => {
    if (!db.isOpen) throw new StoreUnavailableError({ cause: new Error('the store has ended') })
    try {
      return await read()
    } catch (cause) {
      throw new StoreUnavailableError({ cause })
    }
  }
}

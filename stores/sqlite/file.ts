import { closeSync, fchownSync, fstatSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ConfigInvalidError } from '../../lib/errors.ts'
import { rightsOfNewFile } from '../../lib/new-file.ts'
import { Patience, resultCode } from './busy.ts'
import { createSchema, identify } from './schema.ts'

/**
 * The time that a reading connection waits for a lock, in milliseconds. Readers only wait while another process recovers the file
 * after a crash, or is the last to close it.
 */
const readLockMs = 100

export interface FileWaiting {
  /** The longest wait for the locks of other processes, in milliseconds. */
  startTimeoutMs: number
  /** Called with the reason of a long wait. */
  onWait: (text: string) => void
}

/** Opens the database at `path`, and creates the schema of a new one. Rejects with ConfigInvalidError that names the remedy. */
export async function openFile (path: string, waiting: FileWaiting): Promise<DatabaseSync> {
  try {
    if (path !== ':memory:') createPrivately(path)
    const patience = patienceWith(path, waiting)
    return await setUp(await patience.whileBusy(() => connect(path, readLockMs)), path, patience)
  } catch (error) {
    throw error instanceof ConfigInvalidError ? error : explain(error, path)
  }
}

function patienceWith (path: string, { startTimeoutMs, onWait }: FileWaiting): Patience {
  return new Patience(startTimeoutMs, () => onWait(`store.path: "${path}" is locked by another process; waiting for it, at most ${startTimeoutMs / 1000} s`))
}

/** Prepares the database. It changes nothing in a file before the file is known to be ours or empty. */
async function setUp (db: DatabaseSync, path: string, patience: Patience): Promise<DatabaseSync> {
  try {
    await patience.whileBusy(() => refuseForeign(db, path))
    const journal = await patience.whileBusy(() => db.prepare('PRAGMA journal_mode = WAL').get())
    if (path !== ':memory:' && journal?.['journal_mode'] !== 'wal') throw refusal(path, 'is on a file system without shared memory', 'put it on a local disk')
    await patience.whileBusy(() => createSchema(db))
    refuseForeign(db, path)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Opens a connection that waits `lockMs` for a lock, with the setting that durability depends on. */
export function connect (path: string, lockMs: number): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: lockMs })
  try {
    db.exec('PRAGMA synchronous = FULL')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/**
 * Creates the file with access for its owner only, because it shows who is signed in. SQLite gives its companion files the mode and
 * the owner of this one, so a command that root runs in the folder of the gateway's user leaves no file that the gateway cannot
 * open. An existing file is not opened here: closing it would drop the locks of every connection that this process has to it.
 */
function createPrivately (path: string): void {
  try {
    const file = openSync(path, 'wx', 0o600)
    const rights = rightsOfNewFile(statSync(dirname(path)), fstatSync(file).uid)
    // A group that may only read the folder could not use a database in it.
    if (rights !== null && rights.uid !== 0) fchownSync(file, rights.uid, rights.gid)
    closeSync(file)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

function refuseForeign (db: DatabaseSync, path: string): void {
  const identity = identify(db)
  if (identity === 'older') throw refusal(path, 'was written by an older version that was never released', 'choose another path; everyone signs in again')
  if (identity === 'newer') throw refusal(path, 'was written by a newer version', 'run that version, or choose another path')
  if (identity === 'foreign') throw refusal(path, 'is the database of another program', 'choose another path')
}

const explanations: Record<string | number, [problem: string, fix: string]> = {
  ENOENT: ['is in a directory that does not exist', 'make the directory, or choose another path'],
  ENOTDIR: ['is in a directory that does not exist', 'make the directory, or choose another path'],
  EACCES: ['cannot be created there', 'give this user write permission for the directory'],
  EPERM: ['cannot be created there', 'give this user write permission for the directory'],
  EROFS: ['is on a file system that is read-only', 'choose another path'],
  5: ['is locked by another process', 'end what holds the lock'],
  8: ['cannot be written', 'give this user write permission for the file and its directory'],
  11: ['is damaged', 'restore a backup and then run "portcullis revoke --all", or choose another path'],
  13: ['is on a disk that is full', 'make room'],
  14: ['cannot be opened as a file', 'choose the path of a file that this user may read and write'],
  26: ['is not an SQLite database', 'choose another path']
}

/** Explains an error of the file system or of SQLite, with the remedy. */
export function explain (error: unknown, path: string): Error {
  const code = resultCode(error) ?? (error instanceof Error && 'code' in error ? String(error.code) : '')
  const [problem, fix] = explanations[code] ?? ['cannot be opened', 'see the cause']
  return refusal(path, problem, fix, error)
}

export function refusal (path: string, problem: string, fix: string, cause?: unknown): Error {
  return new ConfigInvalidError(`store.path: "${path}" ${problem}; ${fix}`, { cause })
}

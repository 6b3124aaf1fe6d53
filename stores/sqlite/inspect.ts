import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { ConfigInvalidError } from '../../lib/errors.ts'
import { explain, refusal } from './file.ts'
import { applicationId, isUpgradable, schemaVersion } from './schema.ts'

/** The result codes of SQLite that `openFile` would meet. */
const READONLY = 8
const CANTOPEN = 14
const NOTADB = 26

/**
 * Throws the error that opening the database at `path` would throw, as far as its directory, its permissions and its header show.
 * Creates and changes nothing, not even the companion files. Not for a process that has the database open: closing the file would
 * drop its locks.
 */
export function inspectFile (path: string): void {
  if (path === ':memory:') return
  try {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined) return accessSync(`${dirname(path)}/.`, constants.W_OK | constants.X_OK)
    if (!found.isFile() || !canAccess(path, constants.R_OK)) throw Object.assign(new Error(), { errcode: CANTOPEN })
    if (!canAccess(path, constants.W_OK) || !canAccess(dirname(path), constants.W_OK)) throw Object.assign(new Error(), { errcode: READONLY })
    judgeHeader(path)
  } catch (error) {
    throw error instanceof ConfigInvalidError ? error : explain(error, path)
  }
}

function canAccess (path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}

/** Checks the header as defined in https://www.sqlite.org/fileformat.html, "The Database Header". */
function judgeHeader (path: string): void {
  const header = readHeader(path)
  if (header.length === 0) return
  if (!header.toString('latin1').startsWith('SQLite format 3\0')) throw Object.assign(new Error(), { errcode: NOTADB })
  const [version, id, tables] = [header.readUInt32BE(60), header.readUInt32BE(68), header.readUInt16BE(103)]
  if (id === applicationId && version < schemaVersion && !isUpgradable(version)) throw refusal(path, 'was written by an older version that was never released', 'choose another path; everyone signs in again')
  if (id === applicationId && version > schemaVersion) throw refusal(path, 'was written by a newer version', 'run that version, or choose another path')
  // The content of a new database may still be in its write-ahead log only.
  const isNew = id === 0 && version === 0 && (tables === 0 || statSync(`${path}-wal`, { throwIfNoEntry: false }) !== undefined)
  if (id !== applicationId && !isNew) throw refusal(path, 'is the database of another program', 'choose another path')
}

/** Reads the header of the file and that of its first page, or as many bytes as exist. */
function readHeader (path: string): Buffer {
  const header = Buffer.alloc(112)
  const file = openSync(path, 'r')
  try {
    const length = readSync(file, header, 0, header.length, 0)
    return length === 0 ? Buffer.alloc(0) : header
  } finally {
    closeSync(file)
  }
}

import { randomBytes } from 'node:crypto'
import { link, open, readFile, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ConfigInvalidError } from '../../lib/errors.ts'
import { rightsOfNewFile } from '../../lib/new-file.ts'
import { checkSecret } from '../../lib/settings/secret-checks.ts'
import { forAnyone, modeOf, warnOfReaders } from '../files/readers.ts'

/**
 * The secret of an embedded store, kept beside its file (mode 0600) and made the first time. Processes that start together get
 * the same one. Throws ConfigInvalidError when it can neither be read nor made, and when what is there is no secret.
 */
export async function secretBeside (path: string): Promise<string> {
  if (path === ':memory:') return randomBytes(32).toString('base64url')
  const file = secretFileOf(path)
  return await readSecretFile(file) ?? await make(file).catch((cause: unknown) => { throw inaccessible(file, cause) })
}

function secretFileOf (path: string): string {
  return `${path}.secret`
}

/** The secret in a file, or null when there is no file. Throws ConfigInvalidError when it cannot be read or holds no secret. */
export async function readSecretFile (file: string): Promise<string | null> {
  const text = await read(file).catch((cause: unknown) => { throw inaccessible(file, cause) })
  const problem = text === null ? null : checkSecret(text)
  if (problem !== null) throw new ConfigInvalidError(`secret: what ${file} holds ${problem.replace(/; .*$/, '')}; put back what it held, or remove it together with its database`)
  return text
}

/** Warns when the secret file of a database does not fit to the configured secrets, is missing, or can be read by other users. */
export async function checkSecretFile (database: string, configured: readonly string[] | null): Promise<string[]> {
  const file = secretFileOf(database)
  const kept = await readSecretFile(file)
  if (configured !== null) {
    return kept === null || configured.includes(kept) ? [] : [`secret: is set, so ${file} is not used any more; until session.absoluteTimeout has passed give what it holds as the second of a list, then remove it`]
  }
  if (kept !== null) return await warnOfReaders('secret', file, forAnyone)
  return await modeOf(database) === null ? [] : [`secret: ${file} is missing beside its database, so the signing keys in there cannot be opened; put it back`]
}

function inaccessible (file: string, cause: unknown): Error {
  return new ConfigInvalidError(`secret: ${file} can neither be read nor written; set secret, or make the directory writable`, { cause })
}

async function read (file: string): Promise<string | null> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** Written whole under another name and then linked: whoever links first wins, and nobody reads half a secret. */
async function make (file: string): Promise<string> {
  const draft = `${file}.${randomBytes(8).toString('hex')}`
  const handle = await open(draft, 'wx', 0o600)
  try {
    const rights = rightsOfNewFile(await stat(dirname(file)), (await handle.stat()).uid)
    if (rights !== null) {
      await handle.chown(rights.uid, rights.gid)
      await handle.chmod(rights.mode)
    }
    await handle.writeFile(`${randomBytes(32).toString('base64url')}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await link(draft, file).catch((error: NodeJS.ErrnoException) => { if (error.code !== 'EEXIST') throw error })
  await rm(draft)
  const secret = await read(file)
  if (secret === null) throw new Error('the secret file has vanished')
  return secret
}

import { randomUUID } from 'node:crypto'
import { open, realpath, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ConfigInvalidError } from '../lib/errors.ts'
import { hashPassword, type ScryptCost } from '../lib/password.ts'
import { checkUsers, readUsersFile, type StoredUser } from './users-file.ts'

export interface UserOptions {
  /** By default the username. */
  subject?: string
  /** By default none. */
  scopes?: string[]
  /** Of the hash; by default what is recommended. */
  cost?: ScryptCost
}

/** Adds a user, or gives an existing one a new password, and subject and scopes where they are given. */
export async function addUser (file: string, username: string, password: string, { subject, scopes, cost }: UserOptions = {}): Promise<'added' | 'changed'> {
  if (password === '' || Buffer.byteLength(password) > 1024) throw new ConfigInvalidError('password: must be 1 to 1024 bytes; give it on standard input')
  const hash = await hashPassword(password, cost)
  const users = await readOrStart(file)
  const index = users.findIndex(user => isNamed(user, username))
  const old = users[index]
  const user = {
    username: username.normalize('NFC'),
    subject: subject ?? old?.subject ?? username.normalize('NFC'),
    password: hash,
    scopes: scopes ?? old?.scopes ?? []
  }
  await replaceFile(file, old === undefined ? [...users, user] : users.with(index, user))
  return old === undefined ? 'added' : 'changed'
}

/** Removes a user; false when there is none of that name. */
export async function removeUser (file: string, username: string): Promise<boolean> {
  const users = await readUsersFile(file)
  const others = users.filter(user => !isNamed(user, username))
  if (others.length === users.length) return false
  await replaceFile(file, others)
  return true
}

function isNamed (user: StoredUser, username: string): boolean {
  return user.username.normalize('NFC') === username.normalize('NFC')
}

async function readOrStart (file: string): Promise<StoredUser[]> {
  try {
    return await readUsersFile(file)
  } catch (error) {
    if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return []
    throw error
  }
}

/** A reader sees the old file or the new one, also after a crash. */
async function replaceFile (file: string, users: StoredUser[]): Promise<void> {
  checkUsers({ users })
  // A link stays a link.
  const target = await realpath(file).catch(() => file)
  const draft = `${target}.${randomUUID()}.tmp`
  try {
    await writeDurably(draft, `${JSON.stringify({ users }, null, 2)}\n`)
    await rename(draft, target)
    await syncDirectory(dirname(target))
  } catch (cause) {
    await rm(draft, { force: true })
    throw new ConfigInvalidError(`${file}: cannot be written (${(cause as NodeJS.ErrnoException).code ?? 'unknown error'}); check the directory and its permissions`, { cause })
  }
}

async function writeDurably (file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function syncDirectory (directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

import { createHash, createHmac } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { StoreUnavailableError } from '../lib/errors.ts'
import { Failure } from '../lib/failure.ts'
import { decoyOf, defaultDecoy, maxPasswordBytes, verifyPassword } from './password.ts'
import type { Credentials, PasswordSource, Principal } from './password-source.ts'
import { createLimiter } from './limiter.ts'
import { completeUser, readUsersFile, type User } from './users-file.ts'

export interface UsersOptions {
  file: string
  /**
   * Called with the reason why the file cannot be used: at once, when the reason changes, and every minute. The last valid users
   * stay in use.
   */
  onError?: (error: unknown) => void
  /** Called when the file can be used again. */
  onRecovery?: () => void
  /**
   * The time for which passwords are verified against the last valid file while it cannot be read; after that `verify` rejects.
   * Milliseconds; five minutes by default.
   */
  staleForMs?: number
  /** A monotonic clock, in milliseconds. */
  now?: () => number
  /** The interval at which the watched file is checked. Milliseconds; 500 by default. */
  pollMs?: number
}

// Hashing shares libuv's four threads with DNS look-ups and files, so one stays free. A longer queue would outlast the client's
// patience.
const hashing = { running: 3, waiting: 100 }

/** Loads the users of a file and follows its changes. Throws ConfigInvalidError when the file is not valid. */
export async function createUsers ({ file, onError = () => {}, onRecovery = () => {}, staleForMs = 300_000, pollMs = 500, now = () => performance.now() }: UsersOptions): Promise<PasswordSource> {
  const limit = createLimiter(hashing)
  const listeners = new Set<(subject: string) => void>()
  let version = await versionOf(file)
  let users = await readUsers(file)
  let decoy = makeDecoy(users)
  let reading: Promise<void> | null = null
  const failure = new Failure()

  return { verify, watch, subjectOf: username => users.get(username.normalize('NFC'))?.subject ?? null, problem: () => failure.reason, digest: key => digestOf(users, key) }

  async function verify ({ username, password }: Credentials): Promise<Principal | null> {
    await refreshUnlessWatched()
    assertKnown()
    const isTooLong = Buffer.byteLength(password) > maxPasswordBytes
    const attempt = isTooLong ? password.slice(0, maxPasswordBytes) : password
    return await limit(async () => {
      // The user is read after the wait in the queue, because the password may have changed meanwhile.
      const user = users.get(username.normalize('NFC'))
      const isRight = await verifyPassword(attempt, user?.password ?? decoy)
      // The file is checked again after hashing: a user who was signed out meanwhile must not sign in with outdated data.
      await refreshUnlessWatched()
      assertKnown()
      const current = users.get(username.normalize('NFC'))
      const isCurrent = current !== undefined && current.password === user?.password
      return isRight && isCurrent && !isTooLong ? { subject: current.subject, scopes: [...current.scopes] } : null
    })
  }

  /**
   * Reads the file when it may have changed, unless this process watches it. Another process may be watching and may have signed
   * out a user whom an older file would admit, so the file is checked at each sign-in.
   */
  async function refreshUnlessWatched (): Promise<void> {
    if (listeners.size > 0) return
    // A read in progress may have begun before the file changed.
    await reading
    await refresh()
  }

  /** Throws when the file has been unreadable for too long: a user who was removed meanwhile must not sign in. */
  function assertKnown (): void {
    if (failure.reason !== null && failure.lastsMs(now()) >= staleForMs) throw new StoreUnavailableError({ cause: new Error(failure.reason) })
  }

  function watch (onGone: ((subject: string) => void) | null): () => void {
    const listener = (subject: string) => onGone?.(subject)
    if (onGone !== null) listeners.add(listener)
    const timer = setInterval(() => { void refresh() }, pollMs).unref()
    return () => {
      clearInterval(timer)
      listeners.delete(listener)
    }
  }

  function refresh (): Promise<void> {
    reading ??= takeOver().finally(() => { reading = null })
    return reading
  }

  async function takeOver (): Promise<void> {
    const current = await versionOf(file)
    if (current === version && failure.reason === null) return
    version = current
    try {
      const before = users
      users = await readUsers(file)
      decoy = makeDecoy(users)
      for (const subject of findGone(before, users)) for (const listener of listeners) listener(subject)
      if (failure.end()) onRecovery()
    } catch (error) {
      if (failure.note((error as Error).message, now())) onError(error)
    }
  }
}

/** Returns the subjects that lost the user, the password or a scope. */
function findGone (before: Map<string, User>, after: Map<string, User>): string[] {
  const now = new Map([...after.values()].map(user => [user.subject, user]))
  return [...before.values()].filter(user => {
    const same = now.get(user.subject)
    return same === undefined || same.password !== user.password || !user.scopes.every(scope => same.scopes.includes(scope))
  }).map(user => user.subject)
}

async function readUsers (file: string): Promise<Map<string, User>> {
  const users = await readUsersFile(file)
  return new Map(users.map(completeUser).map(user => [user.username, user]))
}

/** The SHA-256 of the users, computed once a file and kept in memory only: without a key it would help to guess passwords. */
const contents = new WeakMap<Map<string, User>, Buffer>()

/** Returns a digest that changes with the users and their rights, not with the formatting of the file. */
function digestOf (users: Map<string, User>, key: Buffer): string {
  const content = contents.get(users) ?? contentOf(users)
  contents.set(users, content)
  return createHmac('sha256', key).update(content).digest('base64url')
}

function contentOf (users: Map<string, User>): Buffer {
  const rows = [...users.keys()].sort().map(username => {
    const { subject, password, scopes } = users.get(username)!
    return [username, subject, password, [...new Set(scopes)].sort()]
  })
  return createHash('sha256').update(JSON.stringify(rows)).digest()
}

/** Returns a hash that refuses an unknown user in the time that most known users take. */
function makeDecoy (users: Map<string, User>): string {
  const counts = new Map<string, { count: number, hash: string }>()
  for (const { password } of users.values()) {
    const cost = password.split('$').slice(0, -2).join('$')
    counts.set(cost, { count: (counts.get(cost)?.count ?? 0) + 1, hash: password })
  }
  const [commonest] = [...counts.values()].sort((one, other) => other.count - one.count)
  return commonest === undefined ? defaultDecoy() : decoyOf(commonest.hash)
}

/** Returns a text that changes whenever the file is written in place or replaced; empty while the file does not exist. */
async function versionOf (file: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true })
    return `${ino}:${size}:${mtimeNs}:${ctimeNs}`
  } catch {
    return ''
  }
}

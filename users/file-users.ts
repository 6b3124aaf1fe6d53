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
  /** Is told why the file cannot be used: at once, when the reason changes, and every minute. The users stay as they were. */
  onError?: (error: unknown) => void
  /** Is told that the file can be used again. */
  onRecovery?: () => void
  /** How long passwords are checked against what was read last; after that `verify` rejects. Milliseconds; five minutes by default. */
  staleForMs?: number
  /** A monotonic clock, in milliseconds. */
  now?: () => number
  /** How often the file is looked at while it is watched. Milliseconds; 500 by default. */
  pollMs?: number
}

// Hashing runs on the four threads that name look-ups and files need too: one stays free. Who waits behind a hundred waits for nothing.
const hashing = { running: 3, waiting: 100 }

/** The users of a file; throws ConfigInvalidError when it is not good. A later change of the file is taken over by itself. */
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
      // Read only now: the wait may have been long, and the password another one since.
      const user = users.get(username.normalize('NFC'))
      const isRight = await verifyPassword(attempt, user?.password ?? decoy)
      // And again after it: whoever was signed out meanwhile must not come in by what was true before.
      await refreshUnlessWatched()
      assertKnown()
      const current = users.get(username.normalize('NFC'))
      const isCurrent = current !== undefined && current.password === user?.password
      return isRight && isCurrent && !isTooLong ? { subject: current.subject, scopes: [...current.scopes] } : null
    })
  }

  /** Another process may be watching, and have signed out already whom an older file would let in: so it is looked at each time. */
  async function refreshUnlessWatched (): Promise<void> {
    if (listeners.size > 0) return
    // One that is under way may have begun before the file was changed.
    await reading
    await refresh()
  }

  /** Who was removed meanwhile must not sign in because the file that says so cannot be read. */
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

/** Subjects of whom something was taken away: the user, the password or a scope. */
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

/** SHA-256 of users, made once a file. They stay in memory: without a key they would help to guess passwords. */
const contents = new WeakMap<Map<string, User>, Buffer>()

/** Changes with what the users are and may do, not with how their file is written. */
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

/** Refuses an unknown user in the time that most of the known ones take. */
function makeDecoy (users: Map<string, User>): string {
  const counts = new Map<string, { count: number, hash: string }>()
  for (const { password } of users.values()) {
    const cost = password.split('$').slice(0, -2).join('$')
    counts.set(cost, { count: (counts.get(cost)?.count ?? 0) + 1, hash: password })
  }
  const [commonest] = [...counts.values()].sort((one, other) => other.count - one.count)
  return commonest === undefined ? defaultDecoy() : decoyOf(commonest.hash)
}

/** Changes whenever the file does, whether it is written in place or replaced; empty while there is none. */
async function versionOf (file: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true })
    return `${ino}:${size}:${mtimeNs}:${ctimeNs}`
  } catch {
    return ''
  }
}

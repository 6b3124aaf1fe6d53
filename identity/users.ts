import { stat } from 'node:fs/promises'
import { decoyOf, defaultDecoy, verifyPassword } from '../lib/password.ts'
import type { Credentials, IdentitySource, Principal } from './identity.ts'
import { createLimiter } from './limiter.ts'
import { completeUser, readUsersFile, type User } from './users-file.ts'

export interface UsersOptions {
  file: string
  /** Hears why a changed file was not taken over; the users stay as they were. */
  onError?: (error: unknown) => void
  /** How often the file is looked at while it is watched. Milliseconds; 500 by default. */
  pollMs?: number
}

const maxPasswordBytes = 1024
// Hashing runs on the four threads that name look-ups and files need too: one stays free. Who waits behind a hundred waits for nothing.
const hashing = { running: 3, waiting: 100 }

/** The users of a file; throws ConfigInvalidError when it is not good. A later change of the file is taken over by itself. */
export async function createUsers ({ file, onError = () => {}, pollMs = 500 }: UsersOptions): Promise<IdentitySource> {
  const limit = createLimiter(hashing)
  const listeners = new Set<(subject: string) => void>()
  let version = await versionOf(file)
  let users = await readUsers(file)
  let decoy = makeDecoy(users)
  let reading: Promise<void> | null = null

  return { verify, watch, subjectOf }

  function subjectOf (username: string): string | null {
    return users.get(username.normalize('NFC'))?.subject ?? null
  }

  async function verify ({ username, password }: Credentials): Promise<Principal | null> {
    await refreshUnlessWatched()
    const isTooLong = Buffer.byteLength(password) > maxPasswordBytes
    const attempt = isTooLong ? password.slice(0, maxPasswordBytes) : password
    return await limit(async () => {
      // Read only now: the wait may have been long, and the password another one since.
      const user = users.get(username.normalize('NFC'))
      const isRight = await verifyPassword(attempt, user?.password ?? decoy)
      // And again after it: whoever was signed out meanwhile must not come in by what was true before.
      await refreshUnlessWatched()
      const current = users.get(username.normalize('NFC'))
      const isCurrent = current !== undefined && current.password === user?.password
      return isRight && isCurrent && !isTooLong ? { subject: current.subject, scopes: [...current.scopes] } : null
    })
  }

  /** Another process may be watching, and have signed out already whom an older file would let in: so it is looked at each time. */
  async function refreshUnlessWatched (): Promise<void> {
    if (listeners.size === 0) await refresh()
  }

  function watch (onGone: (subject: string) => void): () => void {
    const listener = (subject: string) => onGone(subject)
    listeners.add(listener)
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
    if (current === version) return
    version = current
    try {
      const before = users
      users = await readUsers(file)
      decoy = makeDecoy(users)
      for (const subject of findGone(before, users)) for (const listener of listeners) listener(subject)
    } catch (error) {
      onError(error)
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

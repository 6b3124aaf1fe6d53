import { hashPassword, type ScryptCost } from './password.ts'
import { checkNewPassword } from './password-rule.ts'
import { updateFile } from './update-file.ts'
import { checkUsers, readUsersFile, type StoredUser } from './users-file.ts'

export interface UserOptions {
  /** The subject. Default: the username. */
  subject?: string
  /** The scopes. Default: none. */
  scopes?: string[]
  /** The cost of the hash. Default: the recommended cost. */
  cost?: ScryptCost
}

export interface Added {
  outcome: 'added' | 'changed'
  /** A warning about a password that is permitted but not recommended; null for none. */
  warning: string | null
}

/** Adds a user, or sets a new password for an existing one; sets the subject and the scopes when given. */
export async function addUser (file: string, username: string, password: string, { subject, scopes, cost }: UserOptions = {}): Promise<Added> {
  const warning = checkNewPassword(password, [username, subject ?? ''])
  const hash = await hashPassword(password, cost)
  let outcome: Added['outcome'] = 'added'
  await updateFile(file, async () => {
    const users = await readOrStart(file)
    const index = users.findIndex(user => isNamed(user, username))
    const old = users[index]
    const user = {
      username: username.normalize('NFC'),
      subject: subject ?? old?.subject ?? username.normalize('NFC'),
      password: hash,
      scopes: scopes ?? old?.scopes ?? []
    }
    outcome = old === undefined ? 'added' : 'changed'
    return format(old === undefined ? [...users, user] : users.with(index, user))
  })
  return { outcome, warning }
}

/** Removes a user; resolves to false when the user does not exist. */
export async function removeUser (file: string, username: string): Promise<boolean> {
  let isRemoved = false
  await updateFile(file, async () => {
    const users = await readUsersFile(file)
    const others = users.filter(user => !isNamed(user, username))
    isRemoved = others.length < users.length
    return isRemoved ? format(others) : null
  })
  return isRemoved
}

/** Serializes the users. Throws ConfigInvalidError when a users file may not hold them. */
function format (users: StoredUser[]): string {
  checkUsers({ users })
  return `${JSON.stringify({ users }, null, 2)}\n`
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

import { hashPassword, type ScryptCost } from './password.ts'
import { checkNewPassword } from './password-rule.ts'
import { updateFile } from './update-file.ts'
import { checkUsers, readUsersFile, type StoredUser } from './users-file.ts'

export interface UserOptions {
  /** By default the username. */
  subject?: string
  /** By default none. */
  scopes?: string[]
  /** Of the hash; by default what is recommended. */
  cost?: ScryptCost
}

export interface Added {
  outcome: 'added' | 'changed'
  /** What is allowed about the password but not recommended. */
  warning: string | null
}

/** Adds a user, or gives an existing one a new password, and subject and scopes where they are given. */
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

/** Removes a user; false when there is none of that name. */
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

/** Throws ConfigInvalidError when they are not what a users file may hold. */
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

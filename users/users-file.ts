import { constants, open } from 'node:fs/promises'
import { Type, type Static } from '@sinclair/typebox'
import { Value, ValueErrorType } from '@sinclair/typebox/value'
import { ConfigInvalidError } from '../lib/errors.ts'
import { findFault } from '../lib/json.ts'
import { isPasswordHash } from './password.ts'
import { maxScopesLength } from '../lib/session/sign-in.ts'

const usersSchema = Type.Object({
  users: Type.Array(Type.Object({
    username: Type.String({ minLength: 1, maxLength: 255, expects: 'a name of 1 to 255 characters' }),
    // The character `|` separates issuer and subject of foreign users, and the subject is sent in a header.
    subject: Type.Optional(Type.String({ pattern: '^[\\x21-\\x7b\\x7d-\\x7e]{1,255}$', expects: 'visible ASCII characters without space and |' })),
    password: Type.String({ maxLength: 512, expects: 'a scrypt or argon2id hash; make it with: portcullis users add' }),
    scopes: Type.Optional(Type.Array(Type.String({ pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$', expects: 'a scope of visible ASCII characters without space, " and \\' }), { expects: 'a list of scopes' }))
  }, { additionalProperties: false, expects: 'an object with username, subject, password and scopes' }), { expects: 'a list' })
}, { additionalProperties: false, expects: '{ "users": [] }' })

/** A user as written in the file. The subject defaults to the username, the scopes to none. */
export type StoredUser = Static<typeof usersSchema>['users'][number]

/** A user with all defaults applied. */
export type User = Required<StoredUser>

/** Reads the users of the file as written. Throws ConfigInvalidError that names the user by index, never the hash. */
export async function readUsersFile (file: string): Promise<StoredUser[]> {
  const text = await readText(file)
  let value: unknown
  if (findFault(text, { levels: 8 }) !== null) throw refuse(['has a member twice in one object, or is nested too deeply; write each once'])
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's message may quote the file, so it is not repeated.
    throw refuse(['is not valid JSON; check commas, quotes and brackets'])
  }
  return checkUsers(value)
}

async function readText (file: string): Promise<string> {
  try {
    // Opening a pipe without O_NONBLOCK waits for a writer.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      if (!(await handle.stat()).isFile()) throw refuse(['is no regular file; name a file'])
      // Editors on Windows begin a file with a byte order mark.
      return (await handle.readFile('utf8')).replace(/^\uFEFF/, '')
    } finally {
      await handle.close()
    }
  } catch (cause) {
    if (cause instanceof ConfigInvalidError) throw cause
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error'
    throw refuse([`cannot be read (${code}); ${code === 'EACCES' ? 'let the gateway\'s user read it' : `make it with: portcullis users add <name> --file ${file}`}`], cause)
  }
}

export function completeUser ({ username, subject, password, scopes }: StoredUser): User {
  return { username: username.normalize('NFC'), subject: subject ?? username, password, scopes: scopes ?? [] }
}

/** Returns the users when a users file may hold them; throws ConfigInvalidError otherwise. */
export function checkUsers (value: unknown): StoredUser[] {
  const lines = new Map<string, string>()
  for (const error of Value.Errors(usersSchema, value)) {
    const expects = error.schema['expects'] as string
    const said = error.type === ValueErrorType.ObjectAdditionalProperties ? 'is not known; remove it' : `must be ${expects}`
    if (!lines.has(error.path)) lines.set(error.path, `${placeOf(error.path)}${said}`)
  }
  if (lines.size > 0) throw refuse([...lines.values()])
  const { users } = value as Static<typeof usersSchema>
  const problems = users.flatMap((user, index) => checkUser(user, index, users))
  if (problems.length > 0) throw refuse(problems)
  return users
}

function checkUser (user: StoredUser, index: number, users: StoredUser[]): string[] {
  const { username, subject } = completeUser(user)
  const problems: string[] = []
  if (!isPasswordHash(user.password)) problems.push(`users[${index}].password: must be a scrypt or argon2id hash; make it with: portcullis users add`)
  if (user.subject === undefined && !/^[\x21-\x7b\x7d-\x7e]+$/.test(subject)) problems.push(`users[${index}].subject: is required when the username is not visible ASCII without space and |; add one`)
  if (user.scopes !== undefined && user.scopes.join(' ').length > maxScopesLength) problems.push(`users[${index}].scopes: must have at most ${maxScopesLength} characters together, or no access token could carry them; remove some`)
  const first = users.findIndex(other => other.username.normalize('NFC') === username)
  if (first < index) problems.push(`users[${index}].username: is that of users[${first}] too; remove one`)
  const same = users.findIndex(other => completeUser(other).subject === subject)
  if (same < index && first === index) problems.push(`users[${index}].subject: is that of users[${same}] too; choose another`)
  return problems
}

function placeOf (pointer: string): string {
  if (pointer === '') return ''
  const names = pointer.split('/').slice(1).map(name => /^\d+$/.test(name) ? `[${name}]` : `.${name.replaceAll(/[^\w$-]/g, '?').slice(0, 64)}`)
  return `${names.join('').slice(1)}: `
}

function refuse (problems: string[], cause?: unknown): Error {
  return new ConfigInvalidError(problems.map(problem => `identity.file: ${problem}`).join('\n'), { cause })
}

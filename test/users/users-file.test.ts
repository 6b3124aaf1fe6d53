import { join } from 'node:path'
import t from 'tap'
import { readUsersFile } from '../../users/users-file.ts'
import { ConfigInvalidError } from '../../lib/errors.ts'
import { hashPassword } from '../../users/password.ts'

const password = await hashPassword('correct horse', { ln: 4, r: 8, p: 1 })
const ada = { username: 'ada', subject: 'u-1', password, scopes: [] }
const fixHash = 'must be a scrypt or argon2id hash; make it with: portcullis users add'

const broken: Array<[reason: string, content: unknown, line: string]> = [
  ['a list', [], 'must be { "users": [] }'],
  ['no users', {}, 'users: must be a list'],
  ['an unknown entry', { users: [], version: 2 }, 'version: is not known; remove it'],
  ['a user that is a text', { users: ['ada'] }, 'users[0]: must be an object with username, subject, password and scopes'],
  ['a user without a name', { users: [ada, { password }] }, 'users[1].username: must be a name of 1 to 255 characters'],
  ['a password in the clear', { users: [{ ...ada, password: 'correct horse' }] }, `users[0].password: ${fixHash}`],
  ['a password that is a number', { users: [{ ...ada, password: 12345 }] }, `users[0].password: ${fixHash}`],
  ['an unknown field of a user', { users: [{ ...ada, role: 'admin' }] }, 'users[0].role: is not known; remove it'],
  ['scopes in one text', { users: [{ ...ada, scopes: ['a b'] }] }, 'users[0].scopes[0]: must be a scope of visible ASCII characters without space, " and \\'],
  ['a subject that looks like a foreign one', { users: [{ ...ada, subject: 'idp|1' }] }, 'users[0].subject: must be visible ASCII characters without space and |'],
  ['a name that cannot be a subject', { users: [{ username: 'zoë', password }] }, 'users[0].subject: is required when the username is not visible ASCII without space and |; add one'],
  ['one name twice', { users: [ada, { ...ada, subject: 'u-2' }] }, 'users[1].username: is that of users[0] too; remove one'],
  ['one name in two compositions', { users: [{ ...ada, username: 'zo\u00eb' }, { ...ada, username: 'zoe\u0308', subject: 'u-2' }] }, 'users[1].username: is that of users[0] too; remove one'],
  ['one subject twice', { users: [ada, { username: 'u-1', password }] }, 'users[1].subject: is that of users[0] too; choose another']
]

for (const [reason, content, line] of broken) {
  t.test(`${reason} is refused in one line that hides the password`, async t => {
    const file = join(t.testdir({ 'users.json': JSON.stringify(content) }), 'users.json')

    const error: unknown = await readUsersFile(file).catch((error: unknown) => error)
    t.ok(error instanceof ConfigInvalidError)
    t.equal((error as Error).message, `identity.file: ${line}`)
    t.notMatch((error as Error).message, 'correct horse')
  })
}

t.test('a byte order mark at the beginning of a file is ignored', async t => {
  const file = join(t.testdir({ 'users.json': `\uFEFF${JSON.stringify({ users: [ada] })}` }), 'users.json')
  t.strictSame(await readUsersFile(file), [ada])
})

t.test('a file that is not JSON is refused without quoting it', async t => {
  const file = join(t.testdir({ 'users.json': '{ "users": [{ "password": correct-horse }] }' }), 'users.json')

  await t.rejects(readUsersFile(file), { message: 'identity.file: is not valid JSON; check commas, quotes and brackets' })
})

t.test('a file that is not there is refused with the command that makes it', async t => {
  await t.rejects(readUsersFile('/nowhere/users.json'), { message: 'identity.file: cannot be read (ENOENT); make it with: portcullis users add <name> --file /nowhere/users.json' })
})

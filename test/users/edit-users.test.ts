import { readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { addUser as addUserAtCost, removeUser, type UserOptions } from '../../users/edit-users.ts'
import { createUsers } from '../../users/file-users.ts'

const addUser = async (file: string, username: string, password: string, options: UserOptions = {}) =>
  (await addUserAtCost(file, username, password, { cost: { ln: 4, r: 8, p: 1 }, ...options })).outcome

t.test('adding a user makes the file, readable by its owner alone and without the password', async t => {
  const file = join(t.testdir({}), 'users.json')

  t.equal(await addUser(file, 'ada', 'correct horse', { subject: 'u-1', scopes: ['orders:read'] }), 'added')
  t.equal((await stat(file)).mode & 0o777, 0o600)
  t.notMatch(await readFile(file, 'utf8'), 'correct horse')
  const identity = await createUsers({ file })
  t.strictSame(await identity.verify({ username: 'ada', password: 'correct horse' }), { subject: 'u-1', scopes: ['orders:read'] })
})

t.test('adding a user again gives a new password and keeps the rest', async t => {
  const file = join(t.testdir({}), 'users.json')
  await addUser(file, 'bob', 'zebra crossing')
  await addUser(file, 'ada', 'correct horse', { subject: 'u-1', scopes: ['orders:read'] })

  t.equal(await addUser(file, 'ada', 'battery staple'), 'changed')
  const identity = await createUsers({ file })
  t.equal(await identity.verify({ username: 'ada', password: 'correct horse' }), null)
  t.strictSame(await identity.verify({ username: 'ada', password: 'battery staple' }), { subject: 'u-1', scopes: ['orders:read'] })
  t.match(await identity.verify({ username: 'bob', password: 'zebra crossing' }), { subject: 'bob' })
})

t.test('removing a user leaves the others', async t => {
  const file = join(t.testdir({}), 'users.json')
  await addUser(file, 'ada', 'zebra crossing')
  await addUser(file, 'bob', 'zebra crossing')

  t.equal(await removeUser(file, 'ada'), true)
  t.equal(await removeUser(file, 'ada'), false)
  t.match(JSON.parse(await readFile(file, 'utf8')), { users: [{ username: 'bob' }] })
})

t.test('what is no user is refused and leaves the file and its directory as they were', async t => {
  const directory = t.testdir({})
  const file = join(directory, 'users.json')
  await addUser(file, 'ada', 'zebra crossing', { subject: 'u-1' })
  const before = await readFile(file, 'utf8')

  await t.rejects(addUser(file, 'bob', ''), { message: 'password: must be 1 to 1024 bytes; give it on standard input' })
  await t.rejects(addUser(file, 'bob', 'x'.repeat(1025)), { code: 'PTC_ERR_CONFIG_INVALID' })
  await t.rejects(addUser(file, 'bob', 'zebra crossing', { subject: 'u-1' }), { message: 'identity.file: users[1].subject: is that of users[0] too; choose another' })
  await t.rejects(addUser(file, 'bob', 'zebra crossing', { scopes: ['a b'] }), { code: 'PTC_ERR_CONFIG_INVALID' })
  t.equal(await readFile(file, 'utf8'), before)
  t.strictSame(await readdir(directory), ['users.json'])
})

t.test('a broken file is not overwritten', async t => {
  const file = join(t.testdir({ 'users.json': '{' }), 'users.json')

  await t.rejects(addUser(file, 'ada', 'zebra crossing'), { code: 'PTC_ERR_CONFIG_INVALID' })
  await t.rejects(removeUser(file, 'ada'), { code: 'PTC_ERR_CONFIG_INVALID' })
  t.equal(await readFile(file, 'utf8'), '{')
})

t.test('a link to the file stays a link', async t => {
  const directory = t.testdir({})
  const link = join(directory, 'link.json')
  await writeFile(join(directory, 'users.json'), '{ "users": [] }')
  await symlink(join(directory, 'users.json'), link)

  await addUser(link, 'ada', 'zebra crossing')
  t.match(JSON.parse(await readFile(join(directory, 'users.json'), 'utf8')), { users: [{ username: 'ada' }] })
})

t.test('a directory that is not there is named in the error', async t => {
  await t.rejects(addUser('/nowhere/users.json', 'ada', 'zebra crossing'), { message: '/nowhere/users.json: cannot be written (ENOENT); check the directory and its permissions' })
})

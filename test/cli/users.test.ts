import { EventEmitter, once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { main } from '../../cli/main.ts'
import { password, post, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { editUsers, runMain, runPortcullis, startPortcullis, untilTrue, writeConfig } from '../helpers/portcullis.ts'

interface StoredUser { username: string, subject: string, password: string, scopes: string[] }

async function readUsers (file: string): Promise<StoredUser[]> {
  return (JSON.parse(await readFile(file, 'utf8')) as { users: StoredUser[] }).users
}

t.test('add takes the password from standard input and stores a hash, for nobody else to read', async t => {
  const file = join(t.testdir({}), 'users.json')

  const { code, stdout, stderr } = await runPortcullis(t, ['users', 'add', 'zoe', '--file', file, '--scopes', 'a b'], { stdin: 'a slow zebra crossing\n' })

  t.same([code, stdout, stderr], [0, 'added zoe\n', ''])
  const text = await readFile(file, 'utf8')
  t.notMatch(text, /zebra/)
  t.match(await readUsers(file), [{ username: 'zoe', subject: 'zoe', password: /^\$(scrypt|argon2id)\$/, scopes: ['a', 'b'] }])
  t.equal((await stat(file)).mode & 0o777, 0o600)
})

t.test('a password that is short or among the first to be tried is refused, and one that could be longer is warned of', async t => {
  const file = join(t.testdir({}), 'users.json')

  const short = await runMain(['users', 'add', 'dave', '--file', file], { stdin: 'x' })
  t.same(short, { code: 1, stdout: '', stderr: 'password: must have at least 8 characters, of any kind, spaces too; give it on standard input\n' })
  const common = await runMain(['users', 'add', 'dave', '--file', file], { stdin: 'iloveyou' })
  t.match(common, { code: 1, stdout: '', stderr: /^password: is one of the first that are tried: [^\n]+; choose another\n$/ })
  await t.rejects(stat(file), { code: 'ENOENT' })
  const fair = await runMain(['users', 'add', 'dave', '--file', file], { stdin: 'zebra crossing' })
  t.match(fair, { code: 0, stdout: 'added dave\n', stderr: /^warning: password: has fewer than 15 characters[^\n]+\n$/ })
})

t.test('at a terminal the password is asked for and not shown', async t => {
  const file = join(t.testdir({}), 'users.json')
  for (const [typed, code] of [['zebra crossing\r', 0], ['\u0003', 2], ['\u0004', 2]] as const) {
    const stdin = Object.assign(new PassThrough(), { isTTY: true })
    const printed = new PassThrough()
    const added = main(['users', 'add', 'zoe', '--file', file], { env: {}, stdin, stdout: printed, stderr: printed, uid: undefined, nodeVersion: '', signals: new EventEmitter(), whenTold: async () => await new Promise(() => {}), onIgnored: () => {} })
    t.equal(String(await once(printed, 'data')), 'password: ')
    stdin.write(typed)

    t.equal(await added, code, JSON.stringify(typed))
    t.notMatch(String(printed.read()), 'zebra')
  }
  t.match(await readUsers(file), [{ username: 'zoe', password: /^\$scrypt\$/ }])
})

t.test('scopes with commas are refused, because they would be one scope that nobody demands', async t => {
  const file = join(t.testdir({}), 'users.json')

  t.same(await runMain(['users', 'add', 'zoe', '--file', file, '--scopes', 'a,b'], { stdin: 'zebra crossing' }), { code: 2, stdout: '', stderr: '--scopes: are separated by spaces, not by commas; write --scopes "a b"\n' })
})

t.test('add changes the password of a user who is there, and keeps subject and scopes', async t => {
  const file = join(t.testdir({}), 'users.json')
  await runMain(['users', 'add', 'zoe', '--file', file, '--subject', 'u-1', '--scopes', 'a'], { stdin: 'zebra number one' })
  const [before] = await readUsers(file)

  const { code, stdout } = await runMain(['users', 'add', 'zoe', '--file', file], { stdin: 'zebra number two' })

  t.same([code, stdout], [0, 'changed zoe\n'])
  const [after, ...others] = await readUsers(file)
  t.same(others, [])
  t.match(after, { username: 'zoe', subject: 'u-1', scopes: ['a'] })
  t.not(after?.password, before?.password)
})

t.test('remove takes a user away, and says when there is none', async t => {
  const file = join(t.testdir({}), 'users.json')
  await runMain(['users', 'add', 'zoe', '--file', file], { stdin: 'zebra number one' })
  t.same(await runMain(['users', 'remove', 'zoe', '--file', file]), { code: 0, stdout: 'removed zoe\n', stderr: '' })
  t.same(await readUsers(file), [])
  t.match(await runMain(['users', 'remove', 'zoe', '--file', file]), { code: 1, stdout: '', stderr: /^there is no user "zoe"[^\n]*\n$/ })
})

t.test('no password, a name that cannot be a subject and a broken file are refused in one line', async t => {
  const folder = t.testdir({ 'broken.json': '{"users":[{"username":"zoe","password":"zebra"}]}' })
  const file = join(folder, 'users.json')
  t.match(await runMain(['users', 'add', 'zoe', '--file', file]), { code: 2, stderr: /^[^\n]*standard input\n$/ })
  t.match(await runMain(['users', 'add', 'zoe', '--file', file], { stdin: 'x'.repeat(1025) }), { code: 1, stderr: /^password: [^\n]+\n$/ })
  t.match(await runMain(['users', 'add', 'a b', '--file', file], { stdin: 'zebra crossing' }), { code: 1, stderr: /^[^\n]+subject[^\n]+\n$/ })
  const broken = await runMain(['users', 'add', 'bob', '--file', join(folder, 'broken.json')], { stdin: 'zebra crossing' })
  t.equal(broken.code, 1)
  t.notMatch(broken.stderr, /zebra/)
})

t.test('a running gateway signs out everywhere who is gone or has a new password, and nobody else', async t => {
  const { config, users } = await writeConfig(t)
  const gateway = await startPortcullis(t, config)
  const { url } = gateway
  const isGood = async (cookie: string) => (await fetch(`${url}/auth/session`, { headers: { cookie } })).ok
  const ada = { session: await signIn(url), tokens: await signInForTokens(url) }
  const bob = await signIn(url, 'bob')

  t.equal((await runMain(['users', 'add', 'ada', '--file', users], { stdin: 'a new one' })).code, 0)
  await untilTrue(async () => !await isGood(ada.session.cookie), 20)
  t.equal((await fetch(`${url}/auth/session`, { headers: { authorization: `Bearer ${ada.tokens.token}` } })).status, 401)
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: ada.tokens.cookie })).status, 401)
  t.ok(await isGood(bob.cookie))
  t.equal((await post(`${url}/auth/login`, { username: 'ada', password })).status, 401)
  t.equal((await post(`${url}/auth/login`, { username: 'ada', password: 'a new one' })).status, 200)

  t.equal((await runMain(['users', 'remove', 'bob', '--file', users])).code, 0)
  await untilTrue(async () => !await isGood(bob.cookie), 20)
  t.equal((await post(`${url}/auth/login`, { username: 'bob', password })).status, 401)

  t.equal((await runMain(['users', 'add', 'carol', '--file', users], { stdin: password })).code, 0)
  await untilTrue(async () => (await post(`${url}/auth/login`, { username: 'carol', password })).ok, 20)
})

t.test('a users file that was broken while the gateway runs changes nothing until it is good again', async t => {
  const { config, users } = await writeConfig(t)
  const gateway = await startPortcullis(t, config)
  const { cookie } = await signIn(gateway.url)

  await editUsers(users, list => { list[1]!.password = 'zebra' })
  await untilTrue(async () => /users file was not taken over/.test(gateway.output.stdout), 20)
  t.notMatch(gateway.output.stdout, /zebra/)
  t.equal((await fetch(`${gateway.url}/auth/session`, { headers: { cookie } })).status, 200)
  t.equal((await post(`${gateway.url}/auth/login`, { username: 'bob', password })).status, 200)

  await editUsers(users, list => { list.splice(0, 2, list[0]!) })
  await untilTrue(async () => (await post(`${gateway.url}/auth/login`, { username: 'bob', password })).status === 401, 20)
  t.equal((await fetch(`${gateway.url}/auth/session`, { headers: { cookie } })).status, 200)
})

import { execFileSync } from 'node:child_process'
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createUsers } from '../../users/file-users.ts'
import { hashPassword } from '../../users/password.ts'
import { patienceMs } from '../helpers/patience.ts'

const cheap = { ln: 4, r: 8, p: 1 }
const password = await hashPassword('correct horse', cheap)
const other = await hashPassword('battery staple', cheap)
const ada = { username: 'ada', subject: 'u-1', password, scopes: ['orders:read'] }
const bob = { username: 'bob', password }

function makeFile (t: Test, users: unknown[]): string {
  return join(t.testdir({ 'users.json': JSON.stringify({ users }) }), 'users.json')
}

/** The identity of a file, what it told so far, and a wait for what it tells next. */
async function watchUsers (t: Test, users: unknown[]) {
  const file = makeFile(t, users)
  const gone: string[] = []
  const errors: unknown[] = []
  const identity = await createUsers({ file, pollMs: 5, onError: error => errors.push(error) })
  const stop = identity.watch!(subject => gone.push(subject))
  t.teardown(stop)
  const until = async (isDone: () => boolean) => {
    for (const end = performance.now() + patienceMs; !isDone() && performance.now() < end;) await sleep(5)
  }
  return { file, gone, errors, identity, stop, until, write: async (users: unknown[]) => await writeFile(file, JSON.stringify({ users })) }
}

t.test('a right password gives subject and scopes', async t => {
  const identity = await createUsers({ file: makeFile(t, [ada, bob]) })

  t.strictSame(await identity.verify({ username: 'ada', password: 'correct horse' }), { subject: 'u-1', scopes: ['orders:read'] })
  t.strictSame(await identity.verify({ username: 'bob', password: 'correct horse' }), { subject: 'bob', scopes: [] })
})

t.test('a wrong password, an unknown user and another spelling give nothing', async t => {
  const identity = await createUsers({ file: makeFile(t, [ada]) })

  t.equal(await identity.verify({ username: 'ada', password: 'battery staple' }), null)
  t.equal(await identity.verify({ username: 'eve', password: 'correct horse' }), null)
  t.equal(await identity.verify({ username: 'Ada', password: 'correct horse' }), null)
  t.equal(await identity.verify({ username: '__proto__', password: 'correct horse' }), null)
})

t.test('an unknown user is refused in the time of a wrong password', async t => {
  const users = await createUsers({ file: makeFile(t, [{ ...ada, password: await hashPassword('correct horse', { ln: 12, r: 8, p: 1 }) }]) })
  const times: Record<string, number[]> = { eve: [], ada: [] }
  for (let round = 0; round < 9; round++) {
    for (const [username, took] of Object.entries(times)) {
      // Time of the processor, of all threads: other programs do not lengthen it.
      const before = process.cpuUsage()
      await users.verify({ username, password: 'battery staple' })
      const { user, system } = process.cpuUsage(before)
      took.push(user + system)
    }
  }
  const medianOf = (username: string) => times[username]!.sort((one, other) => one - other)[4]!

  const ratio = medianOf('eve') / medianOf('ada')
  t.ok(ratio > 0.5 && ratio < 2, `ratio of medians ${ratio}`)
})

t.test('a password beyond a kilobyte is wrong, even where its beginning is right', async t => {
  const long = 'x'.repeat(1024)
  const identity = await createUsers({ file: makeFile(t, [{ ...ada, password: await hashPassword(long, cheap) }]) })

  t.not(await identity.verify({ username: 'ada', password: long }), null)
  t.equal(await identity.verify({ username: 'ada', password: `${long}x` }), null)
})

t.test('a name typed in another composition is the same name', async t => {
  const identity = await createUsers({ file: makeFile(t, [{ ...ada, username: 'zoe\u0308' }]) })

  t.match(await identity.verify({ username: 'zo\u00eb', password: 'correct horse' }), { subject: 'u-1' })
})

t.test('a flood of sign-ins is refused beyond what may wait', async t => {
  const identity = await createUsers({ file: makeFile(t, [ada]) })

  const answers = await Promise.allSettled(Array.from({ length: 110 }, async () => await identity.verify({ username: 'ada', password: 'correct horse' })))
  const refused = answers.filter(answer => answer.status === 'rejected')
  t.equal(refused.length, 7)
  t.match(refused[0], { reason: { code: 'PTC_ERR_RATE_LIMITED' } })
  t.match(await identity.verify({ username: 'ada', password: 'correct horse' }), { subject: 'u-1' })
})

t.test('a user who is gone, has a new password or fewer scopes is told of, nobody else', async t => {
  const { gone, until, write } = await watchUsers(t, [ada, bob, { ...ada, username: 'cid', subject: 'u-3' }, { ...ada, username: 'dot', subject: 'u-4' }])

  await write([{ ...bob, password: other }, { ...ada, username: 'cid', subject: 'u-3', scopes: [] }, { ...ada, username: 'dot', subject: 'u-4', scopes: ['x', 'orders:read'] }])
  await until(() => gone.length >= 3)
  t.strictSame(gone, ['u-1', 'bob', 'u-3'])
})

t.test('a file that was replaced as a whole is taken over', async t => {
  const { file, gone, identity, until } = await watchUsers(t, [ada])

  await writeFile(`${file}.new`, JSON.stringify({ users: [{ ...ada, password: other }] }))
  await rename(`${file}.new`, file)
  await until(() => gone.length > 0)
  t.strictSame(gone, ['u-1'])
  t.equal(await identity.verify({ username: 'ada', password: 'correct horse' }), null)
  t.match(await identity.verify({ username: 'ada', password: 'battery staple' }), { subject: 'u-1' })
})

t.test('a broken or missing file is reported once and changes nothing, until it is good again', async t => {
  const { file, gone, errors, identity, until, write } = await watchUsers(t, [ada])

  await writeFile(file, '{ "users": [')
  await until(() => errors.length > 0)
  await rm(file)
  await until(() => errors.length > 1)
  await sleep(30)
  t.match(errors, [{ message: 'identity.file: is not valid JSON; check commas, quotes and brackets' }, { message: /^identity\.file: cannot be read \(ENOENT\)/ }])
  t.equal(errors.length, 2)
  t.match(await identity.verify({ username: 'ada', password: 'correct horse' }), { subject: 'u-1' })

  await write([])
  await until(() => gone.length > 0)
  t.strictSame(gone, ['u-1'])
})

t.test('who has stopped watching is told nothing more, and sign-ins still see the newest file', async t => {
  const { gone, identity, stop, write } = await watchUsers(t, [ada])

  stop()
  await write([{ ...ada, password: other }])
  await sleep(10)
  t.equal(await identity.verify({ username: 'ada', password: 'correct horse' }), null)
  t.strictSame(gone, [])
})

t.test('a password that was replaced while its check waited is wrong', async t => {
  const file = makeFile(t, [{ ...ada, password: await hashPassword('correct horse') }])
  const identity = await createUsers({ file, pollMs: 1 })
  t.teardown(identity.watch!(() => {}))

  const answer = identity.verify({ username: 'ada', password: 'correct horse' })
  await writeFile(file, JSON.stringify({ users: [] }))
  t.equal(await answer, null)
})

t.test('a password that was replaced while its check waited is wrong, though another process watches the file', async t => {
  const file = makeFile(t, [{ ...ada, password: await hashPassword('correct horse') }])
  const identity = await createUsers({ file })

  const answer = identity.verify({ username: 'ada', password: 'correct horse' })
  await writeFile(file, JSON.stringify({ users: [] }))
  t.equal(await answer, null)
})

t.test('a changed file counts for the very next sign-in, though another process watches it', async t => {
  const file = makeFile(t, [ada])
  const identity = await createUsers({ file })
  t.not(await identity.verify({ username: 'ada', password: 'correct horse' }), null)

  await writeFile(file, JSON.stringify({ users: [{ ...ada, password: other }] }))

  t.equal(await identity.verify({ username: 'ada', password: 'correct horse' }), null)
})

t.test('scopes that were taken away while a password was checked are not given', async t => {
  const slow = { ...ada, password: await hashPassword('correct horse') }
  const file = makeFile(t, [slow])
  const identity = await createUsers({ file, pollMs: 1 })
  const gone: string[] = []
  t.teardown(identity.watch!(subject => gone.push(subject)))

  const answer = identity.verify({ username: 'ada', password: 'correct horse' })
  await writeFile(file, JSON.stringify({ users: [{ ...slow, scopes: [] }] }))
  t.strictSame(await answer, { subject: 'u-1', scopes: [] })
  t.strictSame(gone, ['u-1'])
})

const unreadable: Array<[what: string, breakIt: (file: string) => Promise<unknown>, reason: RegExp]> = [
  ['deleted', async file => await rm(file), /cannot be read \(ENOENT\)/],
  ['truncated', async file => await writeFile(file, ''), /is not valid JSON/],
  ['cut short', async file => await writeFile(file, '{ "users": ['), /is not valid JSON/],
  ['replaced by a directory', async file => { await rm(file); await mkdir(file) }, /is no regular file/],
  ['replaced by a pipe', async file => { await rm(file); execFileSync('mkfifo', [file]) }, /is no regular file/],
  ['replaced by a link that leads nowhere', async file => { await rm(file); await symlink('nowhere', file) }, /cannot be read \(ENOENT\)/],
  ['a list of users twice', async file => await writeFile(file, '{ "users": [], "users": [] }'), /has a member twice/],
  ['of another kind', async file => await writeFile(file, '{ "people": [] }'), /users: must be a list/]
]

for (const [what, breakIt, reason] of unreadable) {
  t.test(`while the file is ${what} passwords count for a bounded time, then nobody is verified, until it is good again`, async t => {
    const file = makeFile(t, [ada, bob])
    let nowMs = 0
    const told: string[] = []
    const gone: string[] = []
    const identity = await createUsers({ file, pollMs: 5, staleForMs: 300_000, now: () => nowMs, onError: error => told.push((error as Error).message), onRecovery: () => told.push('recovered') })
    t.teardown(identity.watch!(subject => gone.push(subject)))
    const until = async (isDone: () => boolean): Promise<void> => { while (!isDone()) await sleep(5) }
    const signIn = async (username = 'ada') => await identity.verify({ username, password: 'correct horse' })
    t.equal(identity.problem!(), null)

    await breakIt(file)
    await until(() => told.length === 1)
    t.match(told[0], reason)
    t.equal(identity.problem!(), told[0])
    t.match(await signIn(), { subject: 'u-1' })
    for (const minute of [1, 2, 3, 4]) {
      nowMs = minute * 60_000
      await until(() => told.length === minute + 1)
    }
    nowMs = 299_999
    t.match(await signIn(), { subject: 'u-1' })

    nowMs = 300_000
    for (const username of ['ada', 'eve']) await t.rejects(signIn(username), { code: 'PTC_ERR_STORE_UNAVAILABLE', statusCode: 503 })
    t.strictSame(gone, [])

    await rm(file, { recursive: true, force: true })
    await writeFile(`${file}.new`, JSON.stringify({ users: [ada] }))
    await rename(`${file}.new`, file)
    await until(() => told.at(-1) === 'recovered')
    t.equal(identity.problem!(), null)
    t.strictSame(gone, ['bob'])
    t.match(await signIn(), { subject: 'u-1' })
    t.equal(await signIn('bob'), null)
  })
}

t.test('a file that becomes unreadable while a password is checked keeps its user out where it may not be stale', async t => {
  const file = makeFile(t, [ada])
  const identity = await createUsers({ file, staleForMs: 0 })

  await rm(file)
  await t.rejects(identity.verify({ username: 'ada', password: 'correct horse' }), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
  await writeFile(file, JSON.stringify({ users: [ada] }))
  t.match(await identity.verify({ username: 'ada', password: 'correct horse' }), { subject: 'u-1' })
})

t.test('who watches without asking to be told looks at the file by itself', async t => {
  const file = makeFile(t, [ada])
  const errors: unknown[] = []
  const identity = await createUsers({ file, pollMs: 5, onError: error => errors.push(error) })
  t.teardown(identity.watch!(null))

  await rm(file)
  while (errors.length === 0) await sleep(5)
  t.match(identity.problem!(), /ENOENT/)
})

t.test('the digest of the users is that of what they are and may do, not of how their file is written', async t => {
  const [key, otherKey] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
  const digestOf = async (text: string): Promise<string> => (await createUsers({ file: join(t.testdir({ 'users.json': text }), 'users.json') })).digest!(key)
  const zoe = { username: 'zo\u00eb', subject: 'u-9', password, scopes: ['a', 'b'] }
  const before = await digestOf(JSON.stringify({ users: [ada, bob, zoe] }))
  const same = [{ ...zoe, username: 'zoe\u0308', scopes: ['b', 'a', 'b'] }, { ...bob, subject: 'bob', scopes: [] }, { scopes: ada.scopes, password, subject: 'u-1', username: 'ada' }]

  t.equal(await digestOf(JSON.stringify({ users: same }, null, 2)), before)
  for (const users of [[ada, bob], [ada, { ...bob, password: other }, zoe], [{ ...ada, subject: 'u-2' }, bob, zoe], [{ ...ada, scopes: [] }, bob, zoe], [ada, bob, zoe, { ...bob, username: 'eve' }], []]) {
    t.not(await digestOf(JSON.stringify({ users })), before, JSON.stringify(users))
  }
  const identity = await createUsers({ file: makeFile(t, [ada]) })
  t.not(identity.digest!(key), identity.digest!(otherKey))
})

t.test('the digest follows a file that is changed, and stays while the file cannot be read', async t => {
  const { errors, identity, until, write, file } = await watchUsers(t, [ada, bob])
  const key = Buffer.alloc(32)
  const before = identity.digest!(key)

  await writeFile(file, '{')
  await until(() => errors.length > 0)
  t.equal(identity.digest!(key), before)
  await write([ada])
  await until(() => identity.digest!(key) !== before)
  t.not(identity.digest!(key), before)
})

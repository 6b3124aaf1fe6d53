import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { checkConfig } from '../config/load.ts'
import type { StoredUser } from '../users/users-file.ts'
import { composeGateway } from '../gateway/gateway.ts'
import { sha256 } from '../lib/secrets.ts'
import { createRedisStore } from '../stores/redis.ts'
import { findClosedPort } from './helpers/closed-port.ts'
import { patienceMs } from './helpers/patience.ts'
import { writeUsers } from './helpers/portcullis.ts'
import { connectAdmin, connectRedis, startRedis } from './helpers/redis-server.ts'
import { startUpstream } from './helpers/upstream.ts'

interface GatewayOfHost {
  file: string
  warnings: string[]
  /** What operators see: the gauge, and what /readyz warns of. */
  see (): Promise<{ agree: string | undefined, ready: unknown }>
}

/** Two gateways on one Redis, each with a users file as another host would have it, and the clock of the store. */
async function startHosts (t: Test) {
  const server = await startRedis(t)
  const upstream = await startUpstream(t)
  const secret = randomBytes(32).toString('base64url')
  const folder = t.testdir({})
  let offsetMs = 0
  async function start (name: string): Promise<GatewayOfHost> {
    const file = join(folder, name)
    await writeUsers(file, ['ada', 'bob'])
    const store = await createRedisStore({ redis: connectRedis(t, server), timeoutMs: 20_000, clockOffsetMs: () => offsetMs })
    const port = await findClosedPort()
    const warnings: string[] = []
    const app = await composeGateway(checkConfig({
      origin: 'https://app.example.com',
      secret,
      store: { type: 'redis', url: server.url },
      identity: { type: 'users', file },
      admin: { port, token: randomBytes(16).toString('hex') },
      log: { level: 'warn' },
      upstreams: [{ prefix: '/orders', target: upstream.url, audience: 'orders' }]
    }, { directory: folder, env: {} }), { store, compareUsersEveryMs: 20, logTo: { write: line => { if (line.includes('users file')) warnings.push(line) } } })
    t.teardown(async () => {
      await app.close()
      await store.end()
    })
    await app.listen({ host: '127.0.0.1', port: 0 })
    const get = async (path: string): Promise<Response> => await fetch(`http://127.0.0.1:${port}${path}`)
    return {
      file,
      warnings,
      see: async () => ({ agree: /^portcullis_users_files_agree (\d)$/m.exec(await (await get('/metrics')).text())?.[1], ready: await (await get('/readyz')).json() })
    }
  }
  const one = await start('one.json')
  const two = await start('two.json')
  // One content: each file was hashed with salts of its own.
  await writeFile(two.file, await readFile(one.file))
  const admin = await connectAdmin(t, server)
  const notes = async (): Promise<string[]> => Object.values(await admin.hgetall(`portcullis:{0}:notes:users-${sha256('https://app.example.com')}`))
  return { one, two, notes, advance: (ms: number) => { offsetMs += ms } }
}

async function until (isDone: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + patienceMs; !await isDone();) {
    if (performance.now() > end) throw new Error(`it did not happen within ${patienceMs} ms`)
    await sleep(20)
  }
}

async function edit (file: string, change: (users: StoredUser[]) => StoredUser[], space?: number): Promise<void> {
  const { users } = JSON.parse(await readFile(file, 'utf8')) as { users: StoredUser[] }
  await writeFile(file, JSON.stringify({ users: change(users) }, null, space))
}

t.test('gateways of two hosts whose users files differ tell operators, until the files are the same', async t => {
  const { one, two, notes, advance } = await startHosts(t)
  await until(async () => new Set((await notes()).map(note => note.split(':')[2])).size === 1)
  await edit(one.file, users => users.filter(({ username }) => username !== 'bob'))

  await until(async () => {
    advance(1000)
    return (await Promise.all([one.see(), two.see()])).every(({ agree }) => agree === '0')
  })

  for (const { see, warnings } of [one, two]) {
    t.match(await see(), { ready: { status: 'ready', warnings: [/^identity\.file: the users file of another host or process differs/] } })
    t.equal(warnings.length, 1)
    t.match(JSON.parse(warnings[0]!), { level: 40, msg: /give every host the same file/ })
  }

  await writeFile(two.file, await readFile(one.file))
  await until(async () => (await Promise.all([one.see(), two.see()])).every(({ agree }) => agree === '1'))
  t.strictSame((await one.see()).ready, { status: 'ready' })
})

t.test('users files that differ in how they are written alone are the same', async t => {
  const { one, two, notes, advance } = await startHosts(t)
  await edit(two.file, users => users.reverse(), 2)
  await until(async () => new Set((await notes()).map(note => note.split(':')[2])).size === 1)
  const beginsAtMs = Math.max(...(await notes()).map(note => Number(note.split(':')[0])))

  await until(async () => {
    advance(1000)
    const renewedAtMs = (await notes()).map(note => Number(note.split(':')[0]))
    return renewedAtMs.length === 2 && renewedAtMs.every(atMs => atMs > beginsAtMs + 60_000)
  })

  for (const { see, warnings } of [one, two]) {
    t.strictSame(await see(), { agree: '1', ready: { status: 'ready' } })
    t.strictSame(warnings, [])
  }
})

t.test('the store has neither a user, a password hash nor a digest that could be made without the secret', async t => {
  const { one, notes } = await startHosts(t)
  await until(async () => (await notes()).length === 2)
  const { users } = JSON.parse(await readFile(one.file, 'utf8')) as { users: StoredUser[] }

  for (const note of await notes()) {
    t.match(note, /^\d+:\d+:[\w-]{6}\.[\w-]{43}$/)
    for (const { username, password } of users) t.notOk([username, password, sha256(password)].some(known => note.includes(known)))
  }
  const rows = JSON.stringify(users.map(({ username, subject, password, scopes }) => [username, subject, password, scopes]))
  t.notOk((await notes()).some(note => note.includes(sha256(rows))))
})

import { readdir, readFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { checkConfig } from '../../config/load.ts'
import { composeGateway } from '../../gateway/gateway.ts'
import { redisAcl, redisCommands } from '../../stores/redis/acl.ts'
import { createRedisClient, createRedisStore } from '../../stores/redis.ts'
import type { Store } from '../../stores/store.ts'
import { connectAdmin, startRedis } from '../helpers/redis-server.ts'
import { password as userPassword, post } from '../helpers/sign-in.ts'
import { startUpstream } from '../helpers/upstream.ts'

const password = 'correct-horse'
const keyPrefix = 'team-a:'
const rule = redisAcl(keyPrefix).split(' ')

async function serverWith (t: Test, rules: string[]): Promise<{ url: string }> {
  const server = await startRedis(t)
  const admin = await connectAdmin(t, server)
  await admin.call('ACL', 'SETUSER', 'gateway', 'on', `>${password}`, ...rules)
  return { url: server.url.replace('//', `//gateway:${password}@`) }
}

async function open (t: Test, url: string, onWarning?: (text: string) => void): Promise<Store> {
  const store = await createRedisStore({ redis: createRedisClient(url), keyPrefix, closeClient: true, timeoutMs: 10_000, ...onWarning === undefined ? {} : { onWarning } })
  t.teardown(() => store.end())
  return store
}

t.test('a whole gateway runs as a user who may do what the documents list, and nothing else', async t => {
  const { url } = await serverWith(t, ['resetkeys', 'resetchannels', '-@all', ...rule])
  const upstream = await startUpstream(t)
  const lines: string[] = []
  const app = await composeGateway(checkConfig({
    origin: 'https://app.example.com',
    secret: randomBytes(32).toString('base64url'),
    listen: { host: '127.0.0.1', port: 0 },
    store: { type: 'redis', url, keyPrefix, timeout: '10s' },
    identity: async (given: { username: string, password: string }) => given.password === userPassword ? { subject: given.username } : null,
    upstreams: [{ prefix: '/orders', target: upstream.url, audience: 'orders', rateLimit: { max: 100, window: '1m' } }]
  }, { directory: '.', env: {} }), { logTo: { write: line => { lines.push(line) } } })
  t.teardown(async () => { await app.close() })
  const gateway = await app.listen({ host: '127.0.0.1', port: 0 })

  const tokens = await post(`${gateway}/auth/login`, { username: 'ada', password: userPassword, mode: 'tokens' })
  t.equal(tokens.status, 200)
  t.equal((await post(`${gateway}/auth/login`, { username: 'ada', password: 'wrong' })).status, 401)
  const cookie = (await post(`${gateway}/auth/login`, { username: 'ada', password: userPassword })).headers.getSetCookie()[0]!.split(';')[0]!
  t.equal((await fetch(`${gateway}/orders/1`, { headers: { cookie } })).status, 200)
  t.equal((await post(`${gateway}/auth/refresh`, {}, { cookie: tokens.headers.getSetCookie()[0]!.split(';')[0]! })).status, 200)
  t.equal((await post(`${gateway}/auth/step-up`, { password: userPassword }, { cookie })).status, 200)
  await app.portcullis.blocklist.revoke({ jti: 'x' })
  await app.portcullis.blocklist.revoke({ subject: 'ada' })
  await app.portcullis.blocklist.revoke({ all: true })
  await app.portcullis.keys.rotate()
  // The tests add hooks to every server, which are named at the start.
  t.strictSame(lines.filter(line => (JSON.parse(line) as { level: number }).level >= 40 && !line.includes('learnFromAnswer')), [], 'nothing is warned of')
})

t.test('a command that the user may not run is named at the start, with the rule that is needed', async t => {
  for (const name of Object.keys(redisCommands)) {
    const { url } = await serverWith(t, [...rule, `-${name.toLowerCase()}`])
    await t.rejects(open(t, url), { code: 'PTC_ERR_CONFIG_INVALID', message: new RegExp(`^store\\.url: the user of Redis may not run (?:EVAL, )?${name}\\b.*~team-a:\\* \\+`) }, name)
  }
})

t.test('keys that the user may not use are named at the start', async t => {
  for (const pattern of ['~portcullis:*', '~team-a:{*', '%R~team-a:*', '~team-a']) {
    const { url } = await serverWith(t, [...rule.slice(1), pattern])
    await t.rejects(open(t, url), { code: 'PTC_ERR_CONFIG_INVALID', message: /^store\.url: the user of Redis may not (?:use keys that begin with team-a:|run [A-Z, ]+); give it the rule: ~team-a:\* \+/ }, pattern)
  }
})

t.test('a user without SELECT is not led to another database', async t => {
  const { url } = await serverWith(t, [...rule, '-select'])

  await t.rejects(open(t, `${url}/3`), { code: 'PTC_ERR_CONFIG_INVALID', message: /^store\.url: .*may not run SELECT/ })
  t.ok(await open(t, url))
})

t.test('a user without INFO is warned of once: whether the server evicts data is not checked', async t => {
  const warnings: string[] = []
  const printed: unknown[] = []
  for (const method of ['warn', 'error', 'log'] as const) t.intercept(console, method, { value: (...args: unknown[]) => { printed.push(args) } })
  const { url } = await serverWith(t, [...rule, '-info'])

  const store = await open(t, url, text => warnings.push(text))
  await store.pull('0-0')

  t.match(warnings, [/^store\.url: .*maxmemory-policy.*INFO.*allow \+info/])
  t.equal(warnings.length, 1)
  t.strictSame(printed, [], 'the client prints nothing itself')
})

t.test('the list of commands is that of the scripts', async t => {
  const folders = [new URL('../../stores/redis/', import.meta.url), new URL('../../stores/redis/shared/', import.meta.url)]
  const used = new Set<string>()
  for (const folder of folders) {
    for (const file of (await readdir(folder)).filter(name => name.endsWith('.lua'))) {
      for (const [, name] of (await readFile(new URL(file, folder), 'utf8')).matchAll(/redis\.p?call\('(\w+)'/g)) used.add(name!)
    }
  }
  t.ok(used.size > 10)
  t.strictSame([...used].filter(name => !(name in redisCommands)), [])
  t.match(await readFile(new URL('../../docs/guides/operating.md', import.meta.url), 'utf8'), `ACL SETUSER gateway on ><password> ${redisAcl('portcullis:')}`)
})

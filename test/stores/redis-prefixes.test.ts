import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { checkConfig } from '../../config/load.ts'
import { composeGateway } from '../../gateway/gateway.ts'
import { connectAdmin, startRedis } from '../helpers/redis-server.ts'
import { startCluster } from '../helpers/redis-topology.ts'
import { password, post } from '../helpers/sign-in.ts'

const secret = randomBytes(32).toString('base64url')

async function start (t: Test, store: object, more: object = {}): Promise<string> {
  const app = await composeGateway(checkConfig({
    origin: 'https://app.example.com',
    secret,
    listen: { host: '127.0.0.1', port: 0 },
    store: { type: 'redis', timeout: '10s', ...store },
    log: { level: 'silent' },
    rateLimit: { signIn: { max: 3, window: '1h' } },
    identity: async (given: { username: string, password: string }) => given.password === password ? { subject: given.username } : null,
    ...more
  }, { directory: '.', env: {} }))
  t.teardown(async () => { await app.close() })
  return await app.listen({ host: '127.0.0.1', port: 0 })
}

const signIn = async (url: string, given = password): Promise<Response> => await post(`${url}/auth/login`, { username: 'ada', password: given })

t.test('two deployments with a prefix each share nothing: neither sessions, keys and counts, nor a single name', async t => {
  const server = await startRedis(t)
  const admin = await connectAdmin(t, server)
  const [one, two] = [await start(t, { url: server.url }), await start(t, { url: server.url, keyPrefix: 'team-b:' }, { secret: randomBytes(32).toString('base64url') })]
  const cookie = (await signIn(one)).headers.getSetCookie()[0]!.split(';')[0]!

  t.equal((await fetch(`${one}/auth/session`, { headers: { cookie } })).status, 200)
  t.equal((await fetch(`${two}/auth/session`, { headers: { cookie } })).status, 401)
  const kids = await Promise.all([one, two].map(async url => JSON.stringify(await (await fetch(`${url}/.well-known/jwks.json`)).json())))
  t.not(kids[0], kids[1])
  while ((await signIn(one, 'wrong')).status !== 429) { /* until the budget of one is used up */ }
  t.equal((await signIn(two)).status, 200)

  const names = await admin.keys('*')
  t.ok(names.some(name => name.startsWith('team-b:rate:')) && names.some(name => name.startsWith('team-b:{0}:')) && names.some(name => name.startsWith('portcullis:rate:')))
  t.strictSame(names.filter(name => !/^(?:portcullis|team-b):(?:\{0\}:|rate:)/.test(name)), [])
})

t.test('in a Cluster a prefix leaves the hash tags as they are', async t => {
  const cluster = await startCluster(t)
  const url = await start(t, { ...cluster.target, keyPrefix: 'team-b:' })

  t.equal((await signIn(url)).status, 200)
  const names = (await Promise.all((await cluster.primaries()).map(async node => await node.command('KEYS', '*') as string[]))).flat()
  t.ok(names.length > 0)
  t.strictSame(names.filter(name => !/^team-b:(?:\{\d+\}:|rate:)/.test(name)), [])
})

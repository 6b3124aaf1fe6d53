import { Writable } from 'node:stream'
import t from 'tap'
import { main } from '../../cli/main.ts'
import { loadConfig } from '../../config/load.ts'

const env = { REDIS_URL: 'redis://127.0.0.1:6379', PORTCULLIS_SECRET: Buffer.alloc(32, 7).toString('base64url') }

async function check (file: string): Promise<{ exitCode: number, out: string, err: string }> {
  const written = { out: '', err: '' }
  const into = (name: 'out' | 'err') => new Writable({ write (chunk, _encoding, done) { written[name] += String(chunk); done() } })
  const exitCode = await main(['check', '--config', file], { env, stdin: process.stdin, stdout: into('out'), stderr: into('err'), signals: process })
  return { exitCode, ...written }
}

t.test('portcullis check finds nothing to warn of in the example configurations', async t => {
  for (const file of ['examples/gateway.config.yaml', 'examples/portcullis.config.ts']) {
    const { exitCode, out, err } = await check(file)
    t.equal(err, '')
    t.equal(exitCode, 0)
    t.notMatch(out, 'warning')
    t.match(out, '/billing')
  }
})

t.test('the YAML example mints for its services, guards billing and leaves the pages public', async t => {
  const { store, secrets, upstreams } = await loadConfig('examples/gateway.config.yaml', env)

  t.same(store, { type: 'redis', url: env.REDIS_URL, timeoutMs: 500 })
  t.same(secrets, [env.PORTCULLIS_SECRET])
  t.match(upstreams, [
    { prefix: '/orders', rewritePrefix: '/', audience: 'orders', forward: 'mint', scopes: ['orders:read'], consistency: 'replica' },
    { prefix: '/billing', audience: 'billing', forward: 'mint', stepUp: { maxAgeMs: 300_000, methods: ['POST', 'DELETE'] }, consistency: 'strict' },
    { prefix: '/', audience: null, access: 'public', forward: 'none' }
  ])
})

t.test('the TypeScript example checks passwords with a function', async t => {
  const { identity } = await loadConfig('examples/portcullis.config.ts', {})

  t.type(identity, 'function')
  const verify = identity as (credentials: { username: string, password: string }) => Promise<unknown>
  t.match(await verify({ username: 'ada', password: 'open-the-gate' }), { subject: 'ada' })
  t.equal(await verify({ username: 'ada', password: 'wrong' }), null)
})

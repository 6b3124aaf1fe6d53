import { randomBytes } from 'node:crypto'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../config/load.ts'
import { addUser } from '../../users/edit-users.ts'
import { runMain } from '../helpers/portcullis.ts'

const env = { REDIS_URL: 'redis://127.0.0.1:6379', PORTCULLIS_SECRET: randomBytes(32).toString('base64url') }

t.test('portcullis check finds nothing to warn of in the example configurations', async t => {
  const folder = t.testdir({})
  await copyFile('examples/gateway.config.yaml', join(folder, 'gateway.config.yaml'))
  await addUser(join(folder, 'users.json'), 'ada', 'a long passphrase', { scopes: ['orders:read'] })

  for (const file of [join(folder, 'gateway.config.yaml'), 'examples/portcullis.config.ts']) {
    const { code, stdout, stderr } = await runMain(['check', '--config', file], { env })
    t.same([code, stderr], [0, ''])
    t.notMatch(stdout, 'warning')
    t.match(stdout, '/billing')
  }
})

t.test('the YAML example mints for its services, guards billing and leaves the pages public', async t => {
  const { store, secrets, upstreams } = await loadConfig('examples/gateway.config.yaml', env)

  t.same(store, { type: 'redis', target: { url: env.REDIS_URL }, keyPrefix: 'portcullis:', tls: null, timeoutMs: 250 })
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

import { randomBytes } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createSqliteStore } from '../../stores/sqlite.ts'
import { runMain, runPortcullis, writeConfig } from '../helpers/portcullis.ts'

const secret = randomBytes(32).toString('base64url')

t.test('a good configuration is described, and nothing is started or written', async t => {
  const { config, folder } = await writeConfig(t, {
    upstreams: [
      { prefix: '/orders', target: 'http://127.0.0.1:3001', audience: 'orders', scopes: ['orders:read'], stepUp: { maxAge: '5m', methods: ['POST'] } },
      { prefix: '/pub', target: 'http://127.0.0.1:3002', access: 'public' }
    ]
  })

  const { code, stdout, stderr } = await runMain(['check', '--config', config])

  t.same([code, stderr], [0, ''])
  t.match(stdout, 'https://app.example.com')
  t.match(stdout, /^\/orders → http:\/\/127\.0\.0\.1:3001\n {2}accepts +session cookie or access token\n {2}audience +orders\n {2}scopes +orders:read\n {2}step-up +after 5m for POST$/m)
  t.match(stdout, /^\/pub → .*\n {2}accepts +everyone/m)
  t.same((await readdir(folder)).sort(), ['portcullis.json', 'users.json'])
})

t.test('what deserves a second look is a warning, not an error', async t => {
  const { config } = await writeConfig(t, { origin: 'http://localhost:8080', store: { type: 'sqlite', path: ':memory:' } })
  const { code, stdout } = await runMain(['check', '--config', config])
  t.equal(code, 0)
  t.match(stdout, /^warning: origin: /m)
  t.match(stdout, /^warning: store\.path: /m)
})

t.test('every error is one line that names the setting and the fix, and none tells a secret', async t => {
  const { config } = await writeConfig(t, {
    origin: 'http://app.example.com',
    secret: 'too-short-zebra',
    sesion: {},
    session: { idleTimeout: '48h' },
    accessToken: { ttl: '10' },
    store: { type: 'redis', url: 'http://user:zebra@127.0.0.1' },
    upstreams: [{ prefix: '/orders', target: 'http://127.0.0.1:3001' }, { prefix: '/auth/x', target: 'http://127.0.0.1:3001', audience: 'x' }]
  })

  const { code, stdout, stderr } = await runMain(['check', '--config', config])

  t.equal(code, 1)
  t.equal(stdout, '')
  const lines = stderr.trimEnd().split('\n')
  for (const [setting, fix] of [['origin', 'https'], ['secret', '32'], ['sesion', 'session'], ['accessToken.ttl', 'unit'], ['store.url', 'redis://'], ['upstreams[0].audience', 'add audience'], ['upstreams[1].prefix', 'another prefix']] as const) {
    const line = lines.filter(text => text.startsWith(`${setting}: `))
    t.equal(line.length, 1, setting)
    t.match(line[0], fix)
  }
  t.notMatch(stderr, /zebra|\bat .*:\d+/)
})

t.test('yaml, json and ts configurations mean the same', async t => {
  const { folder, config } = await writeConfig(t, { log: {}, rateLimit: {} })
  await writeFile(join(folder, 'portcullis.yaml'), 'origin: https://app.example.com\nlisten: { host: 127.0.0.1, port: 0 }\nstore: { type: sqlite, path: ./portcullis.db }\nidentity: { type: users, file: ./users.json }\n')
  await writeFile(join(folder, 'portcullis.ts'), 'const port: number = 0\nexport default { origin: \'https://app.example.com\', listen: { host: \'127.0.0.1\', port }, store: { type: \'sqlite\', path: \'./portcullis.db\' }, identity: { type: \'users\', file: \'./users.json\' } }\n')
  const outcomes = await Promise.all([config, join(folder, 'portcullis.yaml'), join(folder, 'portcullis.ts')].map(async file => await runMain(['check', '--config', file])))
  for (const { code, stdout, stderr } of outcomes) t.same([code, stdout, stderr], [0, outcomes[0]!.stdout, ''])
})

t.test('a variable of the environment is taken, and has to be there', async t => {
  const { config } = await writeConfig(t, { secret: '${PORTCULLIS_SECRET}' }) // eslint-disable-line no-template-curly-in-string

  const set = await runMain(['check', '--config', config], { env: { PORTCULLIS_SECRET: secret } })
  t.equal(set.code, 0)
  t.notMatch(set.stdout + set.stderr, secret)

  const unset = await runMain(['check', '--config', config])
  t.equal(unset.code, 1)
  t.match(unset.stderr, /^secret: .*PORTCULLIS_SECRET[^\n]*\n$/)
})

t.test('a file that cannot be read, or is no configuration, is one line', async t => {
  const { folder } = await writeConfig(t)
  const broken: Record<string, string> = { 'a.yaml': 'origin: [zebra', 'b.json': '{"origin":"zebra', 'c.ts': 'export default { zebra', 'd.ts': 'throw new Error("line one\\nline two")', 'e.toml': 'zebra', 'f.json': '[]', 'g.ts': 'export const origin = 1', 'h.yaml': '' }
  for (const [name, text] of Object.entries(broken)) await writeFile(join(folder, name), text)
  for (const name of [...Object.keys(broken), 'missing.yaml']) {
    const { code, stdout, stderr } = await runMain(['check', '--config', join(folder, name)])
    t.same([code, stdout], [1, ''], name)
    t.match(stderr, /^[^\n]+\n$/, name)
    t.match(stderr, /: .+/, name)
  }
})

t.test('a database that a gateway has open is checked without touching it', async t => {
  const { folder, config } = await writeConfig(t, { secret })
  const store = await createSqliteStore({ path: join(folder, 'portcullis.db') })
  t.teardown(() => store.end())
  const before = await readdir(folder)

  // In a process of its own, as an operator would: a file that this process has open must not be closed a second time.
  const { code, stdout, stderr } = await runPortcullis(t, ['check', '--config', config])

  t.same([code, stderr], [0, ''])
  t.notMatch(stdout, /^warning: (store|secret)/m)
  t.same(await readdir(folder), before)
  t.ok(await store.writeKeys(0, 'sealed'))
})

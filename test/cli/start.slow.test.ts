import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { signIn } from '../helpers/build-gateway.ts'
import { runMain, startPortcullis, writeConfig } from '../helpers/portcullis.ts'

t.test('start prints one line when it listens, on a free port for 0, and ends with 0 when told', async t => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const { config } = await writeConfig(t, { log: { level: 'error' } })
    const gateway = await startPortcullis(t, config)
    t.match(gateway.url, /^http:\/\/127\.0\.0\.1:[1-9]\d*$/)
    t.equal((await fetch(`${gateway.url}/.well-known/jwks.json`)).status, 200)

    const { code, stdout } = await gateway.end(signal)

    t.equal(code, 0, signal)
    t.equal(stdout, `portcullis listening on ${gateway.url}\n`)
  }
})

t.test('whatever is logged, exactly one line says where it listens', async t => {
  const { config } = await writeConfig(t, { log: { level: 'trace', access: true } })
  const gateway = await startPortcullis(t, config)
  await fetch(`${gateway.url}/unknown`)
  const { stdout } = await gateway.end()
  const lines = stdout.trimEnd().split('\n')
  t.equal(lines.filter(line => line.startsWith('portcullis listening on ')).length, 1)
  for (const line of lines.filter(text => !text.startsWith('portcullis '))) t.doesNotThrow(() => JSON.parse(line) as unknown, line)
})

t.test('a loopback http origin is warned of once, an https one is not', async t => {
  for (const [origin, warnings] of [['http://127.0.0.1:8080', 1], ['https://app.example.com', 0]] as const) {
    const gateway = await startPortcullis(t, (await writeConfig(t, { origin, log: { level: 'warn' } })).config)
    const { stdout, stderr } = await gateway.end()
    t.equal(`${stdout}${stderr}`.split('\n').filter(line => /Secure/.test(line)).length, warnings)
    t.equal(`${stdout}${stderr}`.trimEnd().split('\n').length, 1 + warnings)
  }
})

t.test('yaml and ts configurations are started too', async t => {
  const { folder } = await writeConfig(t)
  await writeFile(join(folder, 'portcullis.yaml'), 'origin: https://app.example.com\nlisten: { host: 127.0.0.1, port: ${PORT} }\nstore: { type: sqlite, path: ./a.db }\nidentity: { type: users, file: ./users.json }\nlog: { level: error }\n') // eslint-disable-line no-template-curly-in-string
  await writeFile(join(folder, 'portcullis.ts'), 'interface Credentials { username: string, password: string }\nexport default { origin: \'https://app.example.com\', listen: { host: \'127.0.0.1\', port: 0 }, store: { type: \'sqlite\', path: \'./b.db\' }, log: { level: \'error\' },\n  identity: async ({ username, password }: Credentials): Promise<string | null> => password === \'correct horse\' ? username : null }\n')
  for (const file of ['portcullis.yaml', 'portcullis.ts']) {
    const gateway = await startPortcullis(t, join(folder, file), { env: { PORT: '0' } })
    const { cookie } = await signIn(gateway.url)
    t.equal((await fetch(`${gateway.url}/auth/session`, { headers: { cookie } })).status, 200, file)
    t.equal((await gateway.end()).code, 0, file)
  }
})

t.test('what keeps it from starting is one line that says what to do, exit 1', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => { taken.close() })
  const { port } = taken.address() as AddressInfo
  const secret = randomBytes(32).toString('base64url')
  for (const [what, more, expected] of [
    ['a taken port', { listen: { host: '127.0.0.1', port } }, /^listen: .*EADDRINUSE/],
    ['an address of another machine', { listen: { host: '203.0.113.7', port: 0 } }, /^listen: .*EADDRNOTAVAIL/],
    ['no users file', { identity: { type: 'users', file: './missing.json' } }, /^identity\.file: .*users add/],
    ['a folder that is not there', { store: { type: 'sqlite', path: './missing/portcullis.db' } }, /^(store|secret)/],
    ['no Redis', { store: { type: 'redis', url: `redis://:zebra@127.0.0.1:${port === 1 ? 2 : 1}`, timeout: '200ms' }, secret }, /store/i]
  ] as const) {
    const { config } = await writeConfig(t, more)
    const { code, stdout, stderr } = await runMain(['start', '--config', config])
    t.equal(code, 1, what)
    t.equal(stdout, '', what)
    const lines = stderr.split('\n').filter(line => line !== '' && !line.startsWith('warning: '))
    t.equal(lines.length, 1, `${what}: ${stderr}`)
    t.match(lines[0], expected, what)
    t.notMatch(stderr, /zebra/)
    t.notMatch(stderr, secret)
  }
})

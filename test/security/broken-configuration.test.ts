import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { checkConfig } from '../../config/load.ts'
import { runMain, runPortcullis, writeConfig } from '../helpers/portcullis.ts'

/*
 * Nobody attacks here: somebody mistypes. A variable that is not set, a line that is commented out, a file that was not mounted. A
 * gateway that goes on with what is left has no audience to check, no secret, everybody as a trusted proxy, or no authentication at
 * all, and looks as if it worked. So whatever is taken away or broken, it does not start, and says which setting it was.
 */

const secret = randomBytes(32).toString('base64url')

/** Every setting there is, each with a value that is not its default. */
const whole = {
  origin: 'https://app.example.com',
  listen: { host: '127.0.0.1', port: 8443, trustProxy: ['10.0.0.0/8'], tls: { cert: './cert.pem', key: './key.pem' } },
  admin: { host: '127.0.0.1', port: 9443, token: 'token-of-the-operators' },
  store: { type: 'redis', url: 'redis://127.0.0.1:6379', timeout: '1s' },
  secret,
  keys: { algorithm: 'EdDSA', rotateEvery: '1d' },
  session: { idleTimeout: '1h', absoluteTimeout: '2h', maxPerSubject: 5 },
  accessToken: { ttl: '5m' },
  refreshToken: { overlap: '5s', retryWindow: '10m' },
  cookies: { sameSite: 'strict' },
  revocation: { consistency: 'replica', maxStaleness: '1s', staleFor: '1s' },
  identity: { type: 'users', file: './users.json' },
  issuers: [{ name: 'idp', issuer: 'https://idp.example.com', jwks: './jwks.json', algorithms: ['RS256'], scopes: ['orders:read'], maxTokenAge: '10m', typ: 'at+jwt' }],
  shutdown: { delay: '1s', timeout: '1s' },
  log: { level: 'warn', access: true },
  limits: { headers: '8KiB', body: '8KiB', headersTimeout: '1s', clientTimeout: '1s', keepAlive: '5s' },
  cors: { origins: ['https://spa.example.com'] },
  rateLimit: { signIn: { max: 5, window: '2m' }, refresh: { max: 5, window: '2m' } },
  upstreams: [{
    prefix: '/orders',
    target: 'http://127.0.0.1:3001',
    rewritePrefix: '/v1',
    audience: 'orders',
    access: 'token',
    scopes: ['orders:read'],
    stepUp: { maxAge: '5m', methods: ['POST'] },
    forward: 'pass',
    authorization: 'strip',
    websocket: true,
    timeout: '5s',
    revocation: { consistency: 'strict' },
    rateLimit: { max: 5, window: '1m' }
  }]
}

type Path = ReadonlyArray<string | number>

function isGroup (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Every place in the configuration, groups and lists too. */
function placesIn (value: unknown, path: Path = []): Path[] {
  const inner = isGroup(value) ? Object.entries(value).flatMap(([name, child]) => placesIn(child, [...path, Array.isArray(value) ? Number(name) : name])) : []
  return path.length === 0 ? inner : [path, ...inner]
}

function valueAt (path: Path): unknown {
  return path.reduce<unknown>((value, name) => (value as Record<string | number, unknown>)[name], whole)
}

/** The configuration with something else at one place; nothing there when `value` is `removed`. */
const removed = Symbol('removed')
function changed (path: Path, value: unknown): unknown {
  const copy = structuredClone(whole) as unknown
  const name = path.at(-1)!
  const group = path.slice(0, -1).reduce<unknown>((inner, step) => (inner as Record<string | number, unknown>)[step], copy) as Record<string | number, unknown>
  if (value === removed) Reflect.deleteProperty(group, name)
  else group[name] = value
  return copy
}

/** As documents name it: `upstreams[0].prefix`. */
function nameOf (path: Path): string {
  return path.reduce<string>((text, name) => typeof name === 'number' ? `${text}[${name}]` : text === '' ? name : `${text}.${name}`, '')
}

/** What is wrong, a line each; nothing when it is accepted. */
function problemsOf (input: unknown): string[] {
  try {
    checkConfig(input, { directory: '/', env: {} })
    return []
  } catch (error) {
    if ((error as { code?: string }).code !== 'PTC_ERR_CONFIG_INVALID') throw error
    return (error as Error).message.split('\n')
  }
}

t.test('every setting together is a good configuration', async t => {
  t.same(problemsOf(whole), [])
  t.ok(placesIn(whole).length > 80)
})

t.test('no setting may be empty, or of another kind, and the error names it', async t => {
  for (const path of placesIn(whole)) {
    const original = valueAt(path)
    for (const value of [null, '', ' ', 'zebra\n', {}, [], [null], [[]], { zebra: 1 }, 0, -1, 1.5, 1e21, Number.NaN, Infinity, true, false, 'null', 'undefined', '[object Object]', 'true', '0', '-1s', '1', () => 'x', new Date(0), new Map()]) {
      const lines = problemsOf(changed(path, value))
      // Empty groups and lists have defaults; a name, a path or a number may be another one.
      const isKind = typeof value === typeof original && Array.isArray(value) === Array.isArray(original) && value !== null && !(typeof value === 'string' && value.trim() === '')
      if (lines.length === 0 && !isKind && !(nameOf(path) === 'identity' && typeof value === 'function')) t.fail(`${nameOf(path)}: ${String(value)} is accepted`)
      if (lines.length > 0 && !lines.some(line => line.startsWith(nameOf(path).replace(/\[\d+\]$/, '')))) t.fail(`${nameOf(path)}: ${String(value)}: ${lines.join()}`)
    }
  }
})

t.test('what cannot be done without is missed', async t => {
  for (const name of [
    'origin', 'identity', 'identity.type', 'identity.file', 'secret', 'store.type', 'store.url', 'listen.tls.cert', 'listen.tls.key', 'admin.token', 'upstreams[0].prefix', 'upstreams[0].target', 'upstreams[0].audience', 'upstreams[0].stepUp.maxAge', 'upstreams[0].rateLimit.max', 'upstreams[0].rateLimit.window',
    'issuers[0].name', 'issuers[0].issuer', 'issuers[0].jwks', 'issuers[0].algorithms'
  ]) {
    const path = placesIn(whole).find(place => nameOf(place) === name)!
    t.match(problemsOf(changed(path, removed)), [new RegExp(`^${name.replaceAll(/[.[\]]/g, '\\$&')}: is required`)], name)
  }
})

t.test('no demand can be taken away by a value of nothing', async t => {
  for (const [name, values] of [
    ['listen.trustProxy', [true, 1, '*', ['*'], ['0.0.0.0/0'], ['::/0'], ['']]], ['upstreams[0].scopes', [null, '', [''], [null], ['a b']]], ['upstreams[0].audience', [null, '', [], ['orders'], true]], ['upstreams[0].access', [null, '', 'none', 'anonymous', 'PUBLIC', true, ['any']]],
    ['upstreams[0].stepUp', [null, false, 0, '', {}, { maxAge: '0s' }, { maxAge: null }, { maxAge: '5m', methods: [] }, { maxAge: '5m', methods: [''] }, { maxAge: '5m', methods: null }]], ['issuers[0].algorithms', [null, [], ['none'], ['HS256'], [''], 'RS256', ['RS256', 'HS256']]], ['cors.origins', [null, ['*'], ['null'], [''], '*']],
    ['secret', [null, '', [], [''], 'secret', 'a'.repeat(42), 'A'.repeat(43).slice(1), [secret, '']]], ['admin.token', [null, '', 'short', ' '.repeat(20)]], ['revocation.consistency', [null, '', 'none', 'off', false]], ['rateLimit.signIn.max', [null, 0, -1, false, 'unlimited', Infinity]], ['cookies.sameSite', [null, '', 'none', false]]
  ] as Array<[string, unknown[]]>) {
    const path = placesIn(whole).find(place => nameOf(place) === name)!
    for (const value of values) t.ok(problemsOf(changed(path, value)).some(line => line.startsWith(name)), `${name}: ${JSON.stringify(value)}`)
  }
})

t.test('a file that is missing, empty or broken keeps the gateway from starting', async t => {
  for (const [what, more, files, setting] of [
    ['no users file', { identity: { type: 'users', file: './none.json' } }, {}, 'identity.file'],
    ['an empty users file', {}, { 'users.json': '' }, 'identity.file'],
    ['a users file of no users', {}, { 'users.json': '{"users":null}' }, 'identity.file'],
    ['a users file that is a list', {}, { 'users.json': '[]' }, 'identity.file'],
    ['a users file with an open password', {}, { 'users.json': '{"users":[{"username":"a","subject":"a","password":"hunter2","scopes":[]}]}' }, 'identity.file'],
    ['no certificate', { listen: { host: '127.0.0.1', port: 0, tls: { cert: './cert.pem', key: './key.pem' } } }, {}, 'listen.tls.cert'],
    ['an empty certificate', { listen: { host: '127.0.0.1', port: 0, tls: { cert: './cert.pem', key: './key.pem' } } }, { 'cert.pem': '', 'key.pem': '' }, 'listen.tls'],
    ['no keys of an issuer', { issuers: [{ name: 'idp', issuer: 'https://idp.example.com', jwks: './none.json', algorithms: ['RS256'] }] }, {}, 'issuers'],
    ['keys of an issuer that are none', { issuers: [{ name: 'idp', issuer: 'https://idp.example.com', jwks: './jwks.json', algorithms: ['RS256'] }] }, { 'jwks.json': '{"keys":[]}' }, 'issuers'],
    ['an empty configuration', {}, { 'portcullis.json': '' }, 'portcullis.json: is not valid JSON'],
    ['a configuration that is cut', {}, { 'portcullis.json': '{"origin": "https://app.example.com"' }, 'portcullis.json:1: is not valid JSON'],
    ['a configuration of null', {}, { 'portcullis.json': 'null' }, 'configuration']
  ] as Array<[string, object, Record<string, string>, string]>) {
    const { config, folder } = await writeConfig(t, more)
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)

    const { code, stdout, stderr } = await runMain(['start', '--config', config])

    t.equal(code, 1, what)
    t.equal(stdout, '', what)
    t.match(stderr, setting, `${what}: ${stderr}`)
    t.notMatch(stderr, 'hunter2')
  }
})

t.test('a variable that is not set, or empty, is no value', async t => {
  const { config } = await writeConfig(t, { secret: '$' + '{PORTCULLIS_SECRET}' })
  for (const env of [{}, { PORTCULLIS_SECRET: '' }, { PORTCULLIS_SECRET: ' ' }, { PORTCULLIS_SECRET: 'short' }] as Array<Record<string, string>>) {
    const { code, stdout, stderr } = await runPortcullis(t, ['start', '--config', config], { env })
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, /^secret: /)
    t.equal(stderr.trimEnd().split('\n').length, 1)
  }
})

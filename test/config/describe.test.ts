import { randomBytes } from 'node:crypto'
import t from 'tap'
import { describeConfig } from '../../config/describe.ts'
import { checkConfig } from '../../config/load.ts'
import { redisAcl } from '../../stores/redis/acl.ts'

const secret = randomBytes(32).toString('base64url')
const target = 'http://127.0.0.1:3001'

t.test('each upstream says what it accepts and what it is told', async t => {
  const config = checkConfig({
    origin: 'https://app.example.com',
    secret,
    store: { type: 'redis', url: 'redis://:hunter2@redis:6379' },
    session: { idleTimeout: '90s', deviceBound: {} },
    identity: async () => null,
    upstreams: [
      { prefix: '/orders', target, audience: 'orders', scopes: ['orders:read', 'orders:write'], rewritePrefix: '/', stepUp: { maxAge: '5m', methods: ['POST'] } },
      { prefix: '/native', target, audience: 'native', access: 'token', forward: 'pass', stepUp: { maxAge: '1500ms' }, websocket: true },
      { prefix: '/legacy', target, audience: 'legacy', access: 'session', forward: 'headers', authorization: 'keep', revocation: { consistency: 'strict' } },
      { prefix: '/news', target, access: 'public', audience: 'news', rateLimit: { max: 600, window: '1m' } },
      { prefix: '/', target, access: 'public' }
    ]
  }, { directory: '/', env: {} })

  const lines = describeConfig(config)
  t.strictSame(lines, [
    'https://app.example.com',
    '  listens on     0.0.0.0:8080',
    '  store          redis redis:6379, keys portcullis:*',
    `  redis user     needs ${redisAcl('portcullis:')}`,
    '  eviction       must be off (maxmemory-policy noeviction): asked at start, by INFO, and not here',
    '  users          a function',
    '  sessions       90s idle, 1d in all',
    '  devices        bind sessions where browsers can, by a cookie of 5m',
    '  access tokens  10m',
    '/orders → http://127.0.0.1:3001/',
    '  accepts        session cookie or access token',
    '  audience       orders',
    '  scopes         orders:read orders:write',
    '  step-up        after 5m for POST',
    '  forwards       a minted token',
    '/native → http://127.0.0.1:3001',
    '  accepts        access token; WebSockets too',
    '  audience       native',
    '  step-up        after 1500ms for every method',
    '  forwards       the client\'s token',
    '/legacy → http://127.0.0.1:3001',
    '  accepts        session cookie',
    '  audience       legacy',
    '  revocation     always asks the store',
    '  forwards       identity headers and the client\'s Authorization',
    '/news → http://127.0.0.1:3001',
    '  accepts        everyone, and looks at session cookie and access token',
    '  audience       news',
    '  rate limit     600 requests in 1m',
    '  forwards       a minted token',
    '/ → http://127.0.0.1:3001',
    '  accepts        everyone, and looks at the session cookie',
    '  forwards       no identity'
  ])
  t.notMatch(lines.join('\n'), 'hunter2')
  t.notMatch(lines.join('\n'), secret)
})

t.test('each issuer says whose tokens are accepted', async t => {
  const issuers = [
    { name: 'idp', issuer: 'https://idp.example.com', jwks: 'keys.json', algorithms: ['RS256' as const], scopes: ['orders:read'] },
    { name: 'partner', issuer: 'https://partner.example.com', jwksUri: 'https://partner.example.com/jwks?key=hunter2', algorithms: ['ES256' as const], typ: 'any' as const }
  ]
  const config = checkConfig({ origin: 'http://localhost', identity: async () => null, issuers }, { directory: '/', env: {} })

  t.strictSame(describeConfig(config).slice(-9, -1), [
    'idp → https://idp.example.com',
    '  keys           /keys.json',
    '  tokens         RS256, at most 1h old',
    '  scopes         orders:read',
    'partner → https://partner.example.com',
    '  keys           of partner.example.com',
    '  tokens         ES256, at most 1h old, of any typ',
    '  scopes         none'
  ])
})

t.test('a gateway says where it listens, whom it believes and what it keeps', async t => {
  const config = checkConfig({
    origin: 'https://app.example.com',
    listen: { host: '10.0.0.5', port: 443, trustProxy: ['10.0.0.1', 'fd00::/8'], tls: { cert: 'a', key: 'b' } },
    admin: { token: secret },
    identity: { type: 'users', file: 'users.json' },
    cors: { origins: ['https://spa.example.com'] },
    pages: true
  }, { directory: '/srv', env: {} })

  t.strictSame(describeConfig(config), [
    'https://app.example.com',
    '  listens on     10.0.0.5:443 with TLS',
    '  proxies        10.0.0.1 fd00::/8',
    '  admin          127.0.0.1:9090',
    '  store          sqlite /srv/portcullis.db',
    '  users          /srv/users.json',
    '  sessions       30m idle, 1d in all',
    '  access tokens  10m',
    '  pages          /auth/sign-in /auth/account',
    '  other origins  https://spa.example.com',
    'no upstreams'
  ])
})

t.test('an upstream says where its requests go, and how', async t => {
  const lines = describeConfig(checkConfig({
    origin: 'https://app.example.com',
    secret,
    store: { type: 'redis', url: 'redis://redis:6379' },
    identity: async () => null,
    upstreams: [
      { prefix: '/wiki', targets: [target, 'http://127.0.0.1:3002'], rewritePrefix: '/w', access: 'public', passHostHeader: false, redirects: 'keep', health: { path: '/healthz' } },
      { prefix: '/dav', target: 'http://127.0.0.1:3003', access: 'public', paths: 'transparent' }
    ]
  }, { directory: '/', env: {} }))

  t.strictSame(lines.slice(lines.findIndex(line => line.startsWith('/wiki'))), [
    '/wiki → http://127.0.0.1:3001/w, http://127.0.0.1:3002/w',
    '  accepts        everyone, and looks at the session cookie',
    '  forwards       no identity',
    '  Host           that of the target',
    '  redirects      as the service writes them',
    '  health         GET /healthz at each target every 5s',
    '/dav → http://127.0.0.1:3003',
    '  accepts        everyone, and looks at the session cookie',
    '  forwards       no identity',
    '  paths          byte for byte'
  ])
})

import { randomBytes } from 'node:crypto'
import t from 'tap'
import { describeConfig } from '../../config/describe.ts'
import { checkConfig } from '../../config/load.ts'

const secret = randomBytes(32).toString('base64url')
const target = 'http://127.0.0.1:3001'

t.test('each upstream says what it accepts and what it is told', async t => {
  const config = checkConfig({
    origin: 'https://app.example.com',
    secret,
    store: { type: 'redis', url: 'redis://:hunter2@redis:6379' },
    session: { idleTimeout: '90s' },
    identity: async () => null,
    upstreams: [
      { prefix: '/orders', target, audience: 'orders', scopes: ['orders:read', 'orders:write'], rewritePrefix: '/', stepUp: { maxAge: '5m', methods: ['POST'] } },
      { prefix: '/native', target, audience: 'native', access: 'token', forward: 'pass', stepUp: { maxAge: '1500ms' } },
      { prefix: '/legacy', target, audience: 'legacy', access: 'session', forward: 'headers', authorization: 'keep', revocation: { consistency: 'strict' } },
      { prefix: '/news', target, access: 'public', audience: 'news', rateLimit: { max: 600, window: '1m' } },
      { prefix: '/', target, access: 'public' }
    ]
  }, { directory: '/', env: {} })

  const lines = describeConfig(config)
  t.strictSame(lines, [
    'origin https://app.example.com, store redis, sessions 90s idle and 1d in all, access tokens 10m',
    '/orders → http://127.0.0.1:3001/, audience orders, accepts session cookie or access token, scopes orders:read orders:write, step-up after 5m for POST, forwards a minted token',
    '/native → http://127.0.0.1:3001, audience native, accepts access token, step-up after 1500ms for every method, forwards the client\'s token',
    '/legacy → http://127.0.0.1:3001, audience legacy, accepts session cookie, always asks the store, forwards identity headers, keeps the client\'s Authorization',
    '/news → http://127.0.0.1:3001, audience news, accepts everyone, and looks at session cookie and access token, at most 600 requests in 1m, forwards a minted token',
    '/ → http://127.0.0.1:3001, no audience, accepts everyone, and looks at the session cookie, forwards no identity'
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

  t.strictSame(describeConfig(config).slice(1, 3), [
    'idp → https://idp.example.com, keys from /keys.json, RS256, scopes orders:read, tokens at most 1h old',
    'partner → https://partner.example.com, keys from partner.example.com, ES256, no scopes, tokens at most 1h old, of any typ'
  ])
})

t.test('a gateway without upstreams says so', async t => {
  const config = checkConfig({ origin: 'http://localhost', identity: async () => null }, { directory: '/', env: {} })

  t.equal(describeConfig(config)[1], 'no upstreams')
})

import { randomUUID } from 'node:crypto'
import t from 'tap'
import { lintConfig } from '../../config/lint.ts'
import { checkConfig } from '../../config/load.ts'

const sound = { origin: 'https://app.example.com', listen: { trustProxy: ['10.0.0.1'] }, identity: async () => null }
const orders = { prefix: '/orders', target: 'http://127.0.0.1:3001', audience: 'orders' }

function settingsOf (input: object): string[] {
  return lintConfig(checkConfig({ ...sound, ...input }, { directory: '/', env: {} })).map(line => line.split(':')[0]!)
}

t.test('a sound configuration gives no warning', async t => {
  t.strictSame(settingsOf({ upstreams: [orders] }), [])
})

t.test('two names at one port are one service where they resolve to one address, and a warning where they do not resolve', async t => {
  const [a, b] = [{ prefix: '/', target: 'http://a.internal:3001', access: 'public', forward: 'none' }, { ...orders, target: 'http://b.internal:3001', forward: 'none' }]
  const linesOf = (addresses: Record<string, string[]>, upstreams = [a, b]) => lintConfig(checkConfig({ ...sound, upstreams }, { directory: '/', env: {} }), null, new Map(Object.entries(addresses)))

  t.match(linesOf({}), [/^upstreams\[0\]\.target: is at the same port as that of upstreams\[1\].* write the same target for both/])
  t.equal(linesOf({ 'a.internal': ['10.0.0.1'] }).length, 1, 'one of them does not resolve')
  t.strictSame(linesOf({ 'a.internal': ['10.0.0.1'], 'b.internal': ['10.0.0.2'] }), [], 'two services')
  t.strictSame(linesOf({ 'a.internal': ['10.0.0.1', 'fd00::1'], 'b.internal': ['10.0.0.2', 'fd00::1'] }), [], 'one service, whose other spellings are refused')
  t.strictSame(linesOf({}, [a, { ...b, target: 'http://b.internal:3002' }]), [], 'another port is another service')
})

const doubtful: Array<[reason: string, input: object, ...settings: string[]]> = [
  ['an http origin', { origin: 'http://localhost:8080', listen: { host: 'localhost' } }, 'origin'],
  ['no trusted proxy', { listen: {} }, 'listen.trustProxy'],
  ['administration from elsewhere', { admin: { host: '0.0.0.0', token: randomUUID() } }, 'admin.host'],
  ['TLS for an http origin', { origin: 'http://localhost', listen: { host: 'localhost', tls: { cert: 'a', key: 'b' } } }, 'origin', 'listen.tls'],
  ['a database in memory', { store: { type: 'sqlite', path: ':memory:' } }, 'store.path'],
  ['a key that signs before services know it', { keys: { publishAhead: '30s' } }, 'keys.publishAhead'],
  ['device cookies that Chromium cannot keep up with', { session: { deviceBound: { cookieTtl: '3m' } } }, 'session.deviceBound.cookieTtl'],
  ['device cookies for an http origin', { origin: 'http://localhost:8080', listen: { host: 'localhost' }, session: { deviceBound: {} } }, 'origin', 'session.deviceBound'],
  ['serving stale', { revocation: { staleFor: '1m' } }, 'revocation.staleFor'],
  ['the textbook rule of rotation', { refreshToken: { overlap: '0s', retryWindow: '0s' } }, 'refreshToken'],
  ['one audience for two services', { upstreams: [orders, { ...orders, prefix: '/b', target: 'http://127.0.0.1:3002' }] }, 'upstreams[1].audience'],
  ['a public rewrite that leads around a demand', { upstreams: [{ prefix: '/pub', target: orders.target, access: 'public', rewritePrefix: '/' }, orders] }, 'upstreams[0].rewritePrefix'],
  ['a public rewrite to just where a demand is', { upstreams: [orders, { prefix: '/pub', target: orders.target, access: 'public', rewritePrefix: '/orders' }] }, 'upstreams[1].rewritePrefix'],
  ['a public rewrite below a longer path', { upstreams: [{ prefix: '/pub', target: orders.target, access: 'public', rewritePrefix: '/v1' }, { ...orders, rewritePrefix: '/v1/orders' }] }, 'upstreams[0].rewritePrefix'],
  ['a service with workers over the sign-in page', { pages: true, upstreams: [{ ...orders, prefix: '/' }] }, 'upstreams[0].prefix'],
  ['tokens in the clear', { upstreams: [{ ...orders, target: 'http://orders.internal' }] }, 'upstreams[0].target']
]

t.test('a user or an issuer who may give a scope is enough', async t => {
  const user = { username: 'ada', password: '', scopes: ['a'] }
  const idp = { name: 'idp', issuer: 'https://idp.example.com', jwks: 'keys.json', algorithms: ['RS256'], scopes: ['b'] }
  const linesOf = (access: string, users: Array<typeof user> | null) => lintConfig(checkConfig({ ...sound, issuers: [idp], upstreams: [{ ...orders, access, scopes: ['a', 'b'] }, { ...orders, prefix: '/all', scopes: [] }] }, { directory: '/', env: {} }), users)

  t.strictSame(linesOf('any', [user]), [])
  t.strictSame(linesOf('any', null), [], 'nobody knows whom a function knows')
  t.strictSame(linesOf('session', [user]).map(line => line.replace(/;.*/, '')), ['upstreams[0].scopes: no user and no issuer may give b, so everybody is refused'], 'tokens of an issuer have no session')
})

const api = { prefix: '/api', target: orders.target, audience: 'api', scopes: ['api'] }
const open = { target: orders.target, access: 'public' }

const ways: Array<[reason: string, upstreams: object[], ...settings: string[]]> = [
  ['an exception from everything', [{ ...api, prefix: '/' }, { ...open, prefix: '/assets' }]],
  ['another service in front', [{ ...open, prefix: '/', target: 'http://127.0.0.1:3002' }, api]],
  ['a public part that is named', [{ ...api, rewritePrefix: '/' }, { ...open, prefix: '/status' }]],
  ['siblings of one service', [api, { ...open, prefix: '/news' }, { ...open, prefix: '/apis' }]],
  ['a stricter part of another service', [{ ...api, scopes: [] }, { ...api, prefix: '/api/admin', audience: 'admin', target: 'http://127.0.0.1:3002', scopes: ['admin'] }]],
  ['a spelling without letters', [{ ...open, prefix: '/' }, { ...api, prefix: '/1' }]],
  ['a public part of a guarded one', [api, { ...open, prefix: '/api/status' }], 'upstreams[1].prefix'],
  ['a part without the step-up of the whole', [{ ...api, stepUp: { maxAge: '5m' } }, { ...api, prefix: '/api/status' }], 'upstreams[1].prefix'],
  ['a back door by a rewrite to another name of the machine', [{ ...open, prefix: '/pub', rewritePrefix: '/', target: 'http://localhost:3001' }, api], 'upstreams[0].rewritePrefix'],
  ['a back door by a rewrite', [{ ...open, prefix: '/pub', rewritePrefix: '/' }, api], 'upstreams[0].rewritePrefix'],
  ['a back door by a rewrite in another case', [{ ...open, prefix: '/pub', rewritePrefix: '/Ord' }, { ...api, rewritePrefix: '/oRD/x' }], 'upstreams[0].rewritePrefix'],
  ['a back door by the same rewrite in another case', [{ ...open, prefix: '/pub', rewritePrefix: '/ORD' }, { ...api, rewritePrefix: '/ord' }], 'upstreams[0].rewritePrefix'],
  ['a back door by a prefix inside in another case', [{ ...open, prefix: '/API/pub' }, api], 'upstreams[0].prefix'],
  ['a back door by the same rewrite', [{ ...api, rewritePrefix: '/' }, { ...open, prefix: '/pub', rewritePrefix: '/' }], 'upstreams[1].rewritePrefix'],
  ['a back door within everything', [{ ...api, prefix: '/' }, { ...open, prefix: '/pub', rewritePrefix: '/' }], 'upstreams[1].rewritePrefix'],
  ['one prefix in two spellings that demand different things', [{ ...open, prefix: '/API' }, api], 'upstreams[1].prefix'],
  ['a spelling of the prefix around it', [{ ...open, prefix: '/API' }, { ...api, prefix: '/api/admin' }]],
  ['a service that may not tell /API from /api', [{ ...open, prefix: '/' }, api]]
]

for (const [reason, upstreams, ...settings] of ways) {
  t.test(`${reason}: ${settings.length === 0 ? 'nothing is said' : 'the way around is told'}`, async t => {
    t.strictSame(settingsOf({ upstreams }), settings)
  })
}

t.test('without a proxy in front there is nobody to trust', async t => {
  t.strictSame(settingsOf({ listen: { tls: { cert: 'a', key: 'b' } } }), [])
})

t.test('a public prefix around one that is not is no hole, as long as the paths stay apart', async t => {
  const app = { prefix: '/app', target: orders.target, access: 'public' }
  for (const upstreams of [
    [app, { ...orders, prefix: '/app/admin' }],
    [{ ...app, prefix: '/' }, orders],
    [{ ...app, rewritePrefix: '/' }, { ...orders, prefix: '/app/admin', rewritePrefix: '/admin' }],
    [{ ...app, prefix: '/', rewritePrefix: '/v1' }, { ...orders, rewritePrefix: '/v1/orders' }],
    [{ ...app, rewritePrefix: '/orders2' }, orders],
    [{ ...app, rewritePrefix: '/', target: 'http://127.0.0.1:3002' }, orders]
  ]) t.strictSame(settingsOf({ upstreams }), [], JSON.stringify(upstreams))
})

for (const [reason, input, ...settings] of doubtful) {
  t.test(`${reason} is warned of in one line`, async t => {
    t.strictSame(settingsOf(input), settings)
  })
}

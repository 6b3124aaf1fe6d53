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

const doubtful: Array<[reason: string, input: object, ...settings: string[]]> = [
  ['an http origin', { origin: 'http://localhost' }, 'origin'],
  ['no trusted proxy', { listen: {} }, 'listen.trustProxy'],
  ['administration from elsewhere', { admin: { host: '0.0.0.0', token: 'a-token-of-operators' } }, 'admin.host'],
  ['TLS for an http origin', { origin: 'http://localhost', listen: { tls: { cert: 'a', key: 'b' } } }, 'origin', 'listen.tls'],
  ['a database in memory', { store: { type: 'sqlite', path: ':memory:' } }, 'store.path'],
  ['serving stale', { revocation: { staleFor: '1m' } }, 'revocation.staleFor'],
  ['the textbook rule of rotation', { refreshToken: { overlap: '0s', retryWindow: '0s' } }, 'refreshToken'],
  ['one audience for two services', { upstreams: [orders, { ...orders, prefix: '/b', target: 'http://127.0.0.1:3002' }] }, 'upstreams[1].audience'],
  ['a public rewrite that leads around a demand', { upstreams: [{ prefix: '/pub', target: orders.target, access: 'public', rewritePrefix: '/' }, orders] }, 'upstreams[0].rewritePrefix'],
  ['a public rewrite to just where a demand is', { upstreams: [orders, { prefix: '/pub', target: orders.target, access: 'public', rewritePrefix: '/orders' }] }, 'upstreams[1].rewritePrefix'],
  ['a public rewrite below a longer path', { upstreams: [{ prefix: '/pub', target: orders.target, access: 'public', rewritePrefix: '/v1' }, { ...orders, rewritePrefix: '/v1/orders' }] }, 'upstreams[0].rewritePrefix'],
  ['tokens in the clear', { upstreams: [{ ...orders, target: 'http://orders.internal' }] }, 'upstreams[0].target']
]

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

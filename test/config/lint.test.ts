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
  ['a key that signs before services know it', { keys: { publishAhead: '30s' } }, 'keys.publishAhead'],
  ['serving stale', { revocation: { staleFor: '1m' } }, 'revocation.staleFor'],
  ['the textbook rule of rotation', { refreshToken: { overlap: '0s', retryWindow: '0s' } }, 'refreshToken'],
  ['one audience for two services', { upstreams: [orders, { ...orders, prefix: '/b', target: 'http://127.0.0.1:3002' }] }, 'upstreams[1].audience'],
  ['tokens in the clear', { upstreams: [{ ...orders, target: 'http://orders.internal' }] }, 'upstreams[0].target']
]

t.test('without a proxy in front there is nobody to trust', async t => {
  t.strictSame(settingsOf({ listen: { tls: { cert: 'a', key: 'b' } } }), [])
})

for (const [reason, input, ...settings] of doubtful) {
  t.test(`${reason} is warned of in one line`, async t => {
    t.strictSame(settingsOf(input), settings)
  })
}

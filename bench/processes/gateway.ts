import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import { buildGateway } from '../../gateway.ts'
import { cpuTime, serveParent } from './child.ts'

/** The real gateway with everything that it has, on an SQLite file, in front of one upstream that is reached in three ways. */
const [upstream = '', directory = '', users = '500'] = process.argv.slice(2)

const app = await buildGateway({
  origin: 'https://app.example.com',
  listen: { host: '127.0.0.1', port: 0 },
  store: { type: 'sqlite', path: join(directory, 'bench.db') },
  accessToken: { ttl: '15m' },
  identity: async ({ username }: { username: string }) => ({ subject: username, scopes: ['orders:read', 'orders:write'] }),
  log: { level: 'error' },
  rateLimit: { signIn: { max: 1_000_000 } },
  upstreams: [
    { prefix: '/orders', target: upstream, audience: 'orders', scopes: ['orders:read'] },
    { prefix: '/public', target: upstream, access: 'public' },
    { prefix: '/carried', target: upstream, access: 'public', authorization: 'keep', forward: 'none' }
  ]
})

/** Signed in as browsers and apps are: through the gateway's own endpoint. */
async function signIn (username: string, mode: 'session' | 'tokens'): Promise<string> {
  const response = await app.inject({ method: 'POST', url: '/auth/login', payload: { username, password: 'any', mode } })
  if (response.statusCode !== 200) throw new Error(`sign-in answered ${response.statusCode}: ${response.body}`)
  if (mode === 'tokens') return response.json<{ access_token: string }>().access_token
  return response.cookies.find(({ name }) => name === '__Host-portcullis')!.value
}

const names = Array.from({ length: Number(users) }, (_, index) => `user-${index}`)
const tokens: string[] = []
const cookies: string[] = []
for (const name of names) {
  tokens.push(await signIn(name, 'tokens'))
  cookies.push(await signIn(name, 'session'))
}

await app.listen({ host: '127.0.0.1', port: 0 })
serveParent({ url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`, tokens, cookies }, { cpu: cpuTime }, async () => {
  app.server.closeAllConnections()
  await app.close()
})

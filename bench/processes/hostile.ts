import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { buildGateway } from '../../gateway/gateway.ts'
import { cpuTime, serveParent } from './child.ts'

/** The complete gateway in front of an upstream that no request may reach. */
const [directory = '', headers = '16KiB'] = process.argv.slice(2)

const app = await buildGateway({
  origin: 'https://app.example.com',
  listen: { host: '127.0.0.1', port: 0 },
  store: { type: 'sqlite', path: join(directory, `hostile-${headers}.db`) },
  limits: { headers },
  identity: async ({ username, password }: { username: string, password: string }) => password === 'right' ? { subject: username, scopes: [] } : null,
  log: { level: 'error' },
  rateLimit: { signIn: { max: 1_000_000 }, refresh: { max: 1_000_000 } },
  upstreams: [{ prefix: '/orders', target: 'http://127.0.0.1:9', audience: 'orders' }]
})

const signedIn = await app.inject({ method: 'POST', url: '/auth/login', payload: { username: 'ada', password: 'right', mode: 'tokens' } })
await app.listen({ host: '127.0.0.1', port: 0 })
serveParent({ port: (app.server.address() as AddressInfo).port, token: signedIn.json<{ access_token: string }>().access_token }, { cpu: cpuTime }, async () => {
  app.server.closeAllConnections()
  await app.close()
})

import { buildGateway } from '../../gateway/gateway.ts'
import { collectGarbage, serveParent } from './child.ts'

/** Measures how much the heap of a gateway grows by each credential that it remembers. */
const atOnce = 64

const app = await buildGateway({
  origin: 'https://app.example.com',
  store: { type: 'sqlite', path: ':memory:' },
  identity: async ({ username }: { username: string }) => ({ subject: username, scopes: ['orders:read', 'orders:write'] }),
  log: { level: 'silent' },
  rateLimit: { signIn: { max: 1_000_000 } },
  upstreams: [{ prefix: '/orders', target: 'http://127.0.0.1:9', audience: 'orders' }]
})
await app.ready()
const { accessToken, session } = app.portcullis

async function signIn (username: string, mode: 'session' | 'tokens'): Promise<string> {
  const response = await app.inject({ method: 'POST', url: '/auth/login', payload: { username, password: 'any', mode } })
  return mode === 'tokens' ? response.json<{ access_token: string }>().access_token : response.cookies[0]!.value
}

function heapBytes (): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

async function remember ({ mode, count }: { mode: 'session' | 'tokens', count: number }): Promise<{ bytes: number }> {
  const credentials: string[] = []
  while (credentials.length < count) credentials.push(...await Promise.all(Array.from({ length: atOnce }, async (_, index) => await signIn(`${mode}-${credentials.length + index}`, mode))))
  const before = heapBytes()
  // Each credential is a fresh string, as in a request, so that a retained reference keeps its bytes.
  for (const credential of credentials.map(text => Buffer.from(text).toString())) await (mode === 'tokens' ? accessToken.verify(credential) : session.resolve(credential, false))
  return { bytes: (heapBytes() - before) / credentials.length }
}

serveParent({}, { remember }, async () => { await app.close() })

import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { buildGateway } from '../index.ts'
import { startDemoApp } from './demo-app.ts'
import { startOpenIdProvider } from './openid-provider.ts'
import { startUpstream } from './upstream.ts'

// Without a listener, SIGUSR1 opens the debugger of Node.
process.on('SIGUSR1', () => {})

/* A complete gateway on this machine: the embedded store, two small upstreams that show what they receive, a page that demonstrates
 * it, one user with a password, and a small identity provider.
 * `npm start`, or `npm start -- --port 9000`. */
const port = portOf(process.argv.slice(2))
// Each port has a directory, so a second demo does not disturb the first.
const directory = resolve('.demo', String(port))
const user = { username: 'demo', password: 'open-the-gate' }

await mkdir(directory, { recursive: true, mode: 0o700 })

const orders = await startUpstream('orders')
const billing = await startUpstream('billing')
const app = await startDemoApp()

const origin = `http://localhost:${port}`
const clientSecret = randomBytes(32).toString('base64url')
const provider = await startOpenIdProvider({
  clients: [{
    client_id: 'demo',
    client_secret: clientSecret,
    redirect_uris: [`${origin}/auth/callback/corp`],
    post_logout_redirect_uris: [`${origin}/auth/sign-in?signed_out`],
    backchannel_logout_uri: `${origin}/auth/backchannel-logout/corp`,
    backchannel_logout_session_required: true
  }]
})
const gateway = await buildGateway({
  origin,
  listen: { host: 'localhost', port },
  store: { type: 'sqlite', path: './portcullis.db' },
  identity: [
    async ({ username, password }) => username === user.username && password === user.password ? { subject: user.username, scopes: ['orders:read', 'orders:write'] } : null,
    { type: 'oidc', name: 'corp', issuer: provider.issuer, clientId: 'demo', clientSecret, claims: ['name', 'email'], grant: [{ scopes: ['orders:read', 'orders:write'] }] }
  ],
  log: { level: 'warn' },
  pages: true,
  // The lifetime is short, so that the renewal can be observed.
  accessToken: { ttl: '1m' },
  upstreams: [
    { prefix: '/orders', target: orders.url, audience: 'orders', scopes: ['orders:read'] },
    { prefix: '/billing', target: billing.url, audience: 'billing', stepUp: { maxAge: '30s', methods: ['POST'] } },
    { prefix: '/live', target: app.url, audience: 'live', websocket: true },
    { prefix: '/', target: app.url, access: 'public' }
  ]
}, { directory })

try {
  await gateway.listen({ host: 'localhost', port })
} catch (error) {
  process.stderr.write(`port ${port} cannot be listened on (${(error as NodeJS.ErrnoException).code ?? 'unknown'}): try npm start -- --port 9000\n`)
  process.exit(1)
}

const jar = `'${join(directory, 'cookies.txt')}'`
process.stdout.write(`
portcullis listening on ${origin}

  user      ${user.username}
  password  ${user.password}

Open it in a browser and look around. Or sign in, call an upstream and see what it is told, sign out (then the second line is refused):

  curl -c ${jar} -H 'content-type: application/json' -d '{"username":"${user.username}","password":"${user.password}"}' ${origin}/auth/login
  curl -b ${jar} ${origin}/orders/42
  curl -b ${jar} -X POST ${origin}/auth/logout

${origin}/auth/account offers "Sign in with corp" too: an identity provider at ${provider.issuer}, where any name
signs in. Sign out at ${provider.issuer}/session/end, and the session here ends as well.

Ctrl-C ends it. README.md shows how to configure your own gateway.
`)

/** Returns the port. A mistyped option yields the correct command instead of a stack trace. */
function portOf (args: string[]): number {
  try {
    const { values } = parseArgs({ args, options: { port: { type: 'string', default: '8080' } } })
    if (/^[1-9]\d{0,4}$/.test(values.port) && Number(values.port) <= 65535) return Number(values.port)
  } catch {}
  process.stderr.write('usage: npm start -- --port 9000\n')
  process.exit(2)
}

const stop = async (): Promise<void> => {
  await gateway.close()
  orders.server.close()
  billing.server.close()
  app.close()
  await provider.close()
}
process.once('SIGTERM', () => { void stop() })
process.once('SIGINT', () => { void stop() })

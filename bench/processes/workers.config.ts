import { defineConfig } from '../../index.ts'

/** The configuration with which `portcullis start` is measured. */
export default defineConfig({
  origin: 'https://app.example.com',
  listen: { host: '127.0.0.1', port: 0 },
  store: { type: 'sqlite', path: '${BENCH_STORE}' }, // eslint-disable-line no-template-curly-in-string
  accessToken: { ttl: '15m' },
  identity: async ({ username, password }) => password === 'right' ? { subject: username, scopes: ['orders:read'] } : null,
  shutdown: { timeout: '1s' },
  log: { level: 'error' },
  rateLimit: { signIn: { max: 1_000_000 } },
  upstreams: [{ prefix: '/orders', target: '${BENCH_UPSTREAM}', audience: 'orders', scopes: ['orders:read'] }] // eslint-disable-line no-template-curly-in-string
})

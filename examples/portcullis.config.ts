import { defineConfig } from '../index.ts'
import { checkPassword } from './users.ts'

/** A similar gateway with users of your own, on the embedded store: one machine, no other server. */
export default defineConfig({
  origin: 'https://app.example.com',
  listen: { port: 8080, trustProxy: ['127.0.0.1'] },
  store: { type: 'sqlite', path: './portcullis.db' },
  identity: checkPassword,
  upstreams: [
    { prefix: '/orders', target: 'http://127.0.0.1:3001', audience: 'orders', scopes: ['orders:read'] },
    { prefix: '/billing', target: 'http://127.0.0.1:3002', audience: 'billing', stepUp: { maxAge: '5m', methods: ['POST', 'DELETE'] } }
  ]
})

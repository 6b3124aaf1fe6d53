import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { checkConfig } from '../../config/load.ts'
import { composeGateway } from '../../gateway/gateway.ts'
import { secret } from '../helpers/build-app.ts'
import { clientSecret } from '../helpers/openid-provider.ts'
import { generousLimits } from '../helpers/sign-in.ts'
import { startUpstream } from '../helpers/upstream.ts'

/** Starts a gateway with one provider in front of pages: /a.html, /b.html, and /strong/, which demands an authentication of this second. */
export async function startGatewayAt (t: Test, port: number, issuer: string, scopes = ['openid', 'profile', 'email']): Promise<FastifyInstance> {
  const origin = `http://localhost:${port}`
  const pages = await startUpstream(t)
  const app = await composeGateway(checkConfig({
    origin,
    secret,
    listen: { host: '127.0.0.1', port },
    store: { type: 'sqlite', path: ':memory:' },
    log: { level: 'silent' },
    rateLimit: generousLimits,
    pages: true,
    identity: { type: 'oidc', name: 'corp', issuer, clientId: 'portcullis', clientSecret, scopes },
    upstreams: [
      { prefix: '/', target: pages.url, audience: 'pages' },
      { prefix: '/strong', target: pages.url, audience: 'strong', stepUp: { maxAge: '1s' } }
    ]
  }, { directory: '.', env: {} }))
  t.teardown(async () => { await app.close() })
  await app.listen({ port, host: '127.0.0.1' })
  return app
}

import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { checkConfig } from '../../config/load.ts'
import { composeGateway } from '../../gateway/gateway.ts'
import { secret } from '../helpers/build-app.ts'
import { clientSecret } from '../helpers/openid-provider.ts'
import { generousLimits } from '../helpers/sign-in.ts'
import { startService } from './service.ts'

/** Starts a gateway with one provider in front of the service; /strong/ demands an authentication of the last two seconds. */
export async function startGatewayAt (t: Test, port: number, issuer: string, provider: { scopes?: string[], claims?: string[] } = {}): Promise<FastifyInstance> {
  const origin = `http://localhost:${port}`
  const service = await startService(t)
  const app = await composeGateway(checkConfig({
    origin,
    secret,
    listen: { host: '127.0.0.1', port },
    store: { type: 'sqlite', path: ':memory:' },
    log: { level: 'silent' },
    rateLimit: generousLimits,
    pages: true,
    identity: { type: 'oidc', name: 'corp', issuer, clientId: 'portcullis', clientSecret, ...provider },
    upstreams: [
      { prefix: '/', target: service.url, audience: 'pages' },
      { prefix: '/strong', target: service.url, audience: 'strong', stepUp: { maxAge: '2s' } }
    ]
  }, { directory: '.', env: {} }))
  t.teardown(async () => { await app.close() })
  await app.listen({ port, host: '127.0.0.1' })
  return app
}

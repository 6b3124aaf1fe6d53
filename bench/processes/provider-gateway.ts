import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { providerSubjectOf } from '../../lib/session/provider-session.ts'
import authenticate from '../../plugins/authenticate.ts'
import accessToken from '../../plugins/access-token.ts'
import blocklist from '../../plugins/blocklist.ts'
import cookies from '../../plugins/cookies.ts'
import errors from '../../plugins/errors.ts'
import keys from '../../plugins/keys.ts'
import mint from '../../plugins/mint.ts'
import oidc from '../../plugins/oidc.ts'
import proxy from '../../plugins/proxy.ts'
import { serverOptions } from '../../plugins/server-options.ts'
import session from '../../plugins/session.ts'
import store from '../../plugins/store.ts'
import streams from '../../plugins/streams.ts'
import providerRoutes from '../../routes/providers.ts'
import { argsOfParent, serveParent } from './child.ts'
import type { GatewayArgs } from './gateway.ts'

export interface ProviderGatewayArgs extends Pick<GatewayArgs, 'store' | 'upstream'> {
  secret: string
  issuer: string
  clientId: string
}

/** A session at the provider, and the cookie of the session here. */
export interface OpenedSession { sid: string, sub: string, cookie: string }

const args = argsOfParent<ProviderGatewayArgs>()
const origin = 'https://app.example.com'
const name = 'corp'

const app = Fastify(serverOptions({ origin, logger: { level: 'error' } }))
await app.register(errors, { origin, shape: 'all', notFound: true })
await app.register(store, { ...args.store, timeout: '5s' })
await app.register(blocklist)
await app.register(cookies, { origin })
await app.register(keys, { secret: args.secret })
await app.register(accessToken, { issuer: origin })
await app.register(session)
await app.register(authenticate, { origin })
await app.register(mint)
await app.register(streams)
await app.register(oidc, { secret: args.secret, providers: [{ name, issuer: args.issuer, clientId: args.clientId, clientSecret: 'a secret of the bench' }] })
await app.register(proxy, { prefix: '/orders', target: args.upstream, origin, onRequest: [app.portcullis.authenticate({ audience: 'orders' })] })
await app.register(providerRoutes, { prefix: '/auth', origin, audiences: ['orders'] })
// No client of the bench can reach this route: it is for the parent, which asks by inject.
app.post('/bench/sessions', { onRequest: async (request, reply) => { if (request.headers['x-bench'] !== args.secret) await reply.code(404).send() } }, async (request, reply) => {
  const { sid, sub } = request.body as { sid: string, sub: string }
  const { nowMs } = app.portcullis.store
  const provider = { name, sub, sid, idToken: null, claims: {} }
  const signIn = { subject: providerSubjectOf(provider), audiences: ['orders'], acr: '' }
  const { outcome } = await app.portcullis.session.openFromProvider(reply, signIn, { provider, authTimeMs: nowMs(), beganAtMs: nowMs(), countsFromMs: nowMs() })
  return { outcome }
})
await app.listen({ host: '127.0.0.1', port: 0 })

/** Opens sessions of distinct users, each with a session at the provider. */
async function open ({ first, count }: { first: number, count: number }): Promise<OpenedSession[]> {
  return await Promise.all(Array.from({ length: count }, async (_, index) => {
    const [sid, sub] = [`sso-${first + index}`, `user-${first + index}`]
    const response = await app.inject({ method: 'POST', url: '/bench/sessions', headers: { 'x-bench': args.secret }, payload: { sid, sub } })
    const [cookie] = response.cookies
    if (response.statusCode !== 200 || cookie === undefined) throw new Error(`the opening of a session is answered ${response.statusCode}: ${response.body}`)
    return { sid, sub, cookie: `${cookie.name}=${cookie.value}` }
  }))
}

const { port } = app.server.address() as AddressInfo
serveParent({ url: `http://127.0.0.1:${port}` }, { open }, async () => { await app.close() })

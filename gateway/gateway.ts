import type { ConnectionOptions } from 'node:tls'
import Fastify, { type FastifyInstance } from 'fastify'
import { findAddresses } from '../config/addresses.ts'
import type { Config, UpstreamConfig } from '../config/config.ts'
import { readFiles } from '../config/files.ts'
import { checkConfig } from '../config/load.ts'
import { configSchema, type ConfigInput } from '../config/schema.ts'
import { secretsOf, storeOptions } from '../config/store.ts'
import { blocklistOptions } from './blocklist-options.ts'
import { compareUsers, openPasswordSource, watchUsers } from './password-source.ts'
import type { WaysOptions } from '../sign-in/ways.ts'
import accessToken from '../plugins/access-token.ts'
import { logEvents } from './audit-log.ts'
import audit from '../plugins/audit.ts'
import authenticate from '../plugins/authenticate.ts'
import blocklist from '../plugins/blocklist.ts'
import cookies from '../plugins/cookies.ts'
import cors from '../plugins/cors.ts'
import deviceBound from '../plugins/device-bound.ts'
import drain from '../plugins/drain.ts'
import errors, { createOwnHeadersHook } from '../plugins/errors.ts'
import health from '../plugins/health.ts'
import issuers from '../plugins/issuers.ts'
import keys from '../plugins/keys.ts'
import mint from '../plugins/mint.ts'
import proxy, { type ProxyOptions } from '../plugins/proxy.ts'
import { createIdentityHeaders } from '../plugins/proxy/identity-headers.ts'
import { refuseOtherCase } from '../plugins/proxy/other-case.ts'
import rateLimit from '../plugins/rate-limit.ts'
import refreshToken from '../plugins/refresh-token.ts'
import { serverOptions } from '../plugins/server-options.ts'
import session from '../plugins/session.ts'
import store, { type StoreOptions } from '../plugins/store.ts'
import streams from '../plugins/streams.ts'
import authRoutes from '../routes/auth.ts'
import deviceRoutes from '../routes/device.ts'
import { createSignInRedirect } from '../routes/pages/redirect.ts'
import reservedRoutes from '../routes/reserved.ts'
import sessionsRoutes from '../routes/sessions.ts'
import wellKnownRoutes from '../routes/well-known.ts'
import type { Addresses } from '../lib/proxy/service-address.ts'
import { foreignIssuer } from '../lib/settings/issuer.ts'
import { oidcProvider } from '../lib/settings/oidc.ts'
import { optionsFrom } from '../lib/settings/options.ts'
import { budget } from '../lib/settings/rate-limit.ts'
import { cookieSession } from '../lib/settings/session.ts'
import { forwarding } from '../lib/settings/upstream.ts'
import { readClientTlsFiles } from '../stores/files/tls-files.ts'
import type { Store } from '../stores/store.ts'
import type { PasswordSource } from '../users/password-source.ts'

export interface BuildOptions {
  /** The directory that relative paths in the configuration start from. Default: the working directory. */
  directory?: string
  /** The values that `${NAME}` in the configuration stands for. Default: none. */
  env?: Record<string, string | undefined>
}

/** Builds the whole gateway as a Fastify instance, ready to listen. Rejects with every error of the configuration, one a line. */
export async function buildGateway (config: ConfigInput, { directory = '.', env = {} }: BuildOptions = {}): Promise<FastifyInstance> {
  return await composeGateway(checkConfig(config, { directory, env }))
}

export interface ComposeOptions {
  /** An open store to use in place of the configured one. The gateway does not close it. */
  store?: Store
  /** Whether this process is one of several. The primary process then has the operators' listener and the tasks that run once. */
  isWorker?: boolean
  /** The destination of the log. Default: standard output. */
  logTo?: { write (line: string): void }
  /** The interval between comparisons of the users file with those of other gateways, in milliseconds. Default: ten seconds. */
  compareUsersEveryMs?: number
}

/** Builds the gateway from a checked configuration. The caller closes it. */
export async function composeGateway (config: Config, { store, isWorker = false, logTo, compareUsersEveryMs }: ComposeOptions = {}): Promise<FastifyInstance> {
  const { tls } = await readFiles(config, { store: false })
  const app = Fastify(serverOptions({ ...config.limits, origin: config.origin, trustProxy: config.listen.trustProxy, accessLog: config.log.access, drainMs: config.shutdown.delayMs + config.shutdown.timeoutMs, logger: { level: config.log.level, ...logTo === undefined ? {} : { stream: logTo } }, ...tls === null ? {} : { tls } }))
  for (const warning of tls?.warnings ?? []) app.log.warn(warning)
  try {
    const truth: StoreOptions = store === undefined ? await storeOptions(config) : { type: 'custom', store }
    const secrets = await secretsOf(config)
    await addPlugins(app, config, truth, secrets)
    const passwords = await openPasswordSource(app, config)
    await watchUsers(app, passwords, { isWorker })
    if (!isWorker) await compareUsers(app, passwords, { config, secrets, ...compareUsersEveryMs === undefined ? {} : { everyMs: compareUsersEveryMs } })
    await addOwnRoutes(app, config, passwords)
    const addresses = await findAddresses(config.upstreams.flatMap(({ targets }) => targets))
    for (const upstream of config.upstreams) await addUpstream(app, upstream, { ...config, addresses })
    if (config.admin !== null && !isWorker) await (await import('./operators-listener.ts')).addAdmin(app, config.admin, config)
    await app.ready()
    return app
  } catch (error) {
    await app.close()
    throw error
  }
}

const { properties: groups } = configSchema

/** Registers the plugins in the order of their dependencies. The store comes first, so it is closed last. */
async function addPlugins (app: FastifyInstance, config: Config, truth: StoreOptions, secret: string[]): Promise<void> {
  const { origin, accessToken: { ttlMs, cacheSize } } = config
  const { absoluteTimeoutMs, deviceBound: devices } = config.session
  await app.register(errors, { origin, shape: 'all', notFound: true })
  if (config.cors.origins.length > 0) await app.register(cors, { origin, origins: config.cors.origins })
  await app.register(store, truth)
  await app.register(rateLimit, { ...optionsFrom(groups.rateLimit.properties, config.rateLimit), timeout: config.store.timeoutMs })
  await app.register(audit, { sink: logEvents(app.log) })
  await app.register(blocklist, blocklistOptions(config))
  await app.register(health)
  if (config.admin !== null) await app.register((await import('../plugins/metrics.ts')).default)
  await app.register(drain, optionsFrom(groups.shutdown.properties, config.shutdown))
  await app.register(cookies, { ...optionsFrom(groups.cookies.properties, config.cookies), origin, formerFor: absoluteTimeoutMs })
  await app.register(keys, { ...optionsFrom(groups.keys.properties, config.keys), secret, maxTokenAge: ttlMs })
  await app.register(accessToken, { ...optionsFrom(groups.accessToken.properties, config.accessToken), issuer: origin })
  if (config.issuers.length > 0) await app.register(issuers, { issuers: config.issuers.map(issuer => ({ ...optionsFrom(foreignIssuer, issuer), issuer: issuer.issuer, keys: issuer.keys })), cacheSize })
  await app.register(session, optionsFrom(cookieSession, config.session))
  if (devices !== null) await app.register(deviceBound, { ...optionsFrom(groups.session.properties.deviceBound.properties, devices), origin, secret })
  await app.register(refreshToken, {
    ...optionsFrom(groups.refreshToken.properties, config.refreshToken),
    secret,
    accessToken: ({ record, audience, generation }) => app.portcullis.accessToken.issue(record, { audience, generation })
  })
  await app.register(authenticate, { origin })
  if (config.providers.length > 0) await app.register((await import('../plugins/oidc.ts')).default, { secret, providers: config.providers.map(provider => optionsFrom(oidcProvider, provider)) })
  await app.register(mint)
  // The streams are registered after drain: on a server that closes they continue until the drain delay is over.
  await app.register(streams)
}

async function addOwnRoutes (app: FastifyInstance, config: Config, passwords: PasswordSource | null): Promise<void> {
  const ways: WaysOptions = passwords === null ? {} : { identity: passwords }
  const { origin, upstreams } = config
  const audiences = [...new Set(upstreams.flatMap(({ audience }) => audience ?? []))]

  await app.register(async function ownRoutes (scope) {
    scope.addHook('onSend', createOwnHeadersHook(origin))
    await scope.register(authRoutes, { prefix: '/auth', ...ways, origin, audiences })
    await scope.register(sessionsRoutes, { prefix: '/auth/sessions', origin })
    if (app.hasPlugin('portcullis-device-bound')) await scope.register(deviceRoutes, { prefix: '/auth/device' })
    if (config.providers.length > 0) await scope.register((await import('../routes/providers.ts')).default, { prefix: '/auth', origin, audiences, sameSite: config.cookies.sameSite })
    if (config.pages) await scope.register((await import('../routes/pages.ts')).default, { prefix: '/auth', ...ways, origin, audiences, sameSite: config.cookies.sameSite })
    await scope.register(wellKnownRoutes, { prefix: '/.well-known' })
    // Registered last, because it takes the reserved paths that no other route has taken.
    await scope.register(reservedRoutes)
  })
}

async function upstreamTls (setting: string, { serverName, ...paths }: NonNullable<UpstreamConfig['tls']>): Promise<ConnectionOptions> {
  const { warnings: _, ...files } = await readClientTlsFiles(setting, paths)
  return { ...files, ...serverName === null ? {} : { servername: serverName } }
}

/** Registers an upstream in a separate scope, so that its requirements apply to every path under its prefix. */
async function addUpstream (app: FastifyInstance, upstream: UpstreamConfig, { origin, cors, pages, limits, upstreams, addresses }: Config & { addresses: Addresses }): Promise<void> {
  const { access, audience, scopes, stepUp, authorization, forward, prefix, targets, rewritePrefix, responseHeadersBytes, tls, consistency, claims } = upstream
  const demand = app.portcullis.authenticate({
    access,
    scopes,
    consistency,
    ignoreBearer: authorization === 'keep',
    ...audience === null ? {} : { audience },
    ...stepUp === null ? {} : { stepUp: { maxAge: stepUp.maxAgeMs, ...stepUp.methods === null ? {} : { methods: stepUp.methods } } }
  })
  const options: ProxyOptions = {
    ...optionsFrom(forwarding, upstream),
    prefix,
    targets,
    ...rewritePrefix === prefix ? {} : { rewritePrefix },
    responseHeadBytes: responseHeadersBytes,
    ...tls === null ? {} : { tls: await upstreamTls(`upstreams[${upstreams.indexOf(upstream)}].tls`, tls) },
    origin,
    cors: cors.origins.length > 0 ? 'strip' : 'keep',
    clientTimeout: limits.clientTimeoutMs,
    onRequest: [...refuseOtherCase(upstream, upstreams, addresses), upstream.rateLimit === null ? demand : app.portcullis.rateLimit.guard(prefix, optionsFrom(budget, upstream.rateLimit), demand)],
    identityHeaders: createIdentityHeaders(app.portcullis, forward, audience, claims ?? {}),
    // What a service believes of one client header, no other upstream may be told by it.
    identityHeaderNames: [...new Set(upstreams.flatMap(({ claims }) => Object.values(claims ?? {})))]
  }
  await app.register(async function upstreamScope (scope) {
    // A page sign-in yields no token, so on routes that take tokens only the redirect would loop.
    if (pages && access !== 'token') scope.setErrorHandler(createSignInRedirect({ origin, signInPath: '/auth/sign-in', ignoreBearer: authorization === 'keep' }))
    await scope.register(proxy, options)
  })
}

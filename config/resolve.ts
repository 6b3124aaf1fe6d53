import { resolve } from 'node:path'
import { parseDurationMs } from '../lib/duration.ts'
import type { RedisTarget } from '../stores/redis.ts'
import type { BudgetConfig, ClientTlsConfig, Config, Consistency, IssuerConfig, StoreConfig, UpstreamConfig } from './config.ts'
import type { NamedFile } from './environment.ts'
import { forwardOf } from './rules.ts'
import type { Settings } from './schema.ts'
import { parseSize } from './size.ts'
import { canonicalAlgorithms } from '../lib/jwt/jws-verify.ts'

const ms = parseDurationMs
const defaultOverlapMs = 10_000

/** The configuration that checked settings mean. */
export function resolveConfig (settings: Settings, directory: string, textFiles: NamedFile[] = []): Config {
  const { listen, session, accessToken, refreshToken, revocation, shutdown, limits } = settings
  const origin = originOf(settings.origin)
  const idleTimeoutMs = ms(session.idleTimeout)
  return freeze({
    directory,
    textFiles,
    origin,
    secure: origin.startsWith('https:'),
    listen: { host: listen.host, port: listen.port, trustProxy: listen.trustProxy, tls: listen.tls === undefined ? null : { cert: resolve(directory, listen.tls.cert), key: resolve(directory, listen.tls.key) } },
    admin: settings.admin === undefined ? null : { ...settings.admin },
    store: resolveStore(settings.store, directory),
    secrets: settings.secret === undefined ? null : [settings.secret].flat(),
    keys: { algorithm: settings.keys.algorithm, rotateEveryMs: ms(settings.keys.rotateEvery), publishAheadMs: ms(settings.keys.publishAhead) },
    session: { idleTimeoutMs, absoluteTimeoutMs: ms(session.absoluteTimeout), maxPerSubject: session.maxPerSubject, cacheSize: session.cacheSize, deviceBound: session.deviceBound === undefined ? null : { cookieTtlMs: ms(session.deviceBound.cookieTtl) } },
    accessToken: { ttlMs: ms(accessToken.ttl), cacheSize: accessToken.cacheSize },
    refreshToken: {
      overlapMs: refreshToken.overlap === undefined ? Math.min(defaultOverlapMs, Math.floor(idleTimeoutMs / 2)) : ms(refreshToken.overlap),
      retryWindowMs: refreshToken.retryWindow === undefined ? idleTimeoutMs : ms(refreshToken.retryWindow)
    },
    cookies: settings.cookies,
    revocation: { consistency: revocation.consistency, maxStalenessMs: ms(revocation.maxStaleness), staleForMs: ms(revocation.staleFor) },
    identity: typeof settings.identity === 'function' ? settings.identity : { type: 'users', file: resolve(directory, settings.identity.file), staleForMs: ms(settings.identity.staleFor) },
    issuers: settings.issuers.map(issuer => resolveIssuer(issuer, directory)),
    shutdown: { delayMs: ms(shutdown.delay), timeoutMs: ms(shutdown.timeout) },
    log: { level: settings.log.level, access: settings.log.access },
    limits: { headersBytes: parseSize(limits.headers), bodyBytes: parseSize(limits.body), headersTimeoutMs: ms(limits.headersTimeout), clientTimeoutMs: ms(limits.clientTimeout), keepAliveMs: ms(limits.keepAlive) },
    rateLimit: { signIn: resolveBudget(settings.rateLimit.signIn), refresh: resolveBudget(settings.rateLimit.refresh) },
    cors: { origins: [...new Set(settings.cors.origins.map(originOf))] },
    pages: settings.pages,
    upstreams: settings.upstreams.map(upstream => resolveUpstream(upstream, revocation.consistency))
  })
}

function resolveStore (store: Settings['store'], directory: string): StoreConfig {
  const timeoutMs = ms(store.timeout)
  if (store.type === 'redis') return { type: 'redis', target: redisTarget(store), keyPrefix: store.keyPrefix, tls: resolveClientTls(store.tls, directory), timeoutMs }
  return { type: 'sqlite', path: store.path === ':memory:' ? store.path : resolve(directory, store.path), timeoutMs }
}

function redisTarget ({ url, cluster, sentinels, name = '', username, password, database }: Extract<Settings['store'], { type: 'redis' }>): Exclude<RedisTarget, string> {
  const login = { ...username === undefined ? {} : { username }, ...password === undefined ? {} : { password }, ...database === undefined ? {} : { database } }
  if (url !== undefined) return { url, ...login }
  return cluster === undefined ? { sentinels: sentinels ?? [], name, ...login } : { cluster, ...login }
}

function resolveClientTls (tls: Extract<Settings['store'], { type: 'redis' }>['tls'], directory: string): ClientTlsConfig | null {
  const file = (path: string | undefined): string | null => path === undefined ? null : resolve(directory, path)
  return tls === undefined ? null : { ca: file(tls.ca), cert: file(tls.cert), key: file(tls.key) }
}

function resolveIssuer ({ jwks, jwksUri, maxTokenAge, ...issuer }: Settings['issuers'][number], directory: string): IssuerConfig {
  return { ...issuer, algorithms: canonicalAlgorithms(issuer.algorithms), keys: jwks === undefined ? { url: jwksUri! } : { file: resolve(directory, jwks) }, maxTokenAgeMs: ms(maxTokenAge) }
}

function resolveUpstream (upstream: Settings['upstreams'][number], consistency: Consistency): UpstreamConfig {
  const { prefix, target, access, scopes, authorization, stepUp } = upstream
  return {
    prefix,
    target: originOf(target),
    rewritePrefix: upstream.rewritePrefix ?? prefix,
    audience: upstream.audience ?? null,
    access,
    scopes,
    stepUp: stepUp === undefined ? null : { maxAgeMs: ms(stepUp.maxAge), methods: stepUp.methods === undefined ? null : withHead(stepUp.methods) },
    forward: forwardOf(upstream),
    authorization,
    websocket: upstream.websocket,
    timeoutMs: ms(upstream.timeout),
    connections: upstream.connections,
    consistency: upstream.revocation?.consistency ?? consistency,
    rateLimit: upstream.rateLimit === undefined ? null : resolveBudget(upstream.rateLimit)
  }
}

function resolveBudget ({ max, window }: { max: number, window: string }): BudgetConfig {
  return { max, windowMs: ms(window) }
}

/** HEAD tells what GET tells, so what guards one guards the other. */
function withHead (methods: string[]): string[] {
  return methods.includes('GET') && !methods.includes('HEAD') ? [...methods, 'HEAD'] : methods
}

function originOf (address: string): string {
  return new URL(address).origin
}

function freeze<Value> (value: Value): Value {
  if (value === null || typeof value !== 'object') return value
  for (const child of Object.values(value)) freeze(child)
  return Object.freeze(value)
}

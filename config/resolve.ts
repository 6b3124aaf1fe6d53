import { resolve } from 'node:path'
import { canonicalAlgorithms } from '../lib/jwt/jws.ts'
import { decode } from '../lib/settings/decode.ts'
import { defaultOverlapMs } from '../lib/settings/refresh-token.ts'
import type { Consistency } from '../lib/settings/revocation.ts'
import { driverOf } from '../stores/drivers.ts'
import type { Config, DecodedSettings, IssuerConfig, UpstreamConfig } from './config.ts'
import type { NamedFile } from './environment.ts'
import { forwardOf } from './rules.ts'
import { configSchema, type Settings } from './schema.ts'

/** Resolves checked settings to the configuration. */
export function resolveConfig (settings: Settings, directory: string, textFiles: NamedFile[] = []): Config {
  const { secret, ...decoded } = decode(configSchema, settings)
  const { listen, session, refreshToken, revocation, identity } = decoded
  const origin = originOf(decoded.origin)
  return freeze({
    ...decoded,
    directory,
    textFiles,
    origin,
    secure: origin.startsWith('https:'),
    listen: { ...listen, tls: listen.tls === null ? null : { cert: resolve(directory, listen.tls.cert), key: resolve(directory, listen.tls.key) } },
    store: driverOf(decoded.store).resolve(decoded.store, directory),
    secrets: secret === null ? null : [secret].flat(),
    refreshToken: {
      ...refreshToken,
      overlapMs: refreshToken.overlapMs ?? Math.min(defaultOverlapMs, Math.floor(session.idleTimeoutMs / 2)),
      retryWindowMs: refreshToken.retryWindowMs ?? session.idleTimeoutMs
    },
    identity: typeof identity === 'function' ? identity : { ...identity, file: resolve(directory, identity.file) },
    issuers: decoded.issuers.map(issuer => resolveIssuer(issuer, directory)),
    cors: { ...decoded.cors, origins: [...new Set(decoded.cors.origins.map(originOf))] },
    upstreams: decoded.upstreams.map(upstream => resolveUpstream(upstream, revocation.consistency, directory))
  })
}

function resolveIssuer ({ jwks, jwksUri, ...issuer }: DecodedSettings['issuers'][number], directory: string): IssuerConfig {
  return { ...issuer, algorithms: canonicalAlgorithms(issuer.algorithms), keys: jwks === null ? { url: jwksUri! } : { file: resolve(directory, jwks) } }
}

function resolveUpstream ({ revocation, target, ...upstream }: DecodedSettings['upstreams'][number], consistency: Consistency, directory: string): UpstreamConfig {
  const { prefix, targets, stepUp, tls } = upstream
  const absolute = (path: string | null): string | null => path === null ? null : resolve(directory, path)
  return {
    ...upstream,
    targets: (targets ?? [target!]).map(originOf),
    tls: tls === null ? null : { ...tls, ca: absolute(tls.ca), cert: absolute(tls.cert), key: absolute(tls.key) },
    rewritePrefix: upstream.rewritePrefix ?? prefix,
    stepUp: stepUp === null ? null : { ...stepUp, methods: stepUp.methods === null ? null : withHead(stepUp.methods) },
    forward: forwardOf(upstream),
    consistency: revocation?.consistency ?? consistency
  }
}

/** Adds HEAD to a list with GET, because a HEAD request discloses the headers of the GET response. */
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

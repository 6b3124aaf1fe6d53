import { resolve } from 'node:path'
import { canonicalAlgorithms } from '../lib/jwt/jws.ts'
import { decode, type Decoded } from '../lib/settings/decode.ts'
import { defaultOverlapMs } from '../lib/settings/refresh-token.ts'
import type { Consistency } from '../lib/settings/revocation.ts'
import { driverOf } from '../stores/drivers.ts'
import type { VerifyPassword } from '../users/password-source.ts'
import type { Config, DecodedSettings, IssuerConfig, ProviderConfig, UpstreamConfig } from './config.ts'
import type { NamedFile } from './environment.ts'
import { sourceSetting, sourcesOf } from './identity.ts'
import { forwardOf } from './rules.ts'
import { configSchema, identitySource, type Settings } from './schema.ts'

/** Resolves checked settings to the configuration. */
export function resolveConfig (settings: Settings, directory: string, textFiles: NamedFile[] = []): Config {
  const { identity } = settings
  const { secret, identity: _, ...decoded } = decode(configSchema, settings)
  const { listen, session, refreshToken, revocation } = decoded
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
    ...resolveIdentity(identity, directory),
    issuers: decoded.issuers.map(issuer => resolveIssuer(issuer, directory)),
    cors: { ...decoded.cors, origins: [...new Set(decoded.cors.origins.map(originOf))] },
    upstreams: decoded.upstreams.map(upstream => resolveUpstream(upstream, revocation.consistency, directory))
  })
}

/** Separates the source of passwords, of which there is at most one, from the identity providers. */
function resolveIdentity (identity: Settings['identity'], directory: string): Pick<Config, 'identity' | 'providers'> {
  const sources = sourcesOf(identity).map(source => typeof source === 'function' ? source : decode(identitySource, source))
  const passwords = sources.find((source): source is VerifyPassword | Extract<typeof source, { type: 'users' }> => typeof source === 'function' || source.type === 'users') ?? null
  return {
    identity: passwords === null || typeof passwords === 'function' ? passwords : { ...passwords, file: resolve(directory, passwords.file) },
    providers: sources.flatMap((source, index) => typeof source === 'function' || source.type === 'users' ? [] : [{ ...resolveProvider(source, directory), setting: sourceSetting(identity, index) }])
  }
}

function resolveProvider ({ type: _, ...provider }: Extract<Decoded<typeof identitySource>, { type: 'oidc' }>, directory: string): Omit<ProviderConfig, 'setting'> {
  return { ...provider, privateKey: provider.privateKey === null ? null : resolve(directory, provider.privateKey) }
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

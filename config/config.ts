import type { Decoded } from '../lib/settings/decode.ts'
import type { upstreamRateLimit } from '../lib/settings/rate-limit.ts'
import type { Consistency } from '../lib/settings/revocation.ts'
import type { VerificationAlgorithm } from '../lib/jwt/jws.ts'
import type { StoreConfig } from '../stores/driver.ts'
import type { IdentityOption } from '../users/password-source.ts'
import type { NamedFile } from './environment.ts'
import type { configSchema, identitySource } from './schema.ts'

/** The settings with durations as milliseconds (`idleTimeoutMs`) and sizes as bytes (`headersBytes`). A setting that is absent is null. */
export type DecodedSettings = Decoded<typeof configSchema>

type Resolved = 'secret' | 'store' | 'refreshToken' | 'identity' | 'issuers' | 'upstreams'

/** The checked configuration, frozen, with every default. Paths are absolute, and origins are written as browsers write them. */
export interface Config extends Omit<DecodedSettings, Resolved> {
  /** The directory of the configuration. */
  directory: string
  /** The files whose content was inserted into settings (`${file:PATH}`). */
  textFiles: NamedFile[]
  /** True when the origin is https; then cookies have a prefix and the attribute Secure. */
  secure: boolean
  store: StoreConfig
  /** Base64url; the first one issues. Null: the driver of the store keeps one beside the store. */
  secrets: string[] | null
  refreshToken: { overlapMs: number, retryWindowMs: number }
  /** Source of passwords; null if users sign in at providers only. */
  identity: IdentityOption | null
  /** Identity providers at which users sign in. */
  providers: ProviderConfig[]
  issuers: IssuerConfig[]
  upstreams: UpstreamConfig[]
}

/** Settings of an identity provider. The path of the key is absolute. */
export interface ProviderConfig extends Omit<Extract<Decoded<typeof identitySource>, { type: 'oidc' }>, 'type'> {
  /** Name of the setting that holds it, such as `identity[1]`. */
  setting: string
}

export type AdminConfig = NonNullable<DecodedSettings['admin']>

type IssuerSettings = DecodedSettings['issuers'][number]

export interface IssuerConfig extends Omit<IssuerSettings, 'jwks' | 'jwksUri' | 'algorithms'> {
  /** The path is absolute. */
  keys: { file: string } | { url: string }
  algorithms: VerificationAlgorithm[]
}

type UpstreamSettings = DecodedSettings['upstreams'][number]

export interface UpstreamConfig extends Omit<UpstreamSettings, 'revocation' | 'target'> {
  /** Scheme, host and port of each target. */
  targets: string[]
  /** The paths are absolute. */
  tls: UpstreamSettings['tls']
  /** The path that replaces the prefix in forwarded requests; the prefix itself by default. */
  rewritePrefix: string
  forward: NonNullable<UpstreamSettings['forward']>
  /** The setting of the upstream, or that of `revocation` when the upstream has none. */
  consistency: Consistency
}

export type BudgetConfig = Decoded<typeof upstreamRateLimit>

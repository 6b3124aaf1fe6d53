import type { Decoded } from '../lib/settings/decode.ts'
import type { upstreamRateLimit } from '../lib/settings/rate-limit.ts'
import type { Consistency } from '../lib/settings/revocation.ts'
import type { VerificationAlgorithm } from '../lib/jwt/jws-verify.ts'
import type { StoreConfig } from '../stores/driver.ts'
import type { IdentityOption } from '../users/password-source.ts'
import type { NamedFile } from './environment.ts'
import type { configSchema } from './schema.ts'

/** The settings with durations as milliseconds (`idleTimeoutMs`) and sizes as bytes (`headersBytes`); null for what is not set. */
export type DecodedSettings = Decoded<typeof configSchema>

type Resolved = 'secret' | 'store' | 'refreshToken' | 'identity' | 'issuers' | 'upstreams'

/** The configuration as the gateway uses it: checked, every default filled in, frozen; paths are absolute, and origins are as browsers write them. */
export interface Config extends Omit<DecodedSettings, Resolved> {
  /** Where the configuration lies; the paths below are absolute already. */
  directory: string
  /** Files that texts were taken from (`${file:PATH}`). */
  textFiles: NamedFile[]
  /** Whether the origin is https, and so whether cookies carry a prefix and Secure. */
  secure: boolean
  store: StoreConfig
  /** Base64url; the first one issues. Null: the driver of the store keeps one beside the store. */
  secrets: string[] | null
  refreshToken: { overlapMs: number, retryWindowMs: number }
  identity: IdentityOption
  issuers: IssuerConfig[]
  upstreams: UpstreamConfig[]
}

export type AdminConfig = NonNullable<DecodedSettings['admin']>

type IssuerSettings = DecodedSettings['issuers'][number]

export interface IssuerConfig extends Omit<IssuerSettings, 'jwks' | 'jwksUri' | 'algorithms'> {
  /** The path is absolute. */
  keys: { file: string } | { url: string }
  algorithms: VerificationAlgorithm[]
}

type UpstreamSettings = DecodedSettings['upstreams'][number]

export interface UpstreamConfig extends Omit<UpstreamSettings, 'revocation'> {
  /** What the upstream sees in place of the prefix; the prefix itself by default. */
  rewritePrefix: string
  forward: NonNullable<UpstreamSettings['forward']>
  /** The upstream's own, else that of `revocation`. */
  consistency: Consistency
}

export type BudgetConfig = Decoded<typeof upstreamRateLimit>

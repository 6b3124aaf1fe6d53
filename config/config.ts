import type { IdentityOption } from '../users/password-source.ts'
import type { VerificationAlgorithm } from '../lib/jwt/jws-verify.ts'
import type { RedisTarget } from '../stores/redis.ts'
import type { NamedFile } from './environment.ts'

/** The configuration as the gateway uses it: checked, every default filled in, frozen; milliseconds and bytes are numbers. */
export interface Config {
  /** Where the configuration lies; the paths below are absolute already. */
  directory: string
  /** Files that texts were taken from (`${file:PATH}`). */
  textFiles: NamedFile[]
  /** Scheme, host and port that browsers see, without a trailing slash. */
  origin: string
  /** Whether the origin is https, and so whether cookies carry a prefix and Secure. */
  secure: boolean
  listen: { host: string, port: number, trustProxy: string[], tls: TlsConfig | null }
  /** The listener of operators; null: there is none. */
  admin: AdminConfig | null
  store: StoreConfig
  /** Base64url; the first one issues. Null: the embedded store makes one beside its file. */
  secrets: string[] | null
  keys: { algorithm: 'ES256' | 'EdDSA' | 'RS256', rotateEveryMs: number, publishAheadMs: number }
  session: { idleTimeoutMs: number, absoluteTimeoutMs: number, maxPerSubject: number, cacheSize: number, deviceBound: { cookieTtlMs: number } | null }
  accessToken: { ttlMs: number, cacheSize: number }
  refreshToken: { overlapMs: number, retryWindowMs: number }
  cookies: { sameSite: 'lax' | 'strict', name: string }
  revocation: { consistency: Consistency, maxStalenessMs: number, staleForMs: number }
  identity: IdentityOption
  issuers: IssuerConfig[]
  shutdown: { delayMs: number, timeoutMs: number }
  log: { level: LogLevel, access: boolean }
  limits: { headersBytes: number, bodyBytes: number, headersTimeoutMs: number, clientTimeoutMs: number, keepAliveMs: number }
  rateLimit: { signIn: BudgetConfig, refresh: BudgetConfig }
  /** Origins besides our own that may use bearer tokens. */
  cors: { origins: string[] }
  /** Whether a sign-in and an account page are served. */
  pages: boolean
  upstreams: UpstreamConfig[]
}

/** Files, PEM; not read yet. */
export interface TlsConfig { cert: string, key: string }

/** Files for connections that the gateway makes, PEM; not read yet. Null: not set. */
export interface ClientTlsConfig { ca: string | null, cert: string | null, key: string | null }

export interface AdminConfig { host: string, port: number, token: string }

export type StoreConfig =
  /** The path is absolute, or `:memory:`. */
  | { type: 'sqlite', path: string, timeoutMs: number }
  | { type: 'redis', target: Exclude<RedisTarget, string>, keyPrefix: string, tls: ClientTlsConfig | null, timeoutMs: number }

export interface IssuerConfig {
  name: string
  /** `iss`, exactly. */
  issuer: string
  /** The path is absolute. */
  keys: { file: string } | { url: string }
  algorithms: VerificationAlgorithm[]
  scopes: string[]
  maxTokenAgeMs: number
  typ: 'at+jwt' | 'any'
}

export interface UpstreamConfig {
  /** `/`, or a path without a trailing slash. */
  prefix: string
  /** Scheme, host and port, without a trailing slash. */
  target: string
  /** What the upstream sees in place of the prefix; the prefix itself by default. */
  rewritePrefix: string
  /** Null only for a public upstream. */
  audience: string | null
  access: 'any' | 'session' | 'token' | 'public'
  scopes: string[]
  /** Methods in capitals; null: every method. */
  stepUp: { maxAgeMs: number, methods: string[] | null } | null
  forward: 'mint' | 'pass' | 'headers' | 'none'
  authorization: 'strip' | 'keep'
  websocket: boolean
  timeoutMs: number
  /** To the target at once, of each process. */
  connections: number
  /** The upstream's own, else that of `revocation`. */
  consistency: Consistency
  rateLimit: BudgetConfig | null
}

export interface BudgetConfig {
  max: number
  windowMs: number
}

export type Consistency = 'replica' | 'strict'
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

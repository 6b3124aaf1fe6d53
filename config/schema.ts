import { Kind, Type, type Static, type TArray, type TObject, type TOptional, type TSchema, type TUnion } from '@sinclair/typebox'
import type { VerifyPassword } from '../users/password-source.ts'
import { defaultKeyPrefix, keyPrefixProblem, mostDatabase } from '../stores/redis/settings.ts'
import { reference } from './environment.ts'
import { choice, count, duration, flag, group, list, size, text } from './fields.ts'
import { issuer } from './issuer-schema.ts'
import { checkAdminToken, checkSecret } from './secret-checks.ts'
import * as check from './text-checks.ts'
import { upstream } from './upstream-schema.ts'

const { Optional } = Type

const listen = group({
  host: Optional(text(check.checkHost, { description: 'Address to listen on.', default: '0.0.0.0', expects: 'a host name or an IP address' })),
  port: Optional(count({ description: 'Port to listen on; 0 takes a free one.', default: 8080, minimum: 0, maximum: 65535 })),
  trustProxy: Optional(list(text(check.checkTrustedProxy, { description: 'Address or CIDR block.', expects: 'an IP address or a CIDR block, such as 10.0.0.0/8' }), {
    description: 'The proxies whose X-Forwarded headers are believed; nobody\'s by default.', default: [], expects: 'a list of IP addresses or CIDR blocks, such as [10.0.0.0/8]: how many hops, or everyone, is not safe to trust'
  })),
  tls: Optional(group({
    cert: text(check.checkNotEmpty, { description: 'File of the certificate chain, PEM, the own certificate first.', expects: 'a path' }),
    key: text(check.checkNotEmpty, { description: 'File of the private key, PEM, without a passphrase.', expects: 'a path' })
  }, { description: 'Terminates TLS here.' }))
}, { description: 'Where clients connect.', default: {} })

const admin = group({
  host: Optional(text(check.checkHost, { description: 'Address to listen on.', default: '127.0.0.1', expects: 'a host name or an IP address' })),
  port: Optional(count({ description: 'Port to listen on; 0 takes a free one.', default: 9090, minimum: 0, maximum: 65535 })),
  token: text(checkAdminToken, { description: 'Bearer token of the admin endpoints; at least 16 characters. Secret.', expects: 'a string', example: reference('ADMIN_TOKEN') })
}, { description: 'Health, metrics and administration on a port of their own; off when absent.' })

const storeTimeout = { description: 'How long one operation may take before it counts as an outage.', minimum: '50ms', maximum: '60s' } as const

const address = text(check.checkRedisUrl, { description: 'Address of a Redis; with a user and a password where needed, percent-encoded. Secret.', expects: 'a redis:// or rediss:// address' })

const store = Object.assign(Type.Union([
  group({
    type: Type.Literal('sqlite'),
    path: Optional(text(check.checkNotEmpty, { description: 'The database file, or :memory: to forget everything at exit.', default: './portcullis.db', expects: 'a path' })),
    timeout: Optional(duration({ ...storeTimeout, default: '5s' }))
  }, { description: 'The embedded store: one file, one machine.' }),
  group({
    type: Type.Literal('redis'),
    url: Optional(address),
    cluster: Optional(list(address, { description: 'Nodes of a Redis Cluster; the others are found from there.', minItems: 1 })),
    sentinels: Optional(list(address, { description: 'Redis Sentinels, which name the primary.', minItems: 1 })),
    name: Optional(text(check.checkNotEmpty, { description: 'The name under which the sentinels know the primary.', expects: 'a string' })),
    username: Optional(text(check.checkNotEmpty, { description: 'User at the Redis servers, unless it stands in url or cluster. In the addresses of sentinels stands the user of the sentinels.', expects: 'a string' })),
    password: Optional(text(check.checkNotEmpty, { description: 'Password at the Redis servers, as it is, unless it stands in url or cluster. In the addresses of sentinels stands the password of the sentinels. Secret.', expects: 'a string', example: reference('REDIS_PASSWORD') })),
    database: Optional(count({ description: 'Number of the database, unless it stands in url; 0 by default. Not with cluster.', minimum: 0, maximum: mostDatabase })),
    keyPrefix: Optional(text(keyPrefixProblem, { description: 'What the name of every key begins with. Deployments that share a Redis have one each.', default: defaultKeyPrefix, expects: 'a string of letters, digits and . : _ -' })),
    tls: Optional(group({
      ca: Optional(text(check.checkNotEmpty, { description: 'File of the certificates, PEM, of the authorities that sign those of the servers; by default the authorities that Node knows.', expects: 'a path' })),
      cert: Optional(text(check.checkNotEmpty, { description: 'File of the certificate chain, PEM, that the gateway shows.', expects: 'a path' })),
      key: Optional(text(check.checkNotEmpty, { description: 'File of its private key, PEM, without a passphrase.', expects: 'a path' }))
    }, { description: 'For rediss:// addresses.' })),
    timeout: Optional(duration({ ...storeTimeout, default: '250ms' }))
  }, { description: 'Redis, for more than one machine.' })
]), { description: 'Where sessions and revocations live.', default: { type: 'sqlite' }, expects: 'a group of settings with type: sqlite or type: redis' })

const oneSecret = text(checkSecret, { description: 'At least 32 random bytes, base64url.', expects: 'a string of base64url, or a list of them' })

const secret = Type.Union([oneSecret, list(oneSecret, { description: 'While it is changed: the first one issues.', minItems: 1, maxItems: 8, uniqueItems: true })], {
  description: 'Seals the signing keys, and the refresh-token key is derived from it. Required with redis; the embedded store makes one beside its file (mode 0600) when absent. Secret.',
  expects: 'a string of base64url, or a list of them',
  example: reference('PORTCULLIS_SECRET')
})

const keys = group({
  algorithm: Optional(choice(['ES256', 'EdDSA', 'RS256'], { description: 'Signature of access tokens.', default: 'ES256' })),
  rotateEvery: Optional(duration({ description: 'How often a new signing key is made.', default: '30d', minimum: '1h', maximum: '365d' })),
  publishAhead: Optional(duration({ description: 'How long a new key is published before it signs: longer than services keep the public keys.', default: '90s', minimum: '5s', maximum: '1h' }))
}, { description: 'Signing keys; kept, sealed, in the store.', default: {} })

const session = group({
  idleTimeout: Optional(duration({ description: 'A session that was not used for this long is over.', default: '30m', minimum: '1s', maximum: '365d' })),
  absoluteTimeout: Optional(duration({ description: 'A session is over this long after sign-in, however much it is used.', default: '24h', minimum: '1s', maximum: '365d' })),
  maxPerSubject: Optional(count({ description: 'Sessions that one subject may have; at the limit the oldest is closed.', default: 20, minimum: 1, maximum: 1000 })),
  cacheSize: Optional(count({ description: 'Sessions that one process remembers, the least lately used go first: about 1.8 kB each. Others are read from the store at each use.', default: 20_000, minimum: 1, maximum: 10_000_000 })),
  deviceBound: Optional(group({
    cookieTtl: Optional(duration({ description: 'How long the device cookie is good: how long stolen cookies are.', default: '5m', minimum: '1s', maximum: '1h' }))
  }, { description: 'Binds sessions of browsers that can do it to a key that never leaves the device (Device Bound Session Credentials); off when absent.' }))
}, { description: 'How long sign-ins last.', default: {} })

const refreshToken = group({
  overlap: Optional(duration({ description: 'How long after its successor was received a refresh token is still answered, for parallel tabs. By default 10s, or half the idle timeout if that is shorter.', minimum: '0s', maximum: '5m' })),
  retryWindow: Optional(duration({ description: 'How long a client whose answer was lost may repeat its refresh. By default the idle timeout. Both 0s: each token once, anything else is theft.', minimum: '0s', maximum: '365d' }))
}, { description: 'How forgiving the rotation of refresh tokens is.', default: {} })

const revocation = group({
  consistency: Optional(choice(['replica', 'strict'], { description: 'replica: answer from memory; strict: always ask the store, never serve stale.', default: 'replica' })),
  maxStaleness: Optional(duration({ description: 'How long ago the process may last have heard from the store before it asks directly.', default: '2s', minimum: '100ms', maximum: '60s' })),
  staleFor: Optional(duration({ description: 'How long to go on without the store. Revocations of that time are not seen.', default: '0s', minimum: '0s', maximum: '24h' }))
}, { description: 'How fresh the knowledge of revocations is.', default: {} })

const noOpenIdConnect = 'signing in with OpenID Connect is not supported so far; write users, for a users file. The access tokens of a provider are accepted with issuers'

const identity = Type.Union([
  group({
    type: Type.Literal('users'),
    file: text(check.checkNotEmpty, { description: 'The file of users, kept by portcullis users.', expects: 'a path', example: './users.json' }),
    staleFor: Optional(duration({ description: 'How long passwords are still checked against what was read last while the file cannot be read. After that sign-ins and step-ups are refused with 503; sessions go on.', default: '5m', minimum: '0s', maximum: '24h' }))
  }, { description: 'Users of a file.' }),
  Type.Unsafe<VerifyPassword>({ [Kind]: 'Function', type: 'Function', parameters: [], returns: Type.Unknown() })
], { description: 'Who may sign in: a file of users or, in a TypeScript configuration, a function.', expects: 'a file of users or a function', example: '{ type: users, file: ./users.json }', hints: { oidc: noOpenIdConnect, openid: noOpenIdConnect, 'openid-connect': noOpenIdConnect } })

const budget = (max: number, description: string) => group({
  max: Optional(count({ description: 'Requests.', default: max, minimum: 1, maximum: 1_000_000 })),
  window: Optional(duration({ description: 'In this time, from the first one on.', default: '1m', minimum: '1s', maximum: '24h' }))
}, { description, default: {} })

/** Every setting, with its unit, default and bounds. */
export const configSchema = group({
  origin: text(check.checkOrigin, { description: 'Scheme, host and port that browsers see: the issuer; decides how cookies are secured.', expects: 'an address, such as https://app.example.com', example: 'https://app.example.com' }),
  listen: Optional(listen),
  admin: Optional(admin),
  store: Optional(store),
  secret: Optional(secret),
  keys: Optional(keys),
  session: Optional(session),
  accessToken: Optional(group({
    ttl: Optional(duration({ description: 'How long an access token is good.', default: '10m', minimum: '1m', maximum: '15m' })),
    cacheSize: Optional(count({ description: 'Verified tokens that one process remembers, the least lately used go first: about 2.1 kB each. The signature of others is verified at each use.', default: 20_000, minimum: 0, maximum: 10_000_000 }))
  }, { description: 'Access tokens.', default: {} })),
  refreshToken: Optional(refreshToken),
  cookies: Optional(group({
    sameSite: Optional(choice(['lax', 'strict'], { description: 'SameSite of the session cookie.', default: 'lax' })),
    name: Optional(text(check.checkCookieName, { description: 'What the names of all cookies are made of. Each deployment on a host needs a name, because browsers send the cookies of a host to all its ports.', default: 'portcullis', expects: 'letters, digits, - and _, at most 64 of them' }))
  }, { description: 'Cookies.', default: {} })),
  revocation: Optional(revocation),
  identity,
  issuers: Optional(list(issuer, { description: 'Foreign issuers whose access tokens are accepted too.', default: [], expects: 'a list of groups of settings, each with a name and an issuer' })),
  shutdown: Optional(group({
    delay: Optional(duration({ description: 'How long to go on serving after readiness went off.', default: '0s', minimum: '0s', maximum: '10m' })),
    timeout: Optional(duration({ description: 'How long requests under way may take to finish.', default: '10s', minimum: '0s', maximum: '10m' }))
  }, { description: 'What SIGTERM does.', default: {} })),
  log: Optional(group({
    level: Optional(choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], { description: 'Least level that is logged.', default: 'info' })),
    access: Optional(flag({ description: 'One line a request.', default: false }))
  }, { description: 'Logging.', default: {} })),
  limits: Optional(group({
    headers: Optional(size({ description: 'Largest request head.', default: '16KiB', minimum: '1KiB', maximum: '256KiB' })),
    body: Optional(size({ description: 'Largest body of the gateway\'s own endpoints; upstreams stream.', default: '1MiB', minimum: '1KiB', maximum: '64MiB' })),
    headersTimeout: Optional(duration({ description: 'How long a request head may take to arrive.', default: '10s', minimum: '100ms', maximum: '5m' })),
    clientTimeout: Optional(duration({ description: 'How long a client may take nothing of an answer, an event stream or a WebSocket that waits for it; then its connection is reset.', default: '60s', minimum: '1s', maximum: '1h' })),
    keepAlive: Optional(duration({ description: 'How long an idle connection stays open.', default: '72s', minimum: '1s', maximum: '1h' }))
  }, { description: 'What a client may ask for.', default: {} })),
  cors: Optional(group({
    origins: Optional(list(text(check.checkOtherOrigin, { description: 'Origin.', expects: 'an origin' }), { description: 'Other origins that may use bearer tokens, never cookies. With any here, the CORS headers of upstreams are dropped.', default: [], uniqueItems: true, expects: 'a list of origins, such as [https://spa.example.com]' }))
  }, { description: 'Cross-origin requests.', default: {} })),
  rateLimit: Optional(group({
    signIn: Optional(budget(10, 'Attempts to sign in of one client address (of IPv6, a /64), and failed ones for one account.')),
    refresh: Optional(budget(60, 'Refreshes of one session, and forged ones of one client address.'))
  }, { description: 'Budgets of the gateway\'s own endpoints.', default: {} })),
  pages: Optional(flag({ description: 'Serves a sign-in page (/auth/sign-in) and an account page (/auth/account), and sends visitors who are not signed in there.', default: false })),
  upstreams: Optional(list(upstream, { description: 'The services behind the gateway.', default: [], expects: 'a list of groups of settings, each with a prefix and a target' }))
}, { description: 'The configuration of Portcullis.' })

/** What a user writes. */
export type ConfigInput = Static<typeof configSchema>

/** Gives a TypeScript configuration its types; changes nothing. */
export function defineConfig (input: ConfigInput): ConfigInput {
  return input
}

/** What a schema's settings are once every default has been filled in. */
export type Complete<Schema extends TSchema> =
  Schema extends TArray<infer Item> ? Array<Complete<Item>>
    : Schema extends TUnion<infer Branches> ? { [Index in keyof Branches]: Complete<Branches[Index]> }[number]
      : Schema extends TObject<infer Properties> ? { [Name in keyof Properties]: Complete<Properties[Name]> | Absence<Properties[Name]> }
        : Static<Schema>

type Absence<Schema> = Schema extends { default: unknown } ? never : Schema extends TOptional<TSchema> ? undefined : never

export type Settings = Complete<typeof configSchema>

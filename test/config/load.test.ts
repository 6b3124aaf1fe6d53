import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { checkConfig, loadConfig } from '../../config/load.ts'
import { ConfigInvalidError } from '../../lib/errors.ts'

const secret = randomBytes(32).toString('base64url')
const orders = { prefix: '/orders', target: 'http://127.0.0.1:3001', audience: 'orders' }
const good = { origin: 'https://app.example.com', identity: { type: 'users', file: './users.json' }, upstreams: [orders] }
const where = { directory: '/etc/portcullis', env: {} }

function linesOf (input: unknown, env: Record<string, string> = {}): string[] {
  try {
    checkConfig(input, { ...where, env })
  } catch (error) {
    if (error instanceof ConfigInvalidError) return error.message.split('\n')
    throw error
  }
  return []
}

const withUpstream = (settings: object) => ({ ...good, upstreams: [{ ...orders, ...settings }] })
const idp = { name: 'idp', issuer: 'https://idp.example.com', jwks: './jwks.json', algorithms: ['RS256'] }
const withIssuer = (settings: object) => ({ ...good, issuers: [{ ...idp, ...settings }] })
const redis = { type: 'redis', url: 'redis://127.0.0.1:6379' }
const adminToken = randomBytes(32).toString('base64url')
const fixSecret = 'make one with: node -p "crypto.randomBytes(32).toString(\'base64url\')"'

const misconfigurations: Array<[reason: string, input: unknown, line: string | RegExp]> = [
  // The whole
  ['a list', [], 'configuration: must be a group of settings; start with origin: https://app.example.com'],
  ['no identity', { origin: good.origin }, 'identity: is required; add identity: { type: users, file: ./users.json }'],
  ['a misspelt group', { ...good, sesion: {} }, 'sesion: unknown setting; did you mean "session"?'],
  ['a misspelt required setting', { ...good, origin: undefined, orgin: good.origin }, 'orgin: unknown setting; did you mean "origin"?'],
  ['a setting in snake case', { ...good, session: { idle_timeout: '5m' } }, 'session.idle_timeout: unknown setting; did you mean "idleTimeout"?'],
  ['a setting of another group', { ...good, absoluteTimeout: '5m' }, 'absoluteTimeout: unknown setting; did you mean "session.absoluteTimeout"?'],
  ['a setting of an upstream at the top', { ...good, rewritePrefix: '/' }, 'rewritePrefix: unknown setting; did you mean "upstreams[].rewritePrefix"?'],
  ['a setting that is like no other', { ...good, log: { zebra: 1 } }, 'log.zebra: unknown setting; known here: level, access'],
  ['a name with a line break in it', { ...good, log: { 'a\nb': 1 } }, 'log."a\\nb": unknown setting; known here: level, access'],
  ['an empty group', { ...good, session: null }, 'session: is empty; it must be a group of settings (idleTimeout, absoluteTimeout, maxPerSubject, cacheSize, deviceBound)'],
  ['a function in the wrong place', { ...good, store: () => redis }, 'store: is a function, which identity alone may be; write a value'],
  ['a group that is a text', { ...good, log: 'debug' }, 'log: must be a group of settings (level, access)'],

  // Origin
  ['http in public', { ...good, origin: 'http://app.example.com' }, 'origin: must be https, because cookies are safe there alone; write https://…, or http://localhost or http://127.0.0.1 for development'],
  ['a host that only begins like localhost', { ...good, origin: 'http://localhost.example.com' }, 'origin: must be https, because cookies are safe there alone; write https://…, or http://localhost or http://127.0.0.1 for development'],
  ['an origin that is no address', { ...good, origin: 'app.example.com' }, 'origin: must be an address; write for example https://app.example.com'],
  ['an origin with a path', { ...good, origin: 'https://app.example.com/app' }, 'origin: must not have a path; remove what follows the host and port'],
  ['an origin with a query', { ...good, origin: 'https://app.example.com/?' }, 'origin: must not have a query or a fragment; remove what follows the host and port'],
  ['an origin with a user', { ...good, origin: 'https://joe@app.example.com' }, 'origin: must not carry a user or a password; remove what stands before the @'],
  ['an origin for many hosts', { ...good, origin: 'https://*.example.com' }, 'origin: must name one host; remove the wildcard'],
  ['an origin that is a number', { ...good, origin: 5 }, 'origin: must be an address, such as https://app.example.com'],

  // Listen
  ['a port beyond the last', { ...good, listen: { port: 65536 } }, 'listen.port: must be a whole number from 0 to 65535'],
  ['a port in words', { ...good, listen: { port: 'http' } }, 'listen.port: must be a whole number from 0 to 65535'],
  ['trust in everyone', { ...good, listen: { trustProxy: true } }, 'listen.trustProxy: must be a list of IP addresses or CIDR blocks, such as [10.0.0.0/8]: how many hops, or everyone, is not safe to trust'],
  ['trust in a number of hops', { ...good, listen: { trustProxy: 1 } }, 'listen.trustProxy: must be a list of IP addresses or CIDR blocks, such as [10.0.0.0/8]: how many hops, or everyone, is not safe to trust'],
  ['trust in a number of hops as a text', { ...good, listen: { trustProxy: ['1'] } }, 'listen.trustProxy[0]: must be an address, not a number of hops, which a client can forge by adding headers; write for example 10.0.0.0/8'],
  ['trust in every address', { ...good, listen: { trustProxy: ['10.0.0.0/8', '0.0.0.0/0'] } }, 'listen.trustProxy[1]: would trust every client to say its own address; name the proxies, for example 10.0.0.0/8'],
  ['a network that is too small for its family', { ...good, listen: { trustProxy: ['10.0.0.0/33'] } }, 'listen.trustProxy[0]: must be an IP address or a CIDR block; write for example 10.0.0.0/8'],

  ['a certificate without a key', { ...good, listen: { tls: { cert: 'a' } } }, 'listen.tls.key: is required; add key: <a path>'],

  // Other origins
  ['everyone as another origin', { ...good, cors: { origins: ['*'] } }, 'cors.origins[0]: must not be everyone; name each origin, for example https://spa.example.com'],
  ['every host of a domain', { ...good, cors: { origins: ['https://*.example.com'] } }, 'cors.origins[0]: must name one host; remove the wildcard'],
  ['the origin of sandboxed pages', { ...good, cors: { origins: ['null'] } }, 'cors.origins[0]: must not be null, which is every sandboxed page; name the origin, for example https://spa.example.com'],
  ['another origin with a path', { ...good, cors: { origins: ['https://spa.example.com', 'https://b.example.com/app'] } }, 'cors.origins[1]: must not have a path; remove what follows the host and port'],
  ['another origin over http', { ...good, cors: { origins: ['http://spa.example.com'] } }, 'cors.origins[0]: must be https, because anyone on the way could use its tokens otherwise; write https://…, or http://localhost or http://127.0.0.1 for development'],
  ['the origin itself as another one', { ...good, cors: { origins: ['https://APP.example.com:443/'] } }, 'cors.origins[0]: is origin itself, which needs no permission; remove it'],
  ['a text in place of a list of origins', { ...good, cors: { origins: 'https://spa.example.com' } }, 'cors.origins: must be a list of origins, such as [https://spa.example.com]'],

  // Store and secret
  ['an unknown store', { ...good, store: { type: 'rediss' } }, 'store.type: is not known; write sqlite or redis (did you mean redis?)'],
  ['a store without a type', { ...good, store: { path: './x.db' } }, 'store.type: is required; write sqlite or redis'],
  ['a store that is a text', { ...good, store: 'redis' }, 'store: must be a group of settings with type: sqlite or type: redis'],
  ['an address for the embedded store', { ...good, store: { type: 'sqlite', url: redis.url } }, 'store.url: unknown setting; known here: type, path, timeout'],
  ['redis without an address', { ...good, secret, store: { type: 'redis' } }, 'store.url: is required with redis, unless cluster or sentinels is set; add url: redis://<host>:6379'],
  ['redis by two ways', { ...good, secret, store: { ...redis, cluster: [redis.url] } }, 'store.cluster: cannot be set together with url; remove one of them'],
  ['sentinels without the name of the primary', { ...good, secret, store: { type: 'redis', sentinels: [redis.url] } }, 'store.name: is required with sentinels; add the name that they know the primary by'],
  ['a name without sentinels', { ...good, secret, store: { ...redis, name: 'primary' } }, 'store.name: belongs to sentinels; remove it'],
  ['another password beside the address', { ...good, secret, store: { type: 'redis', url: 'redis://:sesame@127.0.0.1', password: 'open' } }, 'store.password: is another password than that in url; remove one of them'],
  ['another user beside the nodes', { ...good, secret, store: { type: 'redis', cluster: ['redis://one:7000', 'redis://ada:open@two:7000'], username: 'bob' } }, 'store.username: is another user than that in cluster; remove one of them'],
  ['nodes with different passwords', { ...good, secret, store: { type: 'redis', cluster: ['redis://:open@one:7000', 'redis://:sesame@two:7000'] } }, 'store.cluster: the addresses have different passwords, and one is used for all; write the same one'],
  ['a database for sentinels in their address', { ...good, secret, store: { type: 'redis', sentinels: ['redis://one:26379/3'], name: 'main' } }, 'store.sentinels: sentinels have no databases, and the number would not be that of the primary; remove what follows the port, and set store.database'],
  ['a database in the address of a node', { ...good, secret, store: { type: 'redis', cluster: ['redis://one:7000/3'] } }, 'store.cluster: a Cluster has no database numbers; remove what follows the port'],
  ['a database for a Cluster', { ...good, secret, store: { type: 'redis', cluster: ['redis://one:7000'], database: 3 } }, 'store.database: is not for a Cluster, which has database 0 alone; remove it, and keep deployments apart with keyPrefix'],
  ['another database beside the address', { ...good, secret, store: { type: 'redis', url: 'redis://one/0', database: 3 } }, 'store.database: is another number than that in url; remove one of them'],
  ['a negative database', { ...good, secret, store: { ...redis, database: -1 } }, 'store.database: must be a whole number from 0 to 65535'],
  ['a key prefix with braces', { ...good, secret, store: { ...redis, keyPrefix: 'app{1}:' } }, 'store.keyPrefix: must be 1 to 64 letters, digits and . : _ -; write for example portcullis:'],
  ['no key prefix', { ...good, secret, store: { ...redis, keyPrefix: '' } }, 'store.keyPrefix: must be 1 to 64 letters, digits and . : _ -; write for example portcullis:'],
  ['a key prefix among the rate limits of another one', { ...good, secret, store: { ...redis, keyPrefix: 'portcullis:rate:' } }, 'store.keyPrefix: must not have rate between colons, which is where the counts of rate limits of another prefix are; choose another'],
  ['TLS settings for a connection in the clear', { ...good, secret, store: { ...redis, tls: { ca: './ca.pem' } } }, 'store.tls: is for connections with TLS; write rediss:// in url, or remove it'],
  ['a client certificate without its key', { ...good, secret, store: { type: 'redis', url: 'rediss://one', tls: { cert: './cert.pem' } } }, 'store.tls.key: is required with cert; add it, or remove cert'],
  ...['#', '/', '?'].map((character): [string, unknown, RegExp] => [`a password with ${character} in the address`, { ...good, secret, store: { type: 'redis', url: `redis://ada:open${character}sesame@127.0.0.1:6379` } }, /^store\.url: (?!.*sesame).*percent-encode it, or write it to store\.password/]),
  ['a password with % in the address', { ...good, secret, store: { type: 'redis', url: 'redis://:100%@127.0.0.1:6379' } }, /^store\.url: .*write %25 for %.*store\.password/],
  ['a Cluster without nodes', { ...good, secret, store: { type: 'redis', cluster: [] } }, 'store.cluster: has too few entries; add one'],
  ['redis over http', { ...good, secret, store: { type: 'redis', url: 'http://127.0.0.1' } }, 'store.url: must be a redis:// or rediss:// address; write for example redis://127.0.0.1:6379'],
  ['redis without a secret', { ...good, store: redis }, `secret: is required with redis, so that every gateway has the same; add secret: \${${'PORTCULLIS_SECRET'}}`],
  ['a store timeout without a unit', { ...good, store: { type: 'sqlite', timeout: 5 } }, 'store.timeout: must be a duration with a unit, such as 500ms, 30s, 15m, 24h or 30d'],
  ['a short secret', { ...good, secret: randomBytes(31).toString('base64url') }, `secret: must be at least 32 random bytes; ${fixSecret}`],
  ['a secret in plain base64', { ...good, secret: `${secret}=` }, `secret: must be base64url (letters, digits, - and _ alone); ${fixSecret}`],
  ['a short secret in a list', { ...good, secret: [secret, 'abc'] }, `secret[1]: must be at least 32 random bytes; ${fixSecret}`],
  ['a list of no secrets', { ...good, secret: [] }, 'secret: has too few entries; add one'],
  ['one secret twice', { ...good, secret: [secret, secret] }, 'secret: has one entry twice; remove one of them'],
  ['a secret that is a number', { ...good, secret: 12345 }, 'secret: must be a string of base64url, or a list of them'],

  // Lifetimes
  ['a duration without a unit', { ...good, session: { idleTimeout: 1800 } }, 'session.idleTimeout: must be a duration with a unit, such as 500ms, 30s, 15m, 24h or 30d'],
  ['an unknown unit', { ...good, session: { idleTimeout: '2 weeks' } }, 'session.idleTimeout: must be a duration with a unit, such as 500ms, 30s, 15m, 24h or 30d'],
  ['an idle timeout beyond the absolute one', { ...good, session: { idleTimeout: '2h', absoluteTimeout: '1h' } }, 'session.idleTimeout: must be at most session.absoluteTimeout; shorten it, or lengthen session.absoluteTimeout'],
  ['too many sessions', { ...good, session: { maxPerSubject: 1001 } }, 'session.maxPerSubject: must be a whole number from 1 to 1000'],
  ['a device cookie for a day', { ...good, session: { deviceBound: { cookieTtl: '24h' } } }, 'session.deviceBound.cookieTtl: must be from 1s to 1h'],
  ['half a session', { ...good, session: { maxPerSubject: 1.5 } }, 'session.maxPerSubject: must be a whole number from 1 to 1000'],
  ['an access token that lives too long', { ...good, accessToken: { ttl: '1h' } }, 'accessToken.ttl: must be from 1m to 15m'],
  ['an access token that lives too short', { ...good, accessToken: { ttl: '59s' } }, 'accessToken.ttl: must be from 1m to 15m'],
  ['an overlap as long as the idle timeout', { ...good, session: { idleTimeout: '5m' }, refreshToken: { overlap: '5m' } }, 'refreshToken.overlap: must be shorter than session.idleTimeout; shorten it'],
  ['a retry window beyond the idle timeout', { ...good, refreshToken: { retryWindow: '31m' } }, 'refreshToken.retryWindow: must be at most session.idleTimeout; shorten it'],
  ['an impatient replica', { ...good, revocation: { maxStaleness: '99ms' } }, 'revocation.maxStaleness: must be from 100ms to 60s'],
  ['a strict gateway that serves stale', { ...good, revocation: { consistency: 'strict', staleFor: '1s' } }, 'revocation.staleFor: must be 0s, because strict never serves stale; remove it, or write consistency: replica'],

  // The rest of the gateway
  ['a cookie for every site', { ...good, cookies: { sameSite: 'none' } }, 'cookies.sameSite: must be lax or strict'],
  ['a misspelt word', { ...good, revocation: { consistency: 'stric' } }, 'revocation.consistency: must be replica or strict; did you mean strict?'],
  ['a symmetric algorithm', { ...good, keys: { algorithm: 'HS256' } }, 'keys.algorithm: must be ES256, EdDSA, or RS256; did you mean ES256?'],
  ['users without a file', { ...good, identity: { type: 'users' } }, 'identity.file: is required; add file: ./users.json'],
  ['a provider by the name of the protocol', { ...good, identity: { type: 'openid-connect' } }, 'identity.type: is not known; write oidc'],
  ['a setting that several groups have', { ...good, accessToken: { port: 1 } }, 'accessToken.port: unknown setting; known here: ttl, cacheSize; elsewhere there are listen.port, admin.port'],
  ['an unknown kind of identity', { ...good, identity: { type: 'ldap' } }, 'identity.type: is not known; write users or oidc'],
  ['an identity that is a text', { ...good, identity: './users.json' }, 'identity: must be a file of users, an identity provider, a function, or a list of these'],
  ['a size in the wrong unit', { ...good, limits: { headers: '16KB' } }, 'limits.headers: must be a size with a unit, such as 512B, 16KiB or 1MiB'],
  ['a size beyond reason', { ...good, limits: { body: '1GiB' } }, 'limits.body: must be from 1KiB to 64MiB'],
  ['a key that signs before every gateway knows it', { ...good, keys: { publishAhead: '30s' }, revocation: { maxStaleness: '30s' } }, 'keys.publishAhead: must be longer than revocation.maxStaleness, so that every gateway knows a key before it signs; lengthen it'],
  ['a flag in words', { ...good, log: { access: 'yes' } }, 'log.access: must be true or false'],

  ['a budget of nothing', { ...good, rateLimit: { signIn: { max: 0 } } }, 'rateLimit.signIn.max: must be a whole number from 1 to 1000000'],
  ['a window that is over at once', { ...good, rateLimit: { refresh: { window: '10ms' } } }, 'rateLimit.refresh.window: must be from 1s to 24h'],

  // Upstreams
  ['half a budget', withUpstream({ rateLimit: { window: '1m' } }), 'upstreams[0].rateLimit.max: is required; add max: 600'],
  ['upstreams that are no list', { ...good, upstreams: orders }, 'upstreams: must be a list of groups of settings, each with a prefix and a target'],
  ['no audience', withUpstream({ audience: undefined }), 'upstreams[0].audience: is required unless access is public; add audience: <name>'],
  ['a host of one upstream', withUpstream({ host: 'wiki.example.com' }), 'upstreams[0].host: every upstream is at the host of origin so far; where the service is goes into target'],
  ['a misspelt audience', withUpstream({ audience: undefined, audiance: 'orders' }), 'upstreams[0].audiance: unknown setting; did you mean "audience"?'],
  ['the origin as an audience', withUpstream({ audience: 'https://app.example.com/' }), 'upstreams[0].audience: must not be the origin, which is the audience of the gateway itself; choose another name'],
  ['the word origin as an audience', withUpstream({ audience: 'origin' }), 'upstreams[0].audience: must not be "origin", which at sign-in stands for the gateway itself; choose another name'],
  ['no prefix', withUpstream({ prefix: undefined }), 'upstreams[0].prefix: is required; add prefix: /orders'],
  ['a relative prefix', withUpstream({ prefix: 'orders' }), 'upstreams[0].prefix: must start with /; write for example /orders'],
  ['a prefix that ends with a slash', withUpstream({ prefix: '/orders/' }), 'upstreams[0].prefix: must not end with /; remove it'],
  ['an encoded prefix', withUpstream({ prefix: '/%61uth' }), 'upstreams[0].prefix: must not have encoded characters; write letters, digits and - . _ ~ @ alone'],
  ['a prefix that climbs', withUpstream({ prefix: '/orders/../auth' }), 'upstreams[0].prefix: must not have . or .. as a segment; write the path that they lead to'],
  ['a prefix with an empty segment', withUpstream({ prefix: '//orders' }), 'upstreams[0].prefix: must not have // in it; remove one'],
  ['a prefix with a parameter', withUpstream({ prefix: '/orders/:id' }), 'upstreams[0].prefix: must consist of letters, digits and - . _ ~ @; remove other characters'],
  ['a prefix at the gateway\'s own path', withUpstream({ prefix: '/auth' }), 'upstreams[0].prefix: must not lie in /auth, which is the gateway\'s own; choose another prefix'],
  ['a prefix inside the gateway\'s own path', withUpstream({ prefix: '/oauth/token' }), 'upstreams[0].prefix: must not lie in /oauth, which is the gateway\'s own; choose another prefix'],
  ['the prefix of the key set', withUpstream({ prefix: '/.well-known/jwks.json' }), 'upstreams[0].prefix: must not lie in /.well-known/jwks.json, which is the gateway\'s own; choose another prefix'],
  ['one prefix twice', { ...good, upstreams: [orders, orders] }, 'upstreams[1].prefix: is that of upstreams[0] too; choose another'],
  ['a target without a scheme', withUpstream({ target: 'localhost:3001' }), 'upstreams[0].target: must be an http or https address; write for example http://127.0.0.1:3001'],
  ['a target with a path', withUpstream({ target: 'http://127.0.0.1:3001/v1' }), 'upstreams[0].target: must not have a path; move the path to rewritePrefix'],
  ['a target with a password', withUpstream({ target: 'http://joe:pw@127.0.0.1:3001' }), 'upstreams[0].target: must not carry a user or a password; remove what stands before the @'],
  ['transparent paths around another prefix', { ...good, upstreams: [{ ...orders, paths: 'transparent' }, { ...orders, prefix: '/orders/admin', target: 'http://127.0.0.1:3009' }] }, 'upstreams[0].paths: cannot be transparent, because upstreams[1] lies inside the prefix, and a path could lead around what either demands; write strict, or separate them'],
  ['transparent paths of a shared service', { ...good, upstreams: [{ ...orders, prefix: '/other' }, { ...orders, paths: 'transparent' }] }, 'upstreams[1].paths: cannot be transparent, because upstreams[0] has the same target, and a path could lead around what either demands; write strict, or separate them'],
  ['no target', withUpstream({ target: undefined }), 'upstreams[0].target: is required; add target: http://127.0.0.1:3001, or targets'],
  ['a target beside targets', withUpstream({ targets: ['http://127.0.0.1:3002'] }), 'upstreams[0].target: cannot stand beside targets; move it into targets'],
  ['TLS to a plain target', withUpstream({ tls: { serverName: 'wiki.internal' } }), 'upstreams[0].tls: is for https targets alone; write https in every target, or remove it'],
  ['a certificate without its key', withUpstream({ target: 'https://wiki.internal', tls: { cert: 'a.pem' } }), 'upstreams[0].tls.key: is required with cert; add it, or remove cert'],
  ['an address as the name of a server', withUpstream({ target: 'https://wiki.internal', tls: { serverName: '10.0.0.1' } }), 'upstreams[0].tls.serverName: must be a name, because certificates name no server of TLS by its address in the handshake; remove it'],
  ['a rewrite that is no path', withUpstream({ rewritePrefix: '/v1/' }), 'upstreams[0].rewritePrefix: must not end with /; remove it'],
  ['an unknown access', withUpstream({ access: 'publik' }), 'upstreams[0].access: must be any, session, token, or public; did you mean public?'],
  ['two scopes in one text', withUpstream({ scopes: ['orders:read orders:write'] }), 'upstreams[0].scopes[0]: must be one scope of visible ASCII characters without space, " and \\; write one list entry a scope'],
  ['scopes that are a text', withUpstream({ scopes: 'orders:read' }), 'upstreams[0].scopes: must be a list (each a scope)'],
  ['one scope twice', withUpstream({ scopes: ['a', 'a'] }), 'upstreams[0].scopes: has one entry twice; remove one of them'],
  ['scopes of the public', withUpstream({ access: 'public', scopes: ['a'] }), 'upstreams[0].scopes: cannot be demanded when access is public; remove it, or change access'],
  ['step-up of the public', withUpstream({ access: 'public', stepUp: { maxAge: '5m' } }), 'upstreams[0].stepUp: cannot be demanded when access is public; remove it, or change access'],
  ['a step-up without an age', withUpstream({ stepUp: { methods: ['POST'] } }), 'upstreams[0].stepUp.maxAge: is required; add maxAge: 5m'],
  ['a misspelt method', withUpstream({ stepUp: { maxAge: '5m', methods: ['DELTE'] } }), 'upstreams[0].stepUp.methods[0]: must be an HTTP method in capitals; did you mean DELETE?'],
  ['a method in lower case', withUpstream({ stepUp: { maxAge: '5m', methods: ['post'] } }), 'upstreams[0].stepUp.methods[0]: must be an HTTP method in capitals; did you mean POST?'],
  ['the client\'s token from a cookie', withUpstream({ forward: 'pass' }), 'upstreams[0].forward: pass needs access: token; change one of them'],
  ['a minted token for nobody', withUpstream({ access: 'public', audience: undefined, forward: 'mint' }), 'upstreams[0].forward: mint needs an audience; add audience: <name>, or write forward: headers or none'],
  ['a kept header that is also our credential', withUpstream({ authorization: 'keep', forward: 'none' }), 'upstreams[0].authorization: keep needs access: session or public; change access, or write authorization: strip'],
  ['a kept header that a minted token replaces', withUpstream({ access: 'session', authorization: 'keep' }), 'upstreams[0].authorization: keep needs forward: headers or none; change forward, or write authorization: strip'],
  ['a silent upstream with no end', withUpstream({ timeout: '2h' }), 'upstreams[0].timeout: must be from 100ms to 1h'],
  ['an admin listener without a token', { ...good, admin: {} }, 'admin.token: is required; add token: ${ADMIN_TOKEN}'], // eslint-disable-line no-template-curly-in-string
  ['an admin token that can be guessed', { ...good, admin: { token: 'short' } }, 'admin.token: must have at least 16 characters; make one with: node -p "crypto.randomBytes(32).toString(\'base64url\')"'],
  ['an admin token that fits in no header', { ...good, admin: { token: 'a token with spaces in it' } }, `admin.token: must be visible ASCII characters without a space; ${fixSecret}`],
  ['administration where clients are', { ...good, admin: { port: 8080, token: adminToken } }, 'admin.port: is that of listen too, and administration must not be where clients are; choose another'],
  ['administration where clients are, by another name', { ...good, listen: { host: 'localhost', port: 9090 }, admin: { token: adminToken } }, 'admin.port: is that of listen too, and administration must not be where clients are; choose another'],
  ['an issuer without keys', withIssuer({ jwks: undefined }), 'issuers[0].jwks: is required unless jwksUri is set; add jwks: <path>, or jwksUri: <address>'],
  ['an issuer with keys from two places', withIssuer({ jwksUri: 'https://idp.example.com/jwks' }), 'issuers[0].jwksUri: cannot be set together with jwks; remove one of them'],
  ['keys that cross the network in the clear', withIssuer({ jwks: undefined, jwksUri: 'http://idp.example.com/jwks' }), 'issuers[0].jwksUri: must be an https address (http on localhost and 127.0.0.1 alone), because whoever changes the keys on their way can sign in as anyone'],
  ['a password for the keys', withIssuer({ jwks: undefined, jwksUri: 'https://u:p@idp.example.com/jwks' }), 'issuers[0].jwksUri: must not carry a user or a password; remove what stands before the @'],
  ['an issuer name with a bar', withIssuer({ name: 'a|b' }), 'issuers[0].name: must be 1 to 64 letters, digits and . _ -; write for example idp'],
  ['an issuer that is the gateway', withIssuer({ issuer: 'https://app.example.com' }), 'issuers[0].issuer: must not be the origin, whose tokens are accepted anyway; remove it'],
  ['an issuer of no algorithm', withIssuer({ algorithms: ['none'] }), /^issuers\[0\]\.algorithms\[0\]: must be RS256, /],
  ['a shared secret', withIssuer({ algorithms: ['HS256'] }), /^issuers\[0\]\.algorithms\[0\]: must be RS256, /],
  ['no algorithm', withIssuer({ algorithms: [] }), 'issuers[0].algorithms: has too few entries; add one'],
  ['foreign tokens of any age', withIssuer({ maxTokenAge: '25h' }), 'issuers[0].maxTokenAge: must be from 1m to 24h'],
  ['two issuers of one name', { ...good, issuers: [idp, { ...idp, issuer: 'https://other.example.com' }] }, 'issuers[1].name: is that of issuers[0] too, so two people could be one subject; choose another'],
  ['one issuer under two names', { ...good, issuers: [idp, { ...idp, name: 'other' }] }, 'issuers[1].issuer: is that of issuers[0] too; remove one'],
  ['a staleness of one upstream', withUpstream({ revocation: { maxStaleness: '1s' } }), 'upstreams[0].revocation.maxStaleness: unknown setting; did you mean "revocation.maxStaleness"?']
]

for (const [reason, input, line] of misconfigurations) {
  t.test(`${reason} is refused in one line`, async t => {
    if (typeof line === 'string') t.strictSame(linesOf(input), [line])
    else t.match(linesOf(input), [line])
  })
}

t.test('a part may be switched off', async t => {
  t.strictSame(linesOf({ ...good, issuers: [], pages: false, ...withUpstream({ websocket: false }) }), [])
})

t.test('every mistake is told at once, a line each', async t => {
  const lines = linesOf({ origin: 'http://app.example.com', sesion: {}, admin: {}, upstreams: [{ prefix: '/auth', target: orders.target }, { prefix: '/a', target: orders.target }] })

  t.strictSame(lines.map(line => line.split(':')[0]), ['identity', 'sesion', 'origin', 'admin.token', 'upstreams[0].prefix', 'upstreams[1].audience'])
})

t.test('an error never repeats a secret', async t => {
  const hidden = 'correct+horse'
  const lines = linesOf({
    ...good,
    origin: `https://u:${hidden}@app.example.com`,
    secret: hidden,
    admin: { token: hidden, port: hidden },
    store: { type: 'redis', url: `http://:${hidden}@redis` },
    upstreams: [{ ...orders, target: `http://u:${hidden}@127.0.0.1` }]
  })

  t.equal(lines.length, 6)
  t.notMatch(lines.join('\n'), hidden)
})

t.test('every default is filled in, and units are milliseconds and bytes', async t => {
  t.strictSame(checkConfig(good, where), {
    directory: '/etc/portcullis',
    textFiles: [],
    origin: 'https://app.example.com',
    secure: true,
    listen: { host: '0.0.0.0', port: 8080, trustProxy: [], tls: null },
    admin: null,
    store: { type: 'sqlite', path: '/etc/portcullis/portcullis.db', timeoutMs: 5000 },
    secrets: null,
    keys: { algorithm: 'ES256', rotateEveryMs: 2_592_000_000, publishAheadMs: 90_000 },
    session: { idleTimeoutMs: 1_800_000, absoluteTimeoutMs: 86_400_000, maxPerSubject: 20, cacheSize: 20_000, deviceBound: null },
    accessToken: { ttlMs: 600_000, cacheSize: 20_000 },
    refreshToken: { overlapMs: 10_000, retryWindowMs: 1_800_000 },
    cookies: { sameSite: 'lax', name: 'portcullis' },
    revocation: { consistency: 'replica', maxStalenessMs: 2000, staleForMs: 0 },
    identity: { type: 'users', file: '/etc/portcullis/users.json', staleForMs: 300_000 },
    providers: [],
    issuers: [],
    shutdown: { delayMs: 0, timeoutMs: 10_000 },
    log: { level: 'info', access: false },
    limits: { headersBytes: 16_384, bodyBytes: 1_048_576, headersTimeoutMs: 10_000, clientTimeoutMs: 60_000, keepAliveMs: 72_000 },
    rateLimit: { signIn: { max: 10, windowMs: 60_000 }, refresh: { max: 60, windowMs: 60_000 } },
    cors: { origins: [] },
    pages: false,
    upstreams: [{
      prefix: '/orders',
      targets: ['http://127.0.0.1:3001'],
      rewritePrefix: '/orders',
      responseHeadersBytes: 65_536,
      tls: null,
      audience: 'orders',
      access: 'any',
      scopes: [],
      stepUp: null,
      forward: 'mint',
      claims: null,
      authorization: 'strip',
      websocket: false,
      passHostHeader: true,
      redirects: 'rewrite',
      paths: 'strict',
      health: null,
      timeoutMs: 30_000,
      connections: 256,
      consistency: 'replica',
      rateLimit: null
    }]
  })
})

t.test('the keys of an issuer are a file beside the configuration, or an address', async t => {
  t.strictSame(checkConfig(withIssuer({}), where).issuers, [{ name: 'idp', issuer: 'https://idp.example.com', keys: { file: '/etc/portcullis/jwks.json' }, algorithms: ['RS256'], scopes: [], maxTokenAgeMs: 3_600_000, typ: 'at+jwt' }])
  t.match(checkConfig(withIssuer({ jwks: undefined, jwksUri: 'http://127.0.0.1:1/jwks' }), where).issuers, [{ keys: { url: 'http://127.0.0.1:1/jwks' } }])
})

t.test('addresses are normalised to scheme, host and port', async t => {
  const config = checkConfig({ ...withUpstream({ target: 'https://API.example.com:443/' }), origin: 'HTTPS://App.Example.com:443/' }, where)

  t.match(config, { origin: 'https://app.example.com', upstreams: [{ targets: ['https://api.example.com'] }] })
})

t.test('http is accepted on this machine alone, and cookies are not secure there', async t => {
  for (const origin of ['http://localhost', 'http://localhost:8080', 'http://127.0.0.1:8080']) {
    t.match(checkConfig({ ...good, origin }, where), { origin, secure: false })
  }
})

t.test('a short idle timeout shortens the windows that are not set', async t => {
  const { refreshToken } = checkConfig({ ...good, session: { idleTimeout: '4s' } }, where)

  t.strictSame(refreshToken, { overlapMs: 2000, retryWindowMs: 4000 })
})

t.test('sessions are bound to devices when a group says so, even an empty one', async t => {
  for (const [deviceBound, cookieTtlMs] of [[{}, 300_000], [{ cookieTtl: '90s' }, 90_000]] as const) t.strictSame(checkConfig({ ...good, session: { deviceBound } }, where).session.deviceBound, { cookieTtlMs })
})

t.test('both windows at zero are accepted', async t => {
  const { refreshToken } = checkConfig({ ...good, refreshToken: { overlap: '0s', retryWindow: '0s' } }, where)

  t.strictSame(refreshToken, { overlapMs: 0, retryWindowMs: 0 })
})

t.test('a budget is set in part or whole, and an upstream has one when it says so', async t => {
  const { rateLimit, upstreams } = checkConfig({ ...withUpstream({ rateLimit: { max: 600, window: '1m' } }), rateLimit: { signIn: { max: 5 }, refresh: { window: '5m' } } }, where)

  t.strictSame(rateLimit, { signIn: { max: 5, windowMs: 60_000 }, refresh: { max: 60, windowMs: 300_000 } })
  t.strictSame(upstreams[0]?.rateLimit, { max: 600, windowMs: 60_000 })
})

t.test('a public upstream without an audience is told nothing, with one it gets a minted token', async t => {
  const { upstreams } = checkConfig({
    ...good,
    upstreams: [{ prefix: '/', target: orders.target, access: 'public' }, { ...orders, access: 'public' }]
  }, where)

  t.strictSame(upstreams.map(({ audience, forward }) => [audience, forward]), [[null, 'none'], ['orders', 'mint']])
})

t.test('a step-up of GET holds for HEAD too, and without methods for every one', async t => {
  const { upstreams } = checkConfig({
    ...good,
    upstreams: [{ ...orders, stepUp: { maxAge: '5m', methods: ['GET'] } }, { ...orders, prefix: '/all', stepUp: { maxAge: '1m' } }]
  }, where)

  t.strictSame(upstreams.map(upstream => upstream.stepUp), [{ maxAgeMs: 300_000, methods: ['GET', 'HEAD'] }, { maxAgeMs: 60_000, methods: null }])
})

t.test('an upstream has its own consistency or that of the gateway', async t => {
  const { upstreams } = checkConfig({
    ...good,
    revocation: { consistency: 'strict' },
    upstreams: [{ ...orders, revocation: { consistency: 'replica' } }, { ...orders, prefix: '/all' }]
  }, where)

  t.strictSame(upstreams.map(upstream => upstream.consistency), ['replica', 'strict'])
})

t.test('redis, a list of secrets, a database in memory and a function as identity are accepted', async t => {
  const verify = async () => null

  t.match(checkConfig({ ...good, secret: [secret, `${secret}AA`], store: redis }, where), { secrets: [secret, `${secret}AA`], store: { type: 'redis', target: { url: redis.url }, keyPrefix: 'portcullis:', tls: null, timeoutMs: 250 } })
  t.match(checkConfig({ ...good, secret, store: { type: 'redis', sentinels: ['rediss://:watch@one'], name: 'main', username: 'ada', password: 'p/#?@%', database: 3, keyPrefix: 'b:', tls: { ca: './ca.pem' } } }, where), { store: { target: { sentinels: ['rediss://:watch@one'], name: 'main', username: 'ada', password: 'p/#?@%', database: 3 }, keyPrefix: 'b:', tls: { ca: '/etc/portcullis/ca.pem', cert: null, key: null } } })
  t.match(checkConfig({ ...good, store: { type: 'sqlite', path: ':memory:' } }, where), { store: { path: ':memory:' } })
  t.equal(checkConfig({ ...good, identity: verify }, where).identity, verify)
})

t.test('other well-known documents may be an upstream\'s', async t => {
  t.strictSame(linesOf(withUpstream({ prefix: '/.well-known/security.txt' })), [])
  t.strictSame(linesOf(withUpstream({ prefix: '/authors' })), [])
})

t.test('a checked configuration is frozen throughout and leaves its input alone', async t => {
  const input = { ...good, upstreams: [{ ...orders, scopes: ['a'] }] }
  const config = checkConfig(input, where)

  t.ok(Object.isFrozen(config) && Object.isFrozen(config.session) && Object.isFrozen(config.upstreams[0]?.scopes))
  t.strictSame(input, { ...good, upstreams: [{ ...orders, scopes: ['a'] }] })
  t.notOk(Object.isFrozen(input.upstreams[0]?.scopes))
})

t.test('a file is checked with its own directory as the base', async t => {
  const directory = t.testdir({ 'portcullis.json': JSON.stringify(good) })

  const config = await loadConfig(join(directory, 'portcullis.json'), {})
  t.match(config, { directory, identity: { file: join(directory, 'users.json') } })
})

t.test('files of TLS are found from where the configuration lies, and other origins in the spelling of browsers', async t => {
  const { listen, cors } = checkConfig({ ...good, listen: { tls: { cert: 'tls/cert.pem', key: '/run/key.pem' } }, cors: { origins: ['https://SPA.example.com:443/', 'https://spa.example.com', 'http://localhost:5173'] } }, where)

  t.same(listen.tls, { cert: '/etc/portcullis/tls/cert.pem', key: '/run/key.pem' })
  t.same(cors.origins, ['https://spa.example.com', 'http://localhost:5173'])
})

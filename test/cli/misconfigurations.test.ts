import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { chmod, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { hashPassword } from '../../users/password.ts'
import { createSqliteStore } from '../../stores/sqlite.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { runMain, runPortcullis, type Outcome } from '../helpers/portcullis.ts'

/*
 * What an operator in a hurry writes, and what an attacker would like to find: each is one line that names the setting and the
 * fix. Every row changes one thing in a configuration that is good, so any second line, or a warning of what is not wrong, fails.
 */

const secret = randomBytes(32).toString('base64url')
const adminToken = randomBytes(32).toString('base64url')
const redisPassword = randomBytes(12).toString('base64url')
const hash = await hashPassword('correct horse')
const quickHash = await hashPassword('correct horse', { ln: 10, r: 8, p: 1 })
const plainPassword = 'a password in plain sight'
const certificate = makeCertificate()
const otherCertificate = makeCertificate()
const expired = makeCertificate({ from: Date.now() - 7_200_000, to: Date.now() - 3_600_000 })
const early = makeCertificate({ from: Date.now() + 3_600_000, to: Date.now() + 7_200_000 })
const encryptedKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'zebra' }) as string
const issuerKeys = generateKeyPairSync('rsa', { modulusLength: 2048 })
const publicJwk = { ...issuerKeys.publicKey.export({ format: 'jwk' }), kid: '1' }
const privateJwk = { ...issuerKeys.privateKey.export({ format: 'jwk' }), kid: '2' }
const weakJwk = { ...generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' }), kid: '3' }

const weakSecrets = {
  short: randomBytes(31).toString('base64url'),
  oneByte: Buffer.alloc(32, 7).toString('base64url'),
  counted: Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString('base64url'),
  sentence: Buffer.from('the quick brown fox jumps over the lazy dog').toString('base64url'),
  words: 'correct-horse-battery-staple-correct-horse-battery',
  placeholder: 'ChangeMe0987654321ZYXWVUTSRQPONMLKJIHGFEDCBA9876'
}
const weakTokens = { short: 'open-sesame', repeated: 'abababababababababab', words: 'token-of-all-operators', placeholder: 'MyAdminPassword2024' }

/** Nothing of this may ever be printed. */
const hidden = [
  secret, adminToken, redisPassword, plainPassword, hash, quickHash, 'correct horse', 'zebra', ...Object.values(weakSecrets), ...Object.values(weakTokens),
  ...[certificate.key, otherCertificate.key, encryptedKey].map(pem => pem.split('\n')[1]!), String(privateJwk.d), String(publicJwk.n)
]

const variable = (name: string) => `\${${name}}`
const makeSecret = 'make one with: node -p "crypto.randomBytes(32).toString(\'base64url\')"'
const fixOrigin = 'must be https, because cookies are safe there alone; write https://…, or http://localhost or http://127.0.0.1 for development'

const orders = { prefix: '/orders', target: 'http://127.0.0.1:3001', audience: 'orders', scopes: ['orders:read'] }
const users = [{ username: 'ada', subject: 'ada', password: hash, scopes: ['orders:read'] }]
const idp = { name: 'idp', issuer: 'https://idp.example.com', jwks: './jwks.json', algorithms: ['RS256'] }
const redis = { type: 'redis', url: `redis://:${redisPassword}@127.0.0.1:6379` }
const development = { origin: 'http://localhost:8080', listen: { host: 'localhost', port: 8080 } }
const developmentLine = 'origin: is http, so cookies go without Secure and prefix; for development alone'

const good = {
  origin: 'https://app.example.com',
  listen: { host: '0.0.0.0', port: 8080, trustProxy: ['10.0.0.1'] },
  admin: { token: variable('ADMIN_TOKEN') },
  store: { type: 'sqlite', path: './portcullis.db' },
  secret: variable('PORTCULLIS_SECRET'),
  identity: { type: 'users', file: './users.json' },
  upstreams: [orders]
}

interface Change {
  /** In place of the settings of these names. */
  config?: object
  /** In place of the whole file: its name and what it says. */
  raw?: [name: string, text: string]
  env?: Record<string, string>
  /** Beside the configuration; null: none. */
  files?: Record<string, string | object | null>
  prepare?: (folder: string) => unknown
}

type Row = [title: string, change: Change, exitCode: 0 | 1, ...lines: string[]]

const set = (config: object): Change => ({ config })
const upstream = (settings: object, more: object = {}): Change => ({ config: { upstreams: [{ ...orders, ...settings }], ...more } })
const upstreams = (...list: object[]): Change => ({ config: { upstreams: list } })
const issuer = (settings: object, jwks: unknown = { keys: [publicJwk] }): Change => ({ config: { issuers: [{ ...idp, ...settings }] }, files: { 'jwks.json': jwks as object } })
const listen = (settings: object): Change => ({ config: { listen: { ...good.listen, ...settings } } })
const tls = (cert: string | null, key: string | null): Change => ({ config: { listen: { port: 8443, tls: { cert: './cert.pem', key: './key.pem' } } }, files: { 'cert.pem': cert, 'key.pem': key } })
const withSecret = (value: string): Change => ({ env: { PORTCULLIS_SECRET: value } })

const origins: Row[] = [
  ['a public host over http', set({ origin: 'http://app.example.com' }), 1, `origin: ${fixOrigin}`],
  ['an address of the company over http', set({ origin: 'http://192.168.1.10' }), 1, `origin: ${fixOrigin}`],
  ['every address as the origin', set({ origin: 'http://0.0.0.0:8080' }), 1, `origin: ${fixOrigin}`],
  ['a host that only begins like localhost', set({ origin: 'http://localhost.example.com' }), 1, `origin: ${fixOrigin}`],
  ['an origin with a path', set({ origin: 'https://app.example.com/app' }), 1, 'origin: must not have a path; remove what follows the host and port'],
  ['an origin for many hosts', set({ origin: 'https://*.example.com' }), 1, 'origin: must name one host; remove the wildcard'],
  ['an origin with a user', set({ origin: 'https://zebra@app.example.com' }), 1, 'origin: must not carry a user or a password; remove what stands before the @'],
  ['no origin', set({ origin: undefined }), 1, 'origin: is required; add origin: https://app.example.com'],
  ['an origin for development', set(development), 0, developmentLine],
  ['cookies of development that others reach', set({ ...development, listen: { port: 8080 } }), 0, developmentLine, 'listen.host: 0.0.0.0 is reached from other machines, but an http origin is for this one alone; write host: localhost, or origin: https://…'],
  ['the origin of development behind a proxy', set({ ...development, listen: { ...development.listen, trustProxy: ['10.0.0.1'] } }), 0, developmentLine, 'listen.trustProxy: names a proxy, but origin is http on this machine; write the https origin that browsers see'],
  ['the origin of development with a certificate', { config: { ...development, listen: { ...development.listen, tls: { cert: './cert.pem', key: './key.pem' } } }, files: { 'cert.pem': certificate.cert, 'key.pem': certificate.key } }, 0, developmentLine, 'listen.tls: is set, but browsers would have to come to an http origin; write origin: https://…'],
  ['an origin at another port', set({ ...development, origin: 'http://localhost:3000' }), 0, developmentLine, 'origin: is at another port than listen.port (8080), so what browsers send from there counts as another site\'s; write the same port'],
  ['https without a certificate or a proxy', set({ listen: {} }), 0, 'listen.trustProxy: is empty, so behind a proxy that terminates TLS every client has the proxy\'s address; name the proxy']
]

const proxies: Row[] = [
  ['trust in everyone', listen({ trustProxy: true }), 1, 'listen.trustProxy: must be a list of IP addresses or CIDR blocks, such as [10.0.0.0/8]: how many hops, or everyone, is not safe to trust'],
  ['trust in a number of hops', listen({ trustProxy: ['1'] }), 1, 'listen.trustProxy[0]: must be an address, not a number of hops, which a client can forge by adding headers; write for example 10.0.0.0/8'],
  ['trust in every address', listen({ trustProxy: ['0.0.0.0/0'] }), 1, 'listen.trustProxy[0]: would trust every client to say its own address; name the proxies, for example 10.0.0.0/8'],
  ['trust in every address in another form', listen({ trustProxy: ['::ffff:0:0/96'] }), 1, 'listen.trustProxy[0]: must be in the form of IPv4, which is how addresses are compared; write for example 10.0.0.0/8'],
  ['trust in half of the internet', listen({ trustProxy: ['10.0.0.1', '128.0.0.0/1'] }), 0, 'listen.trustProxy[1]: is wider than any network of one\'s own, so strangers in it can say that they are somebody else; name the proxies alone'],
  ['a connection that ends before the proxy\'s', set({ limits: { keepAlive: '5s' } }), 0, 'limits.keepAlive: is at most 60s, as long as many proxies keep a connection, so some requests meet one that is being closed; make it longer than the proxy\'s'],
  ['a port within the host', listen({ host: 'localhost:8080' }), 1, 'listen.host: must be a host alone; move the port to port'],
  ['no certificate file', tls(null, certificate.key), 1, 'listen.tls.cert: <folder>/cert.pem is not there; name a file that is'],
  ['the key of another certificate', tls(certificate.cert, otherCertificate.key), 1, 'listen.tls.key: <folder>/key.pem is not the key of the first certificate in <folder>/cert.pem; name the files that were made together, the own certificate before its issuers\''],
  ['an encrypted key', tls(certificate.cert, encryptedKey), 1, 'listen.tls.key: <folder>/key.pem is encrypted; write it without a passphrase, and let the gateway\'s user alone read it'],
  ['the key in place of the certificate', tls(certificate.key, certificate.key), 1, 'listen.tls.cert: <folder>/cert.pem holds no certificate in PEM; name the file that begins with -----BEGIN CERTIFICATE-----'],
  ['a certificate that has expired', tls(expired.cert, expired.key), 0, 'listen.tls.cert: <folder>/cert.pem expired on <instant>, so clients will refuse it; renew it'],
  ['a certificate of tomorrow', tls(early.cert, early.key), 0, 'listen.tls.cert: <folder>/cert.pem is not valid before <instant>, so clients will refuse it; check the clock'],
  ['a key that everybody reads', { ...tls(certificate.cert, certificate.key), prepare: async folder => { await chmod(join(folder, 'key.pem'), 0o644) } }, 0, 'listen.tls.key: <folder>/key.pem is open to other users of this machine (mode 0644); write: chmod o= <folder>/key.pem']
]

const secrets: Row[] = [
  ['a secret that is too short', withSecret(weakSecrets.short), 1, `secret: must be at least 32 random bytes; ${makeSecret}`],
  ['a secret in plain base64', withSecret(`${secret}=`), 1, `secret: must be base64url (letters, digits, - and _ alone); ${makeSecret}`],
  ['a secret of one byte', withSecret(weakSecrets.oneByte), 1, `secret: must be random, but repeats itself; ${makeSecret}`],
  ['a secret that counts', withSecret(weakSecrets.counted), 1, `secret: must be random, but counts up or down; ${makeSecret}`],
  ['a sentence as a secret', withSecret(weakSecrets.sentence), 1, `secret: must be random, but is a text in base64url; ${makeSecret}`],
  ['words as a secret', withSecret(weakSecrets.words), 1, `secret: must be random, but consists of words or digits alone; ${makeSecret}`],
  ['a placeholder as a secret', withSecret(weakSecrets.placeholder), 1, `secret: must be random, but has a word in it that everybody tries; ${makeSecret}`],
  ['a weak secret that is still accepted', set({ secret: [variable('PORTCULLIS_SECRET'), weakSecrets.oneByte] }), 1, `secret[1]: must be random, but repeats itself; ${makeSecret}`],
  ['one secret twice', set({ secret: [secret, secret] }), 1, 'secret: has one entry twice; remove one of them'],
  ['a secret of the environment that is not there', { config: { secret: variable('PORTCULLIS_SECRETS') } }, 1, 'secret: needs the environment variable PORTCULLIS_SECRETS, which is not set; set PORTCULLIS_SECRETS'],
  ['a secret of the environment that is empty', withSecret(''), 1, 'secret: needs the environment variable PORTCULLIS_SECRET, which is empty; set PORTCULLIS_SECRET'],
  ['an unfinished variable', set({ secret: '${PORTCULLIS_SECRET' }), 1, `secret: has an unfinished variable; write ${variable('NAME')} or ${variable('file:PATH')}, or $$ where a plain $ stands before {`],
  ['redis without a secret', set({ store: redis, secret: undefined }), 1, `secret: is required with redis, so that every gateway has the same; add secret: ${variable('PORTCULLIS_SECRET')}`],
  ['an admin token that is short', { env: { ADMIN_TOKEN: weakTokens.short } }, 1, `admin.token: must have at least 16 characters; ${makeSecret}`],
  ['an admin token that repeats itself', { env: { ADMIN_TOKEN: weakTokens.repeated } }, 1, `admin.token: must be random, but repeats itself; ${makeSecret}`],
  ['an admin token of words', { env: { ADMIN_TOKEN: weakTokens.words } }, 0, `admin.token: consists of words or digits alone, so it can be guessed; ${makeSecret}`],
  ['an admin token that everybody tries', { env: { ADMIN_TOKEN: weakTokens.placeholder } }, 0, `admin.token: has a word in it that everybody tries, so it can be guessed; ${makeSecret}`],
  ['the secret as the admin token', { env: { ADMIN_TOKEN: secret } }, 1, 'admin.token: is secret too, and whoever has that can sign in as anyone; make another one'],
  ['administration where clients are', set({ admin: { port: 8080, token: adminToken } }), 1, 'admin.port: is that of listen too, and administration must not be where clients are; choose another'],
  ['administration from everywhere', set({ admin: { host: '0.0.0.0', token: adminToken } }), 0, 'admin.host: is not this machine alone, so whoever reaches the port reads health and metrics, and the token crosses the network in the clear; see that only operators reach it']
]

const beside = (text: string, mode: number): Change => ({
  config: { secret: undefined },
  files: { 'portcullis.db.secret': text },
  prepare: async folder => { await chmod(join(folder, 'portcullis.db.secret'), mode) }
})

const stores: Row[] = [
  ['an unknown store', set({ store: { type: 'rediss' } }), 1, 'store.type: is not known; write sqlite or redis (did you mean redis?)'],
  ['a database in a folder that is not there', set({ store: { type: 'sqlite', path: './missing/portcullis.db' } }), 1, 'store.path: "<folder>/missing/portcullis.db" is in a directory that does not exist; make the directory, or choose another path'],
  ['a database in a file', set({ store: { type: 'sqlite', path: './users.json/portcullis.db' } }), 1, 'store.path: "<folder>/users.json/portcullis.db" is in a directory that does not exist; make the directory, or choose another path'],
  ['a folder as a database', { prepare: async folder => { await mkdir(join(folder, 'portcullis.db')) } }, 1, 'store.path: "<folder>/portcullis.db" cannot be opened as a file; choose the path of a file that this user may read and write'],
  ['another file as a database', { files: { 'portcullis.db': 'not a database' } }, 1, 'store.path: "<folder>/portcullis.db" is not an SQLite database; choose another path'],
  ['the database of another program', { prepare: folder => { editDatabase(join(folder, 'portcullis.db'), 'CREATE TABLE zebra (id INTEGER)') } }, 1, 'store.path: "<folder>/portcullis.db" is the database of another program; choose another path'],
  ['the database of a newer version', { prepare: async folder => { await makeDatabase(folder); editDatabase(join(folder, 'portcullis.db'), 'PRAGMA user_version = 99') } }, 1, 'store.path: "<folder>/portcullis.db" was written by a newer version; run that version, or choose another path'],
  ['a database that everybody reads', { prepare: async folder => { await makeDatabase(folder); await chmod(join(folder, 'portcullis.db'), 0o644) } }, 0, 'store.path: <folder>/portcullis.db is open to other users of this machine (mode 0644); write: chmod go= <folder>/portcullis.db'],
  ['a database in memory', set({ store: { type: 'sqlite', path: ':memory:' } }), 0, 'store.path: is :memory:, so a restart signs everyone out and forgets every revocation; write a path'],
  ['a secret beside the database that the group reads', beside(secret, 0o640), 0, 'secret: <folder>/portcullis.db.secret is open to other users of this machine (mode 0640); write: chmod go= <folder>/portcullis.db.secret'],
  ['an empty secret beside the database', beside('', 0o600), 1, 'secret: what <folder>/portcullis.db.secret holds must be base64url (letters, digits, - and _ alone); put back what it held, or remove it together with its database'],
  ['a weak secret beside the database', beside(weakSecrets.oneByte, 0o600), 1, 'secret: what <folder>/portcullis.db.secret holds must be random, but repeats itself; put back what it held, or remove it together with its database'],
  ['a folder where the secret should be', { config: { secret: undefined }, prepare: async folder => { await mkdir(join(folder, 'portcullis.db.secret')) } }, 1, 'secret: <folder>/portcullis.db.secret can neither be read nor written; set secret, or make the directory writable'],
  ['a database whose secret was lost', { config: { secret: undefined }, prepare: makeDatabase }, 0, 'secret: <folder>/portcullis.db.secret is missing beside its database, so the signing keys in there cannot be opened; put it back'],
  ['a new secret in place of the one beside the database', { files: { 'portcullis.db.secret': randomBytes(32).toString('base64url') } }, 0, 'secret: is set, so <folder>/portcullis.db.secret is not used any more; until session.absoluteTimeout has passed give what it holds as the second of a list, then remove it'],
  ['redis over http', set({ store: { ...redis, url: 'http://127.0.0.1:6379' } }), 1, 'store.url: must be a redis:// or rediss:// address; write for example redis://127.0.0.1:6379'],
  ['options within the address of redis', set({ store: { ...redis, url: `${redis.url}?enableOfflineQueue=true` } }), 1, 'store.url: must not have a query or a fragment; remove what follows the ? or the #'],
  ['a database of redis by name', set({ store: { ...redis, url: `${redis.url}/zebra` } }), 1, 'store.url: must end in a database number or nothing; write for example redis://127.0.0.1:6379/0'],
  ['a password of redis that was not encoded', set({ store: { ...redis, url: 'redis://:100%zebra@127.0.0.1' } }), 1, 'store.url: has a user or a password with a % that encodes nothing; write %25 for %; when the password has a / ? # or % in it, percent-encode it, or write it to store.password, which takes it as it is'],
  ['redis across the network in the clear', set({ store: { ...redis, url: `redis://:${redisPassword}@redis.internal` } }), 0, 'store: is redis:// on another machine, so sessions cross the network in the clear; write rediss:// if it can, else see that nobody else is on that network']
]

const lifetimes: Row[] = [
  ['a duration without a unit', set({ session: { idleTimeout: '30' } }), 1, 'session.idleTimeout: must be a duration with a unit, such as 500ms, 30s, 15m, 24h or 30d'],
  ['an idle timeout beyond the absolute one', set({ session: { idleTimeout: '48h' } }), 1, 'session.idleTimeout: must be at most session.absoluteTimeout; shorten it, or lengthen session.absoluteTimeout'],
  ['an access token that lives too long', set({ accessToken: { ttl: '1h' } }), 1, 'accessToken.ttl: must be from 1m to 15m'],
  ['an overlap as long as the idle timeout', set({ session: { idleTimeout: '5m' }, accessToken: { ttl: '1m' }, refreshToken: { overlap: '5m' } }), 1, 'refreshToken.overlap: must be shorter than session.idleTimeout; shorten it'],
  ['a retry window beyond the idle timeout', set({ refreshToken: { retryWindow: '31m' } }), 1, 'refreshToken.retryWindow: must be at most session.idleTimeout; shorten it'],
  ['a strict gateway that serves stale', set({ revocation: { consistency: 'strict', staleFor: '1m' } }), 1, 'revocation.staleFor: must be 0s, because strict never serves stale; remove it, or write consistency: replica'],
  ['a replica that is hours behind', set({ revocation: { maxStaleness: '1h' } }), 1, 'revocation.maxStaleness: must be from 100ms to 60s'],
  ['signing keys that change too often', set({ keys: { rotateEvery: '10m' } }), 1, 'keys.rotateEvery: must be from 1h to 365d'],
  ['a shared secret for signing', set({ keys: { algorithm: 'HS256' } }), 1, 'keys.algorithm: must be ES256, EdDSA, or RS256; did you mean ES256?'],
  ['cookies for every site', set({ cookies: { sameSite: 'none' } }), 1, 'cookies.sameSite: must be lax or strict'],
  ['sessions that end before tokens are refreshed', set({ session: { idleTimeout: '5m' } }), 0, 'session.idleTimeout: is shorter than accessToken.ttl, so in tokens mode sessions are over before clients refresh; lengthen it, or shorten accessToken.ttl'],
  ['sessions for a year', set({ session: { absoluteTimeout: '365d' } }), 0, 'session.absoluteTimeout: is above 90d, for which a stolen session in use stays good; shorten it'],
  ['serving without the store', set({ revocation: { staleFor: '1m' } }), 0, 'revocation.staleFor: is above 0s, so without the store what was revoked elsewhere is still served that long; write 0s unless that is better than an outage'],
  ['the textbook rule of rotation', set({ refreshToken: { overlap: '0s', retryWindow: '0s' } }), 0, 'refreshToken: both windows are 0s, so a lost answer or two tabs at once sign an honest user out; leave them out unless you want the textbook rule'],
  ['tabs that sign each other out', set({ refreshToken: { overlap: '0s' } }), 0, 'refreshToken.overlap: is 0s, so two tabs at once sign an honest user out; write 10s'],
  ['lost answers that sign out', set({ refreshToken: { retryWindow: '0s' } }), 0, 'refreshToken.retryWindow: is 0s, so a lost answer signs an honest user out; leave it out']
]

const audiences: Row[] = [
  ['no audience', upstream({ audience: undefined }), 1, 'upstreams[0].audience: is required unless access is public; add audience: <name>'],
  ['the origin as an audience', upstream({ audience: 'https://app.example.com' }), 1, 'upstreams[0].audience: must not be the origin, which is the audience of the gateway itself; choose another name'],
  ['the word origin as an audience', upstream({ audience: 'origin' }), 1, 'upstreams[0].audience: must not be "origin", which at sign-in stands for the gateway itself; choose another name'],
  ['one audience for two services', upstreams(orders, { ...orders, prefix: '/billing', target: 'http://127.0.0.1:3002' }), 0, 'upstreams[1].audience: is that of upstreams[0] too, so a token that one sees is good at the other; give each its own'],
  ['a minted token for nobody', upstream({ access: 'public', audience: undefined, scopes: [], forward: 'mint' }), 1, 'upstreams[0].forward: mint needs an audience; add audience: <name>, or write forward: headers or none'],
  ['the client\'s token from a cookie', upstream({ forward: 'pass' }), 1, 'upstreams[0].forward: pass needs access: token; change one of them'],
  ['a kept header that is also our credential', upstream({ authorization: 'keep', forward: 'none' }), 1, 'upstreams[0].authorization: keep needs access: session or public; change access, or write authorization: strip'],
  ['a kept header that a minted token replaces', upstream({ access: 'session', authorization: 'keep' }), 1, 'upstreams[0].authorization: keep needs forward: headers or none; change forward, or write authorization: strip'],
  ['scopes of the public', upstream({ access: 'public' }), 1, 'upstreams[0].scopes: cannot be demanded when access is public; remove it, or change access'],
  ['step-up of the public', upstream({ access: 'public', scopes: [], stepUp: { maxAge: '5m' } }), 1, 'upstreams[0].stepUp: cannot be demanded when access is public; remove it, or change access'],
  ['a step-up that is never demanded', upstream({ stepUp: { maxAge: '24h' } }), 0, 'upstreams[0].stepUp.maxAge: is at least session.absoluteTimeout, so no sign-in is ever too old and nothing is demanded; shorten it'],
  ['a misspelt method', upstream({ stepUp: { maxAge: '5m', methods: ['DELTE'] } }), 1, 'upstreams[0].stepUp.methods[0]: must be an HTTP method in capitals; did you mean DELETE?'],
  ['a scope that nobody has', upstream({ scopes: ['orders:red'] }), 0, 'upstreams[0].scopes: no user and no issuer may give orders:red, so everybody is refused; give it with: portcullis users add <name> --scopes'],
  ['a misspelt access', upstream({ access: 'publik' }), 1, 'upstreams[0].access: must be any, session, token, or public; did you mean public?']
]

const paths: Row[] = [
  ['a prefix at the gateway\'s own path', upstream({ prefix: '/auth' }), 1, 'upstreams[0].prefix: must not lie in /auth, which is the gateway\'s own; choose another prefix'],
  ['a prefix inside the gateway\'s own path', upstream({ prefix: '/oauth/token' }), 1, 'upstreams[0].prefix: must not lie in /oauth, which is the gateway\'s own; choose another prefix'],
  ['a prefix that looks like the gateway\'s own', upstream({ prefix: '/Auth/login' }), 0, 'upstreams[0].prefix: differs from /auth, which is the gateway\'s own, in upper and lower case alone; choose another'],
  ['one prefix twice', upstreams(orders, orders), 1, 'upstreams[1].prefix: is that of upstreams[0] too; choose another'],
  ['one prefix in two spellings', upstreams(orders, { ...orders, prefix: '/Orders' }), 0, 'upstreams[1].prefix: differs from that of upstreams[0] in upper and lower case alone, and each counts for its own spelling; choose another'],
  ['an encoded prefix', upstream({ prefix: '/%61uth' }), 1, 'upstreams[0].prefix: must not have encoded characters; write letters, digits and - . _ ~ @ alone'],
  ['a prefix with two spellings', upstream({ prefix: '/@ada' }), 1, 'upstreams[0].prefix: must not have @ in it, because %40, which is the same for a service, would go elsewhere; choose another prefix'],
  ['a prefix that ends with a slash', upstream({ prefix: '/orders/' }), 1, 'upstreams[0].prefix: must not end with /; remove it'],
  ['a prefix that climbs', upstream({ prefix: '/orders/../auth' }), 1, 'upstreams[0].prefix: must not have . or .. as a segment; write the path that they lead to'],
  ['a prefix of a thousand characters', upstream({ prefix: `/${'a'.repeat(1000)}` }), 1, 'upstreams[0].prefix: must have at most 200 characters; shorten it'],
  ['a public part of a guarded prefix', upstreams(orders, { prefix: '/orders/news', target: 'http://127.0.0.1:3002', access: 'public' }), 0, 'upstreams[1].prefix: lies in that of upstreams[0], and the longer prefix alone counts, so nothing is demanded there; move it elsewhere unless that is meant'],
  ['a part that forgets the scope of the whole', upstreams(orders, { ...orders, prefix: '/orders/new', scopes: [] }), 0, 'upstreams[1].prefix: lies in that of upstreams[0], and the longer prefix alone counts, so the scope orders:read is not demanded there; move it elsewhere unless that is meant'],
  ['a rewrite that leads around the guard', upstreams({ prefix: '/pub', target: orders.target, rewritePrefix: '/', access: 'public' }, orders), 0, 'upstreams[0].rewritePrefix: leads to what upstreams[1] leads to, and nothing is demanded there; rewrite it to a path of its own, or demand the same'],
  ['a target with a path', upstream({ target: 'http://127.0.0.1:3001/v1' }), 1, 'upstreams[0].target: must not have a path; move the path to rewritePrefix'],
  ['a target with a password', upstream({ target: 'http://joe:zebra@127.0.0.1:3001' }), 1, 'upstreams[0].target: must not carry a user or a password; remove what stands before the @'],
  ['a target without a scheme', upstream({ target: 'localhost:3001' }), 1, 'upstreams[0].target: must be an http or https address; write for example http://127.0.0.1:3001'],
  ['the gateway itself as a target', upstream({ target: 'http://localhost:8080' }), 1, 'upstreams[0].target: is where the gateway itself listens, so requests would go round; name the service'],
  ['the listener of operators as a target', upstream({ target: 'http://127.0.0.1:9090' }), 1, 'upstreams[0].target: is the listener of admin, which must not be where clients are; name the service'],
  ['the origin as a target', upstream({ target: 'https://app.example.com' }), 1, 'upstreams[0].target: is origin, which leads here again; name the address of the service itself'],
  ['tokens across the network in the clear', upstream({ target: 'http://orders.internal:3001' }), 0, 'upstreams[0].target: is http on another machine, so tokens cross the network in the clear; write https if it can'],
  ['headers that anyone on the way can write', upstream({ target: 'http://orders.internal:3001', forward: 'headers' }), 0, 'upstreams[0].target: is http on another machine, so whoever is on the way can write X-Auth headers of their own; write https if it can, or forward: mint'],
  ['a kept header across the network in the clear', upstream({ target: 'http://orders.internal:3001', access: 'session', authorization: 'keep', forward: 'none' }), 0, 'upstreams[0].target: is http on another machine, so the client\'s Authorization crosses the network in the clear; write https if it can']
]

const others: Row[] = [
  ['every origin as another one', set({ cors: { origins: ['*'] } }), 1, 'cors.origins[0]: must not be everyone; name each origin, for example https://spa.example.com'],
  ['the origin of sandboxed pages', set({ cors: { origins: ['null'] } }), 1, 'cors.origins[0]: must not be null, which is every sandboxed page; name the origin, for example https://spa.example.com'],
  ['another origin over http', set({ cors: { origins: ['http://spa.example.com'] } }), 1, 'cors.origins[0]: must be https, because anyone on the way could use its tokens otherwise; write https://…, or http://localhost or http://127.0.0.1 for development'],
  ['the origin itself as another one', set({ cors: { origins: ['https://app.example.com'] } }), 1, 'cors.origins[0]: is origin itself, which needs no permission; remove it'],
  ['the origin of a developer in production', set({ cors: { origins: ['https://spa.example.com', 'http://localhost:5173'] } }), 0, 'cors.origins[1]: is http on the machine of whoever comes, so any program there can use their tokens; remove it in production'],
  ['other origins that can do nothing', upstream({ access: 'session' }, { cors: { origins: ['https://spa.example.com'] } }), 0, 'cors.origins: is set, but no upstream takes an access token, and cookies are never for other origins; remove it, or write access: any or token'],
  ['WebSockets of other origins', upstream({ websocket: true }, { cors: { origins: ['https://spa.example.com'] } }), 0, 'upstreams[0].websocket: is for pages of https://app.example.com alone; those of cors.origins cannot open one, so give them another way'],
  ['two issuers of one name', { config: { issuers: [idp, { ...idp, issuer: 'https://other.example.com' }] } }, 1, 'issuers[1].name: is that of issuers[0] too, so two people could be one subject; choose another'],
  ['one issuer under two names', { config: { issuers: [idp, { ...idp, name: 'other' }] } }, 1, 'issuers[1].issuer: is that of issuers[0] too; remove one'],
  ['the gateway as an issuer', issuer({ issuer: 'https://app.example.com/' }), 1, 'issuers[0].issuer: must not be the origin, whose tokens are accepted anyway; remove it'],
  ['an issuer with a shared secret', issuer({ algorithms: ['HS256'] }), 1, 'issuers[0].algorithms[0]: must be RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, or Ed25519; did you mean RS256?'],
  ['an issuer without keys', issuer({ jwks: undefined }), 1, 'issuers[0].jwks: is required unless jwksUri is set; add jwks: <path>, or jwksUri: <address>'],
  ['an issuer with keys from two places', issuer({ jwksUri: 'https://idp.example.com/jwks' }), 1, 'issuers[0].jwksUri: cannot be set together with jwks; remove one of them'],
  ['keys that cross the network in the clear', issuer({ jwks: undefined, jwksUri: 'http://idp.example.com/jwks' }), 1, 'issuers[0].jwksUri: must be an https address (http on localhost and 127.0.0.1 alone), because whoever changes the keys on their way can sign in as anyone'],
  ['foreign tokens of any age', issuer({ maxTokenAge: '25h' }), 1, 'issuers[0].maxTokenAge: must be from 1m to 24h'],
  ['no file of keys', issuer({}, null), 1, 'issuers[0].jwks: <folder>/jwks.json is not there; name a file that is, or write jwksUri'],
  ['one key in place of a set', issuer({}, publicJwk), 1, 'issuers[0].jwks: <folder>/jwks.json holds no JWK set; write { "keys": [ … ] } as the issuer publishes it'],
  ['an empty set of keys', issuer({}, { keys: [] }), 1, 'issuers[0].jwks: <folder>/jwks.json has no key that can be used; get the public keys of the issuer, and see that algorithms fits them'],
  ['keys for another algorithm', issuer({ algorithms: ['ES256'] }), 1, 'issuers[0].jwks: <folder>/jwks.json has no key that can be used (keys[0]: has no algorithm of those that are configured); get the public keys of the issuer, and see that algorithms fits them'],
  ['the issuer\'s private key', issuer({}, { keys: [privateJwk] }), 1, 'issuers[0].jwks: <folder>/jwks.json has no key that can be used (keys[0]: has private members); get the public keys of the issuer, and see that algorithms fits them'],
  ['a private key among public ones', issuer({}, { keys: [publicJwk, privateJwk] }), 0, 'issuers[0].jwks: <folder>/jwks.json has a key that is not used (keys[1]: has private members); it belongs to the issuer alone: remove it, and tell the issuer'],
  ['a weak key among good ones', issuer({}, { keys: [publicJwk, weakJwk] }), 0, 'issuers[0].jwks: <folder>/jwks.json has a key that is not used (keys[1]: is weak); remove it, or get it anew'],
  ['an issuer whose tokens nobody takes', { ...issuer({}), config: { issuers: [idp], upstreams: [{ ...orders, access: 'session' }] } }, 0, 'issuers: are set, but no upstream takes an access token; remove them, or write access: any or token']
]

const identities: Row[] = [
  ['no users file', { files: { 'users.json': null } }, 1, 'identity.file: cannot be read (ENOENT); make it with: portcullis users add <name> --file <folder>/users.json'],
  ['a users file that is no JSON', { files: { 'users.json': '{ "users": [zebra' } }, 1, 'identity.file: is not valid JSON; check commas, quotes and brackets'],
  ['a password in plain sight', { files: { 'users.json': { users: [{ ...users[0], password: plainPassword }] } } }, 1, 'identity.file: users[0].password: must be a scrypt or argon2id hash; make it with: portcullis users add'],
  ['one user twice', { files: { 'users.json': { users: [users[0], { ...users[0], subject: 'ada-2' }] } } }, 1, 'identity.file: users[1].username: is that of users[0] too; remove one'],
  ['two users with one subject', { files: { 'users.json': { users: [users[0], { ...users[0], username: 'bob' }] } } }, 1, 'identity.file: users[1].subject: is that of users[0] too; choose another'],
  ['a user who looks like one of an issuer', { files: { 'users.json': { users: [{ ...users[0], subject: 'idp|ada' }] } } }, 1, 'identity.file: users[0].subject: must be visible ASCII characters without space and |'],
  ['nobody who can sign in', { files: { 'users.json': { users: [] } } }, 0, 'identity.file: <folder>/users.json has no user, so nobody can sign in; make one with: portcullis users add <name> --file <folder>/users.json'],
  ['passwords that are quick to guess', { files: { 'users.json': { users: [{ ...users[0], password: quickHash }] } } }, 0, 'identity.file: users[0].password: is a hash at a cost so low that passwords are quick to guess from it; make it anew with: portcullis users add'],
  ['hashes that everybody reads', { prepare: async folder => { await chmod(join(folder, 'users.json'), 0o644) } }, 0, 'identity.file: <folder>/users.json is open to other users of this machine (mode 0644); write: chmod o= <folder>/users.json'],
  ['an unknown kind of identity', set({ identity: { type: 'ldap' } }), 1, 'identity.type: is not known; write users or oidc'],
  ['a provider without a credential', set({ identity: [{ type: 'users', file: './users.json' }, { type: 'oidc', name: 'corp', issuer: 'https://idp.example.com', clientId: 'portcullis' }] }), 1, 'identity[1].clientSecret: is required, or privateKey; register the gateway as a confidential client, and add the secret that the provider shows'],
  ['a provider key that is not there', set({ identity: { type: 'oidc', name: 'corp', issuer: 'https://idp.example.com', clientId: 'portcullis', privateKey: './corp.pem' } }), 1, 'identity.privateKey: <folder>/corp.pem cannot be used (ENOENT); name a PEM file with a private key']
]

const operation: Row[] = [
  ['an audit log that is not written', set({ log: { level: 'error' } }), 0, 'log.level: is error, so audit lines, which are of level info, are not written; write info'],
  ['request heads too small for tokens', set({ limits: { headers: '2KiB' } }), 0, 'limits.headers: is below 8KiB, so a browser\'s own headers and an access token together may be refused with 431; write 16KiB'],
  ['a size in the wrong unit', set({ limits: { body: '1MB' } }), 1, 'limits.body: must be a size with a unit, such as 512B, 16KiB or 1MiB'],
  ['an end that cuts requests', set({ shutdown: { timeout: '0s' } }), 0, 'shutdown.timeout: is 0s, so requests under way are cut at once; write 10s'],
  ['an end that takes too long', set({ shutdown: { delay: '30s', timeout: '30s' } }), 0, 'shutdown: delay and timeout together are above 30s, after which Kubernetes ends what still runs; shorten them, or lengthen its grace period'],
  ['one guess for everybody', set({ rateLimit: { signIn: { max: 1 } } }), 0, 'rateLimit.signIn.max: is 1, so one slip of the fingers locks an account until 60 s are over; raise it'],
  ['one refresh for all tabs', set({ rateLimit: { refresh: { max: 1, window: '10m' } } }), 0, 'rateLimit.refresh.max: is 1, so the second tab or a retry is refused until 600 s are over; raise it'],
  ['one request for a page', upstream({ rateLimit: { max: 1, window: '1s' } }), 0, 'upstreams[0].rateLimit.max: is 1, so a page that makes two requests is refused until 1 s are over; raise it'],
  ['guesses without end', set({ rateLimit: { signIn: { max: 1_000_000 } } }), 0, 'rateLimit.signIn: lets more than ten guesses a second through; lower max'],
  ['a budget of nothing', set({ rateLimit: { signIn: { max: 0 } } }), 1, 'rateLimit.signIn.max: must be a whole number from 1 to 1000000'],
  ['an unknown setting', set({ sesion: {} }), 1, 'sesion: unknown setting; did you mean "session"?'],
  ['a setting of another group', set({ ttl: '10m' }), 1, 'ttl: unknown setting; did you mean "accessToken.ttl"?'],
  ['a setting twice in YAML', { raw: ['portcullis.yaml', 'origin: https://app.example.com\norigin: https://zebra.example.com\n'] }, 1, 'portcullis.yaml:2: has a setting twice; remove one of them'],
  ['a setting twice in JSON', { raw: ['portcullis.json', '{ "origin": "https://app.example.com",\n  "origin": "https://zebra.example.com" }'] }, 1, 'portcullis.json:2: has a setting twice; remove one of them'],
  ['a wrong indentation', { raw: ['portcullis.yaml', 'origin: https://app.example.com\n secret: zebra\n'] }, 1, 'portcullis.yaml:1: is not valid YAML (block as implicit key); check the indentation and put unusual texts in quotes']
]

const table = [...origins, ...proxies, ...secrets, ...stores, ...lifetimes, ...audiences, ...paths, ...others, ...identities, ...operation]

function editDatabase (path: string, sql: string): void {
  const db = new DatabaseSync(path)
  db.exec(sql)
  db.close()
}

async function makeDatabase (folder: string): Promise<void> {
  await (await createSqliteStore({ path: join(folder, 'portcullis.db') })).end()
}

const given = { PORTCULLIS_SECRET: secret, ADMIN_TOKEN: adminToken }

/** The good configuration with the change; what is written is for its owner alone. */
async function write (t: Test, { config = {}, raw, files = {}, prepare }: Change): Promise<{ folder: string, file: string }> {
  const folder = t.testdir({})
  const [name, text] = raw ?? ['portcullis.json', JSON.stringify({ ...good, ...config })]
  for (const [file, content] of Object.entries({ 'users.json': { users }, ...files, [name]: text })) {
    if (content !== null) await writeFile(join(folder, file), typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 })
  }
  await prepare?.(folder)
  return { folder, file: join(folder, name) }
}

/** The lines with what differs from run to run replaced. */
function linesOf (text: string, folder: string): string[] {
  return text.replaceAll(folder, '<folder>').replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<instant>').split('\n').slice(0, -1)
}

/** What is in a folder, with when it was last changed. */
async function stateOf (folder: string): Promise<string[]> {
  const names = (await readdir(folder, { recursive: true })).sort()
  return await Promise.all(names.map(async name => `${name} ${(await stat(join(folder, name))).mtimeMs}`))
}

const outputs: string[] = []

t.test('a good configuration is checked without a word on standard error or of warning', async t => {
  const { file } = await write(t, {})

  const { code, stdout, stderr } = await runMain(['check', '--config', file], { env: given })

  t.same([code, stderr], [0, ''])
  t.match(stdout, /^\/orders → /m)
  t.notMatch(stdout, /^warning/m)
})

for (const [title, change, exitCode, ...lines] of table) {
  t.test(`${title} is ${exitCode === 0 ? 'warned of' : 'refused'}`, async t => {
    const { folder, file } = await write(t, change)
    const before = await stateOf(folder)

    const { code, stdout, stderr } = await runMain(['check', '--config', file], { env: { ...given, ...change.env } })

    outputs.push(stdout, stderr)
    t.equal(code, exitCode)
    const said = exitCode === 0 ? linesOf(stdout, folder).filter(line => line.startsWith('warning: ')) : linesOf(stderr, folder)
    t.strictSame(said, lines.map(line => exitCode === 0 ? `warning: ${line}` : line))
    t.equal(exitCode === 0 ? stderr : stdout, '')
    t.strictSame(await stateOf(folder), before, 'nothing is made or changed')
  })
}

t.test('every line names a setting and says what to do', async t => {
  for (const [title,,, ...lines] of table) {
    for (const line of lines) t.match(line, /^[\w.[\]:]+: .+/, title)
  }
  t.ok(table.length >= 50)
})

t.test('no output has a secret in it', async t => {
  t.ok(outputs.length === 2 * table.length)
  const all = outputs.join('\n')
  for (const text of hidden) t.notOk(all.includes(text), `${text.slice(0, 4)}…`)
})

t.test('what is wrong with several files is told at once, a line each', async t => {
  const { folder, file } = await write(t, { config: { issuers: [idp], store: { type: 'sqlite', path: './missing/a.db' } }, files: { 'users.json': null } })

  const { code, stderr } = await runMain(['check', '--config', file], { env: given })

  t.equal(code, 1)
  t.strictSame(linesOf(stderr, folder).map(line => line.split(':')[0]), ['identity.file', 'issuers[0].jwks', 'store.path'])
})

t.test('what check refuses, start refuses in the same words', async t => {
  for (const [title, change, exitCode, ...lines] of table.filter(([,, code]) => code === 1)) {
    const { folder, file } = await write(t, change)

    const { code, stdout, stderr } = await runMain(['start', '--config', file], { env: { ...given, ...change.env } })

    t.same([code, stdout], [exitCode, ''], title)
    t.strictSame(linesOf(stderr, folder), lines, title)
    await rm(folder, { recursive: true })
  }
})

t.test('the process says the same, with the exit code', async t => {
  const [refused, doubtful] = [table.find(([title]) => title === 'redis without a secret')!, table.find(([title]) => title === 'hashes that everybody reads')!]
  const run = async ([, change]: Row): Promise<Outcome> => await runPortcullis(t, ['check', '--config', (await write(t, change)).file], { env: { ...given, ...change.env } })

  t.match(await run(refused), { code: 1, stdout: '', stderr: `${refused[3]}\n` })
  t.match(await run(doubtful), { code: 0, stdout: /^warning: identity\.file: /m, stderr: '' })
})

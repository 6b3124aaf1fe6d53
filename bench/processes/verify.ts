import Fastify from 'fastify'
import { constants, generateKeyPairSync, randomBytes, sign, verify, type KeyObject } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freezeWithKeys } from '../../lib/revocation/revocation-keys.ts'
import { verificationAlgorithms, type VerificationAlgorithm, parseToken } from '../../lib/jwt/jws.ts'
import { Replica } from '../../lib/revocation/replica.ts'
import accessToken from '../../plugins/access-token.ts'
import blocklist from '../../plugins/blocklist.ts'
import issuers from '../../plugins/issuers.ts'
import keys from '../../plugins/keys.ts'
import store from '../../plugins/store.ts'
import { argsOfParent, serveParent } from './child.ts'

export interface VerifyArgs { directory: string, revocations: number[] }

export interface Timed { us: number, times: number }

/** The number of tokens of each algorithm: more than are remembered, so that each is verified anew in its turn. */
const count = 64
const remembered = 16
const minute = 60_000

const { directory, revocations } = argsOfParent<VerifyArgs>()

interface Issued { token: string, input: Buffer, signature: Buffer }

/** Creates a separate issuer for each algorithm, whose keys the gateway's plugins read from a file. */
async function createIssuer (algorithm: VerificationAlgorithm): Promise<{ publicKey: KeyObject, issued: Issued[], options: { name: string, issuer: string, keys: { file: string }, algorithms: VerificationAlgorithm[], scopes: string[] } }> {
  const { privateKey, publicKey } = generate(algorithm)
  const issuer = `https://${algorithm.toLowerCase()}.example.com`
  const file = join(directory, `${algorithm}.json`)
  await writeFile(file, JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: algorithm, use: 'sig', alg: algorithm }] }))
  return { publicKey, issued: Array.from({ length: count }, (_, index) => issue(algorithm, privateKey, issuer, index)), options: { name: algorithm, issuer, keys: { file }, algorithms: [algorithm], scopes: ['orders:read'] } }
}

const curves: Partial<Record<VerificationAlgorithm, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }

function generate (algorithm: VerificationAlgorithm): { privateKey: KeyObject, publicKey: KeyObject } {
  if (algorithm === 'EdDSA') return generateKeyPairSync('ed25519')
  const namedCurve = curves[algorithm]
  return namedCurve === undefined ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve })
}

/** Issues a token with the claims that the gateway's own tokens have. */
function issue (algorithm: VerificationAlgorithm, privateKey: KeyObject, iss: string, index: number): Issued {
  const iat = Math.floor(Date.now() / 1000)
  const claims = { iss, sub: `user-${index}`, aud: ['orders', 'billing'], exp: iat + 3000, iat, jti: randomBytes(16).toString('base64url'), auth_time: iat, acr: '1', amr: ['pwd'], scope: 'orders:read orders:write', client_id: 'app' }
  const text = [{ alg: algorithm, typ: 'at+jwt', kid: algorithm }, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  const input = Buffer.from(text)
  const signature = sign(digestOf(algorithm), input, { key: privateKey, ...optionsOf(algorithm) })
  return { token: `${text}.${signature.toString('base64url')}`, input, signature }
}

function digestOf (algorithm: VerificationAlgorithm): string | null {
  return algorithm === 'EdDSA' ? null : `sha${algorithm.slice(2)}`
}

function optionsOf (algorithm: VerificationAlgorithm): { dsaEncoding: 'ieee-p1363', padding?: number, saltLength?: number } {
  return { dsaEncoding: 'ieee-p1363', ...algorithm.startsWith('PS') ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(algorithm.slice(2)) / 8 } : {} }
}

/** Creates a verifier from the plugins alone, as an author registers them. */
async function createVerifier (issuersOf: Array<Awaited<ReturnType<typeof createIssuer>>['options']>, cacheSize: number): Promise<(token: string) => boolean> {
  const app = Fastify()
  await app.register(store, { type: 'sqlite', path: ':memory:' })
  await app.register(blocklist, { maxForeignTokenAge: '1h' })
  await app.register(keys, { secret: randomBytes(32).toString('base64url') })
  await app.register(accessToken, { issuer: 'https://app.example.com' })
  await app.register(issuers, { issuers: issuersOf, cacheSize })
  await app.ready()
  return function isGood (token) {
    // A promise would mean that the key is not known.
    return !(app.portcullis.accessToken.verify(token) instanceof Promise)
  }
}

type Operation = (index: number) => boolean

const operations: Record<string, Operation> = {}

const created = await Promise.all(verificationAlgorithms.map(createIssuer))
const [coldly, warmly] = [await createVerifier(created.map(({ options }) => options), remembered), await createVerifier(created.map(({ options }) => options), verificationAlgorithms.length * count * 2)]
for (const { issued } of created) for (const { token } of issued) warmly(token)
for (const [at, algorithm] of verificationAlgorithms.entries()) {
  const { issued, publicKey } = created[at]!
  const key = { key: publicKey, ...optionsOf(algorithm) }
  const digest = digestOf(algorithm)
  operations[`${algorithm} bare`] = index => verify(digest, issued[index % count]!.input, key, issued[index % count]!.signature)
  operations[`${algorithm} cold`] = index => coldly(issued[index % count]!.token)
  operations[`${algorithm} warm`] = index => warmly(issued[index % count]!.token)
  operations[`${algorithm} format`] = index => parseToken(issued[index % count]!.token) !== null
}

for (const inForce of revocations) {
  const replica = new Replica()
  const expiresAtMs = Date.now() + 30 * minute
  for (let made = 0; made < inForce; made++) replica.add({ kind: 'sid', sid: randomBytes(16).toString('base64url'), expiresAtMs: expiresAtMs + made % (15 * minute) })
  const credentials = Array.from({ length: 500 }, (_, index) => freezeWithKeys({ issuer: 'https://app.example.com', jti: randomBytes(16).toString('base64url'), sid: randomBytes(16).toString('base64url'), subject: `user-${index}`, epoch: 1 }))
  operations[`${inForce} revocations`] = index => !replica.isRevoked(credentials[index % 500]!)
}

/** Calls the operation until it has used this much CPU time. Throws when a call fails. */
function time ({ name, ms }: { name: string, ms: number }): Timed {
  const operation = operations[name]!
  const startUs = cpuUs()
  let [times, good, batch] = [0, 0, 1]
  let spentUs = 0
  while (spentUs < ms * 1000) {
    for (const end = times + batch; times < end; times++) if (operation(times)) good++
    spentUs = cpuUs() - startUs
    if (spentUs < ms * 100) batch *= 2
  }
  if (good !== times) throw new Error(`${name}: ${times - good} of ${times} did not succeed`)
  return { us: spentUs / times, times }
}

function cpuUs (): number {
  const { user, system } = process.threadCpuUsage()
  return user + system
}

serveParent({ algorithms: verificationAlgorithms }, { time })

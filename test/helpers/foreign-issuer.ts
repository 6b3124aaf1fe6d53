import { constants, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import type { RequestListener } from 'node:http'
import type { Test } from 'tap'
import type { VerificationAlgorithm } from '../../lib/jwt/jws.ts'
import { learnToken } from './secrets.ts'
import { startUpstream, type Upstream } from './upstream.ts'

export interface ForeignKey {
  kid: string
  algorithm: VerificationAlgorithm
  privateKey: KeyObject
  publicKey: KeyObject
  jwk: Record<string, unknown>
}

/** The parts of a key that signing needs; a key of the gateway has them too. */
export type SigningParts = Pick<ForeignKey, 'kid' | 'algorithm' | 'privateKey'>

const curves: Partial<Record<VerificationAlgorithm, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }

function generate (algorithm: VerificationAlgorithm): { privateKey: KeyObject, publicKey: KeyObject } {
  if (algorithm === 'EdDSA') return generateKeyPairSync('ed25519')
  const namedCurve = curves[algorithm]
  return namedCurve === undefined ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve })
}

export function foreignKey (kid: string, algorithm: VerificationAlgorithm = 'ES256'): ForeignKey {
  const { privateKey, publicKey } = generate(algorithm)
  return { kid, algorithm, privateKey, publicKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: algorithm } }
}

export const encode = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** Returns the claims of a valid access token of an issuer, for `orders` and `billing`. */
export function foreignClaims (iss: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  const iat = Math.floor(Date.now() / 1000)
  return { iss, sub: 'bob', aud: ['orders', 'billing'], iat, exp: iat + 600, jti: 'j1', scope: 'orders:read orders:write admin', client_id: 'app', ...changes }
}

/** Makes a token with exactly this header and these claims, which may be texts; the key signs it regardless of the header. */
export function signForeign ({ kid, algorithm, privateKey }: SigningParts, claims: unknown, header: unknown = { alg: algorithm, typ: 'at+jwt', kid }): string {
  const input = `${encode(header)}.${encode(claims)}`
  const digest = algorithm === 'EdDSA' ? null : `sha${algorithm.slice(2)}`
  const pss = algorithm.startsWith('PS') ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(algorithm.slice(2)) / 8 } : {}
  const token = `${input}.${sign(digest, Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363', ...pss }).toString('base64url')}`
  learnToken('a foreign token', token)
  return token
}

export interface KeyServer extends Upstream {
  /** The listener that answers from now on. */
  answer: RequestListener
}

/** Starts a server on a free loopback port that publishes the keys, until `answer` is replaced. Ends with the test. */
export async function startKeyServer (t: Test, keys: ForeignKey[]): Promise<KeyServer> {
  const server: KeyServer = { ...await startUpstream(t, (request, response) => { server.answer(request, response) }), answer: publish(keys) }
  return server
}

export function publish (keys: Array<Pick<ForeignKey, 'jwk'>>): RequestListener {
  return (_request, response) => { response.end(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })) }
}

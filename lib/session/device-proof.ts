import { createPublicKey, type KeyObject } from 'node:crypto'
import { hasGoodSignature, parseToken, type TokenParts } from '../jwt/jws.ts'

/** Maximum length of a proof, far above what a proof needs. */
const longest = 2048
const coordinate = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/
const coordinateLength = 43

/** Content of a proof (Device Bound Session Credentials, DBSC proof JWTs). Nothing is verified yet. */
export interface DeviceProof {
  /** Challenge that was signed. */
  challenge: string
  /** Public key that came with the proof, at registration: the point in 86 characters. */
  publicKey: string | null
  token: TokenParts
}

/**
 * Parses the only accepted form: a JWS with ES256 and `typ: dbsc+jwt`, with the public half of a P-256 key or without a key. Returns null
 * for any other text, including `alg: none` and a key with a private half, before any cryptography runs.
 */
export function parseProof (text: string): DeviceProof | null {
  const token = text.length > longest ? null : parseToken(text)
  if (token === null) return null
  const { alg, typ, crit, jwk } = token.header
  const { jti } = token.claims
  if (alg !== 'ES256' || typ !== 'dbsc+jwt' || crit !== undefined || typeof jti !== 'string') return null
  const publicKey = jwk === undefined ? null : pointOf(jwk)
  return jwk !== undefined && publicKey === null ? null : { challenge: jti, publicKey, token }
}

/** Returns whether the proof is signed with the private key that belongs to `publicKey`. */
export function isSignedBy (publicKey: string, { token }: DeviceProof): boolean {
  const key = importPoint(publicKey)
  return key !== null && hasGoodSignature({ algorithm: 'ES256', publicKey: key }, token.signingInput, token.signature)
}

function pointOf (jwk: unknown): string | null {
  if (typeof jwk !== 'object' || jwk === null) return null
  const { kty, crv, x, y, d } = jwk as Record<string, unknown>
  if (kty !== 'EC' || crv !== 'P-256' || d !== undefined || typeof x !== 'string' || typeof y !== 'string') return null
  return coordinate.test(x) && coordinate.test(y) ? x + y : null
}

/** Imports a public key. Returns null if it is not a point of the curve. */
function importPoint (publicKey: string): KeyObject | null {
  try {
    return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: publicKey.slice(0, coordinateLength), y: publicKey.slice(coordinateLength) }, format: 'jwk' })
  } catch {
    return null
  }
}

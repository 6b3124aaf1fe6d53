import { sign } from 'node:crypto'
import type { SigningAlgorithm, SigningKey } from '../../lib/jwt/signing-key.ts'

/** Signs claims as a compact JWS with any `typ`, as the owner of a key may. The gateway itself signs by `keys.sign`. */
export function signToken (key: SigningKey, typ: string, claims: object): string {
  const header = { alg: key.algorithm, typ, kid: key.kid }
  const input = `${encode(header)}.${encode(claims)}`
  return `${input}.${sign(digest(key.algorithm), Buffer.from(input), { key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

function digest (algorithm: SigningAlgorithm): 'sha256' | null {
  return algorithm === 'EdDSA' ? null : 'sha256'
}

function encode (value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

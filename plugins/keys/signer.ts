import { sign } from 'node:crypto'
import type { SigningAlgorithm, SigningKey } from '../../lib/jwt/signing-key.ts'
import type { Keys } from './key-ring.ts'

/** Digest of each algorithm; Ed25519 has none. */
const digests: Record<SigningAlgorithm, string | null> = { ES256: 'sha256', EdDSA: null, RS256: 'sha256' }

/** Signs the gateway's tokens (RFC 7515, compact serialization) with the current key. The encoded header is kept as long as the key signs. */
export class TokenSigner {
  readonly #keys: Pick<Keys, 'current'>
  #kid = ''
  #header = ''

  constructor (keys: Pick<Keys, 'current'>) {
    this.#keys = keys
  }

  sign (claims: object): string {
    const key = this.#keys.current()
    if (key.kid !== this.#kid) this.#keepHeaderOf(key)
    const text = `${this.#header}.${encode(claims)}`
    return `${text}.${sign(digests[key.algorithm], Buffer.from(text), { key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }

  #keepHeaderOf ({ algorithm, kid }: SigningKey): void {
    this.#header = encode({ alg: algorithm, typ: 'at+jwt', kid })
    this.#kid = kid
  }
}

function encode (members: object): string {
  return Buffer.from(JSON.stringify(members)).toString('base64url')
}

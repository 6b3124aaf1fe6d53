import { importKey, type Jwk, type SigningAlgorithm, type SigningKey } from './jws.ts'
import { seal, unseal, type DerivedSecret } from '../secrets.ts'

interface SealedKey {
  kid: string
  algorithm: SigningAlgorithm
  createdAtMs: number
  signsFromMs: number
  /** The private JWK, sealed for this kid. */
  sealed: string
}

/** The signing keys as the store keeps them, in the order of their turn. */
export interface SealedKeys {
  keys: SealedKey[]
}

export function sealKey (secret: DerivedSecret, key: SigningKey): SealedKey {
  const jwk = key.privateKey.export({ format: 'jwk' })
  const { kid, algorithm, createdAtMs, signsFromMs } = key
  return { kid, algorithm, createdAtMs, signsFromMs, sealed: seal(secret, JSON.stringify(jwk), context(key)) }
}

/** Opens a key; null when none of the secrets has sealed it. */
export function openKey (secrets: readonly DerivedSecret[], sealed: SealedKey): SigningKey | null {
  const text = unseal(secrets, sealed.sealed, context(sealed))
  return text === null ? null : importKey(JSON.parse(text) as Jwk, sealed.algorithm, sealed)
}

/** A key sealed for one kid and algorithm is no key for another. */
function context ({ kid, algorithm }: { kid: string, algorithm: SigningAlgorithm }): string {
  return `signing key ${algorithm} ${kid}`
}

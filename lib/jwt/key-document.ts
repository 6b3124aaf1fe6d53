import { importKey, type Jwk, type SigningAlgorithm, type SigningKey } from './jws.ts'
import { seal, unseal, type DerivedSecret } from '../secrets.ts'

interface SealedKey {
  kid: string
  algorithm: SigningAlgorithm
  createdAtMs: number
  signsFromMs: number
  /** Private JWK, sealed for this kid. */
  sealed: string
}

/** Signing keys as the store holds them, in the order in which they sign. */
export interface SealedKeys {
  keys: SealedKey[]
}

export function sealKey (secret: DerivedSecret, key: SigningKey): SealedKey {
  const jwk = key.privateKey.export({ format: 'jwk' })
  const { kid, algorithm, createdAtMs, signsFromMs } = key
  return { kid, algorithm, createdAtMs, signsFromMs, sealed: seal(secret, JSON.stringify(jwk), context(key)) }
}

/** Opens a sealed key. Returns null if none of the secrets sealed it. */
export function openKey (secrets: readonly DerivedSecret[], sealed: SealedKey): SigningKey | null {
  const text = unseal(secrets, sealed.sealed, context(sealed))
  return text === null ? null : importKey(JSON.parse(text) as Jwk, sealed.algorithm, sealed)
}

/** Returns the context of a seal: a key sealed for one kid and algorithm does not open for another. */
function context ({ kid, algorithm }: { kid: string, algorithm: SigningAlgorithm }): string {
  return `signing key ${algorithm} ${kid}`
}

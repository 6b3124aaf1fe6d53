import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, type webcrypto } from 'node:crypto'
import { seal, unseal, type DerivedSecret } from '../secrets.ts'

/*
 * The keys with which the gateway signs: how a key is created, how the store holds it, and when it signs. Lists of keys are in the order in
 * which they sign.
 */

export type Jwk = webcrypto.JsonWebKey & { kid?: string, use?: string, alg?: string }
export type SigningAlgorithm = 'ES256' | 'EdDSA' | 'RS256'

/** A key that signs and verifies with exactly one algorithm. */
export interface SigningKey {
  kid: string
  algorithm: SigningAlgorithm
  createdAtMs: number
  /** Time from which the key signs; before it, the key is only published. */
  signsFromMs: number
  privateKey: KeyObject
  publicKey: KeyObject
  /** Public members only, with `kid`, `use` and `alg` (RFC 7517). */
  publicJwk: Jwk
}

/** Generates a key: P-256, Ed25519, or RSA with 2048 bits. */
export function generateKey (algorithm: SigningAlgorithm): Jwk {
  switch (algorithm) {
    case 'ES256': return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
    case 'EdDSA': return generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
    case 'RS256': return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
  }
}

export function importKey (jwk: Jwk, algorithm: SigningAlgorithm, { createdAtMs, signsFromMs }: Pick<SigningKey, 'createdAtMs' | 'signsFromMs'>): SigningKey {
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' })
  const publicKey = createPublicKey(privateKey)
  const members = publicKey.export({ format: 'jwk' })
  const kid = thumbprint(members)
  return {
    kid,
    algorithm,
    createdAtMs,
    signsFromMs,
    privateKey,
    publicKey,
    publicJwk: Object.freeze({ ...members, kid, use: 'sig' as const, alg: algorithm })
  }
}

/** Returns the thumbprint of RFC 7638, which hashes the required members in lexicographic order. */
function thumbprint (jwk: Jwk): string {
  const names = { EC: ['crv', 'kty', 'x', 'y'], OKP: ['crv', 'kty', 'x'], RSA: ['e', 'kty', 'n'] }[jwk.kty as 'EC' | 'OKP' | 'RSA']
  const required = Object.fromEntries(names.map(name => [name, jwk[name as keyof Jwk]]))
  return createHash('sha256').update(JSON.stringify(required)).digest('base64url')
}

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

export interface ScheduledKey {
  /** Time from which the key signs; before it, the key is only published. */
  signsFromMs: number
}

/**
 * Default time for which a new key is published before it signs. It exceeds the time for which services may cache public keys, and the
 * longest silence of a log.
 */
export const publishAheadMs = 90_000

/**
 * Minimum time for which a new key is published before it signs. A shorter time would not reach even processes that are notified at once.
 */
export const leastPublishAheadMs = 5000

/**
 * Returns the seconds for which services may cache the public keys. The remaining third of the time is left for a new key to reach every
 * process before it signs.
 */
export function keepSecondsOf (publishAheadMs: number): number {
  return Math.min(60, Math.floor(publishAheadMs * 2 / 3000))
}

/** Returns the key that signs: the latest whose time has come, or the first if there is none. */
export function signerAt<Key extends ScheduledKey> (keys: readonly Key[], nowMs: number): Key | undefined {
  return keys.findLast(key => key.signsFromMs <= nowMs) ?? keys[0]
}

/** Returns the keys without those that were superseded so long ago that all their tokens have expired. */
export function keptAt<Key extends ScheduledKey> (keys: readonly Key[], nowMs: number, maxTokenAgeMs: number): Key[] {
  return keys.filter((_key, index) => {
    const successor = keys[index + 1]
    return successor === undefined || nowMs < successor.signsFromMs + maxTokenAgeMs
  })
}

import { constants, verify, type KeyObject, type VerifyKeyObjectInput } from 'node:crypto'

const { RSA_PKCS1_PSS_PADDING: padding } = constants

/** Digest and padding of each asymmetric algorithm (RFC 7518, section 3; RFC 8037). HMAC and `none` are not supported. */
const parameters = {
  RS256: { digest: 'sha256' },
  RS384: { digest: 'sha384' },
  RS512: { digest: 'sha512' },
  PS256: { digest: 'sha256', padding, saltLength: 32 },
  PS384: { digest: 'sha384', padding, saltLength: 48 },
  PS512: { digest: 'sha512', padding, saltLength: 64 },
  ES256: { digest: 'sha256' },
  ES384: { digest: 'sha384' },
  ES512: { digest: 'sha512' },
  EdDSA: { digest: null }
} as const satisfies Record<string, { digest: string | null, padding?: number, saltLength?: number }>

export type VerificationAlgorithm = keyof typeof parameters

export const verificationAlgorithms = Object.keys(parameters) as VerificationAlgorithm[]

/** Algorithm names that configurations may use. `Ed25519` is the fully specified name (RFC 9864) of `EdDSA` with the supported keys. */
export const algorithmNames = [...verificationAlgorithms, 'Ed25519'] as const

/** Returns the name by which the algorithms of keys and tokens are compared; an unknown name is returned unchanged. */
export function canonicalAlgorithm (name: unknown): unknown {
  return name === 'Ed25519' ? 'EdDSA' : name
}

/** Returns configured names without repetition, in the form by which keys and tokens are compared. */
export function canonicalAlgorithms (names: readonly string[]): VerificationAlgorithm[] {
  return [...new Set(names.map(name => canonicalAlgorithm(name) as VerificationAlgorithm))]
}

/** A key that verifies with exactly one algorithm. */
export interface VerificationKey {
  algorithm: VerificationAlgorithm
  publicKey: KeyObject
}

export function hasGoodSignature ({ algorithm, publicKey }: VerificationKey, signingInput: string, signature: Buffer): boolean {
  const { digest, ...options } = parameters[algorithm]
  const key: VerifyKeyObjectInput = { key: publicKey, dsaEncoding: 'ieee-p1363', ...options }
  return verify(digest, Buffer.from(signingInput), key, signature)
}

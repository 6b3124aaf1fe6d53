import { constants, verify, type KeyObject, type VerifyKeyObjectInput } from 'node:crypto'
import { findFault } from '../json.ts'

/* Signed tokens in compact form (RFC 7515): how they are parsed and verified. */

/** Maximum length of an access token, in characters. A token with 200 groups of 36 characters has about 12,000. */
export const maxTokenLength = 16_384
/** Maximum nesting depth of header and claims, including the outermost object. */
const maxDepth = 16

export interface TokenParts {
  header: Record<string, unknown>
  claims: Record<string, unknown>
  signingInput: string
  signature: Buffer
}

const tokenPattern = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Parses a compact JWS strictly: three canonical base64url parts, with JSON objects in UTF-8 without a byte order mark and without repeated
 * names. Returns null otherwise. The signature is not verified.
 * JWT libraries accept more (padding, white space, unused bits, the last of two equal names), so that one token has many spellings and two
 * meanings.
 */
export function parseToken (token: string): TokenParts | null {
  if (token.length > maxTokenLength || !tokenPattern.test(token)) return null
  const [header = '', claims = '', signature = ''] = token.split('.')
  const headerJson = decodeObject(header)
  const claimsJson = decodeObject(claims)
  const signatureBytes = decodeCanonical(signature)
  if (headerJson === null || claimsJson === null || signatureBytes === null) return null
  return { header: headerJson, claims: claimsJson, signingInput: token.slice(0, header.length + 1 + claims.length), signature: signatureBytes }
}

function decodeObject (part: string): Record<string, unknown> | null {
  const bytes = decodeCanonical(part)
  return bytes === null ? null : parseObject(bytes, maxDepth)
}

/** Parses bytes as a JSON object in plain UTF-8, nested at most `levels` deep and without repeated names. Returns null otherwise. */
export function parseObject (bytes: Uint8Array, levels: number): Record<string, unknown> | null {
  try {
    const text = utf8.decode(bytes)
    if (findFault(text, { levels }) !== null) return null
    const value: unknown = JSON.parse(text)
    return typeof value !== 'object' || value === null || Array.isArray(value) ? null : value as Record<string, unknown>
  } catch {
    return null
  }
}

function decodeCanonical (part: string): Buffer | null {
  const bytes = Buffer.from(part, 'base64url')
  return bytes.toString('base64url') === part ? bytes : null
}

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

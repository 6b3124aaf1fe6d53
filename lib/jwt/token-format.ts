import { findFault } from '../json.ts'

/** Longest access token that is looked at, in characters: one with 200 groups of 36 characters has some 12,000. */
export const maxTokenLength = 16_384
/** Deepest nesting of header and claims, themselves included. */
const maxDepth = 16

export interface TokenParts {
  header: Record<string, unknown>
  claims: Record<string, unknown>
  signingInput: string
  signature: Buffer
}

const pattern = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The parts of a compact JWS whose every character counts: three base64url parts that encode back to themselves, and JSON objects
 * in UTF-8 without a byte order mark, in which no name stands twice. Null otherwise. Nothing is verified yet.
 * JWT libraries accept more (padding, white space, unused bits, the last of two names), so that one token has many spellings and
 * two meanings.
 */
export function parseToken (token: string): TokenParts | null {
  if (token.length > maxTokenLength || !pattern.test(token)) return null
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

/** The JSON object that bytes spell in plain UTF-8, with each name once; null when they do not. */
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

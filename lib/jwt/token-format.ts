import { findFault } from '../json.ts'

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

const pattern = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Parses a compact JWS strictly: three canonical base64url parts, with JSON objects in UTF-8 without a byte order mark and without repeated
 * names. Returns null otherwise. The signature is not verified.
 * JWT libraries accept more (padding, white space, unused bits, the last of two equal names), so that one token has many spellings and two
 * meanings.
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

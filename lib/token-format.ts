/** Longest access token that is looked at, in characters. */
export const maxTokenLength = 8192

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
 * in UTF-8 without a byte order mark. Null otherwise. Nothing is verified yet.
 * JWT libraries accept more (padding, white space, unused bits), so that one token has many spellings.
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
  if (bytes === null) return null
  try {
    const value: unknown = JSON.parse(utf8.decode(bytes))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : null
  } catch {
    return null
  }
}

function decodeCanonical (part: string): Buffer | null {
  const bytes = Buffer.from(part, 'base64url')
  return bytes.toString('base64url') === part ? bytes : null
}

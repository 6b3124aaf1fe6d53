import type { IncomingMessage } from 'node:http'
import { CredentialsAmbiguousError, TokenInvalidError } from '../errors.ts'

const scheme = /^bearer(?: +|$)/i

/**
 * Returns the bearer token of a request (RFC 6750, Authorization Request Header Field), or null. Other schemes are ignored.
 * Throws CredentialsAmbiguousError for more than one Authorization header, and TokenInvalidError if the token is missing or has several
 * words. The characters of the token are checked when it is verified: a check of each of them here would double the cost.
 */
export function readBearer ({ headers, rawHeaders }: Pick<IncomingMessage, 'headers' | 'rawHeaders'>): string | null {
  const value = headers.authorization
  if (value === undefined) return null
  // Node keeps the first of several headers; another server may keep the last.
  if (countAuthorization(rawHeaders) > 1) throw new CredentialsAmbiguousError({ cause: new Error('more than one Authorization header') })
  const prefix = scheme.exec(value)?.[0]
  if (prefix === undefined) return null
  const token = value.slice(prefix.length)
  if (token === '' || token.includes(' ')) throw new TokenInvalidError({ cause: new Error('not a bearer token') })
  return token
}

function countAuthorization (rawHeaders: readonly string[]): number {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === 13 && name.toLowerCase() === 'authorization') count++
  }
  return count
}

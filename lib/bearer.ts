import type { IncomingMessage } from 'node:http'
import { CredentialsAmbiguousError, TokenInvalidError } from './errors.ts'

const bearer = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i

/**
 * The bearer token of a request (RFC 6750, Authorization Request Header Field), or null. Other schemes are nobody's here.
 * Throws CredentialsAmbiguousError for more than one Authorization header, TokenInvalidError for what is no token.
 */
export function readBearer ({ headers, rawHeaders }: IncomingMessage): string | null {
  const value = headers.authorization
  if (value === undefined) return null
  // Node keeps the first of several; another server may keep the last.
  if (countAuthorization(rawHeaders) > 1) throw new CredentialsAmbiguousError()
  if (!/^bearer(?: |$)/i.test(value)) return null
  const token = bearer.exec(value)?.[1]
  if (token === undefined) throw new TokenInvalidError({ cause: new Error('not a bearer token') })
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

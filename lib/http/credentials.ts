import type { IncomingMessage } from 'node:http'
import { CredentialsAmbiguousError, TokenInvalidError, CookieDuplicateError } from '../errors.ts'

/*
 * The credentials that the headers of a request carry: a bearer token and cookies. A credential that is present twice is rejected, because
 * two servers may choose different ones of the two.
 */

const bearerScheme = /^bearer(?: +|$)/i

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
  const prefix = bearerScheme.exec(value)?.[0]
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

/**
 * Returns the value of the cookie called exactly `name` in a Cookie header, or null. Throws CookieDuplicateError if the cookie is present
 * twice: browsers send the cookie of a narrower path first, so an attacker who can plant one (from a sibling path or a sub-domain) could
 * choose which of the two counts.
 */
export function readCookie (header: string | undefined, name: string): string | null {
  if (header === undefined) return null
  const at = findCookie(header, name, 0)
  if (at === -1) return null
  const start = at + name.length + 1
  if (findCookie(header, name, start) !== -1) throw new CookieDuplicateError({ cause: new Error(`the cookie ${name} was sent more than once`) })
  const end = header.indexOf(';', start)
  return trimmed(header, start, end === -1 ? header.length : end)
}

/** Returns whether a Cookie header contains a cookie called exactly `name`, once or more often. */
export function hasCookie (header: string | undefined, name: string): boolean {
  return header !== undefined && findCookie(header, name, 0) !== -1
}

/** Removes only the spaces and tabs around a value. `trim()` removes more characters, which would give one value many spellings. */
function trimmed (header: string, start: number, end: number): string {
  while (start < end && isBlank(header, start)) start++
  while (end > start && isBlank(header, end - 1)) end--
  return header.slice(start, end)
}

function isBlank (header: string, at: number): boolean {
  const code = header.charCodeAt(at)
  return code === 32 || code === 9
}

/** Returns the position at or after `from` where `name=` starts a pair; -1 if there is none. */
function findCookie (header: string, name: string, from: number): number {
  for (let at = header.indexOf(name, from); at !== -1; at = header.indexOf(name, at + 1)) {
    if (header.charCodeAt(at + name.length) === 61 && startsPair(header, at)) return at
  }
  return -1
}

function startsPair (header: string, at: number): boolean {
  let before = at - 1
  while (before >= 0 && isBlank(header, before)) before--
  return before < 0 || header.charCodeAt(before) === 59
}

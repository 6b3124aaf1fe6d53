import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { InternalError } from '../../lib/errors.ts'
import type { OwnCookies } from '../../lib/http/own-cookies.ts'
import { areHeaders } from '../../lib/proxy/request-head.ts'
import { isNeverReturned, responseHeaders, withoutCookieClearing } from '../../lib/proxy/response-headers.ts'
import type { ReturnedHeaders, RewriteHeaders } from './hooks.ts'

/**
 * Returns the headers of an upstream's response as `rewriteHeaders` of the application changes them. Throws InternalError if it throws, or
 * if it returns a header that no response of an upstream may have.
 */
export function rewrittenHeaders (headers: IncomingHttpHeaders, status: number, { rewriteHeaders, request, ownCookies }: { rewriteHeaders: RewriteHeaders, request: FastifyRequest, ownCookies: OwnCookies }): IncomingHttpHeaders {
  try {
    const given = recordOf(responseHeaders(headers, status, {}, ownCookies))
    const length = given['content-length']
    const returned: unknown = rewriteHeaders(given, request)
    // The rejection of an asynchronous function must not end the process.
    if (isPromise(returned)) Promise.resolve(returned).catch(() => {})
    return { ...checkHeaders(returned, length, ownCookies), ...length === undefined ? {} : { 'content-length': String(length) } }
  } catch (cause) {
    throw new InternalError({ cause })
  }
}

/** Returns headers as name, value, name, value… by name. The prototype is null, because a header may be called `__proto__`. */
function recordOf (pairs: Array<string | string[]>): ReturnedHeaders {
  const record = Object.create(null) as ReturnedHeaders
  for (let i = 0; i < pairs.length; i += 2) record[pairs[i] as string] = pairs[i + 1]!
  return record
}

function checkHeaders (returned: unknown, length: string | string[] | undefined, ownCookies: OwnCookies): IncomingHttpHeaders {
  if (typeof returned !== 'object' || returned === null || isPromise(returned) || Array.isArray(returned)) throw wrong('must return an object of headers, and no promise')
  const checked = Object.create(null) as IncomingHttpHeaders
  const seen = new Set<string>()
  for (const [spelt, value] of Object.entries(returned as Record<string, unknown>)) {
    if (value === undefined) continue
    const name = spelt.toLowerCase()
    const values = (Array.isArray(value) ? value as unknown[] : [value]).map(each => typeof each === 'number' ? String(each) : each)
    if (!values.every(each => typeof each === 'string' && areHeaders([name, each]))) throw wrong('has returned a name or a value that no header can have')
    if (seen.has(name)) throw wrong(`has returned ${name} twice`)
    seen.add(name)
    assertAllowed(name, values as string[], length, ownCookies)
    if (name !== 'content-length') (checked as ReturnedHeaders)[name] = Array.isArray(value) ? values as string[] : values[0] as string
  }
  return checked
}

/** Throws for headers that end at the gateway or frame the response, and for those that would set or clear its cookies. */
function assertAllowed (name: string, values: string[], length: string | string[] | undefined, ownCookies: OwnCookies): void {
  if (isNeverReturned(name)) throw wrong(`must not return ${name}, which belongs to the connection or to the sessions of the gateway`)
  if (name === 'content-length' && values.join() !== length) throw wrong('must not change content-length, because the body stays as it is')
  if (name === 'set-cookie' && values.some(line => ownCookies.areSetBy(line))) throw wrong('must not set a cookie of the gateway')
  if (name === 'clear-site-data' && values.some(value => withoutCookieClearing(value) !== value)) throw wrong('must not clear the cookies of the gateway')
}

function isPromise (value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

function wrong (fault: string): Error {
  return new TypeError(`rewriteHeaders of proxy ${fault}`)
}

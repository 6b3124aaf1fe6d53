import cookie from '@fastify/cookie'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { readCookie } from '../lib/cookie-header.ts'
import { ConfigInvalidError } from '../lib/errors.ts'
import { checkOptions } from '../lib/options.ts'
import { addPart } from './portcullis.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    /** The only way to set, read and delete a Portcullis cookie. */
    cookies: Cookies
  }
}

export type CookieKind = 'session' | 'refresh' | 'device'

export interface Cookies {
  /** What browsers see. The sessions whose cookies these are belong to it. */
  readonly origin: string
  /** The value, or null. Throws CookieDuplicateError when the request has it twice. */
  read (request: FastifyRequest, kind: CookieKind): string | null
  /** `maxAgeSeconds`: how long browsers keep it; without, as long as they run. */
  set (reply: FastifyReply, kind: CookieKind, value: string, maxAgeSeconds?: number): void
  clear (reply: FastifyReply, kind: CookieKind): void
  /** Its name, and its attributes as Set-Cookie has them, the time that it is kept apart. */
  describe (kind: CookieKind): { name: string, attributes: string }
}

export interface CookiesOptions {
  /** What browsers see: scheme, host and port. https, except on localhost and 127.0.0.1. */
  origin: string
  /** Of the session cookie and the device cookie; the refresh cookie is always strict. Default lax. */
  sameSite?: 'lax' | 'strict'
  /** Where refresh, step-up and logout live. Default /auth. */
  refreshPath?: string
}

const Options = Type.Object({
  origin: Type.String(),
  sameSite: Type.Union([Type.Literal('lax'), Type.Literal('strict')], { default: 'lax', errorMessage: 'must be lax or strict' }),
  refreshPath: Type.String({ pattern: '^/[A-Za-z0-9/_-]*$', default: '/auth', errorMessage: 'must be a path such as /auth' })
}, { additionalProperties: false })

type Serialize = FastifyInstance['serializeCookie']

interface CookieForm { name: string, attributes: NonNullable<Parameters<Serialize>[2]> }

/** Hardened cookies: HttpOnly, Secure, SameSite, tight Path, no Domain, prefixed names. There is no option for less. */
export default fp<CookiesOptions>(async function cookiesPlugin (fastify, options) {
  const { origin, sameSite, refreshPath } = checkOptions('portcullis-cookies', Options, options)
  const secure = isSecureOrigin(origin)
  const serialize = await createSerializer(fastify)
  if (!secure) fastify.log.warn(`cookies are set without Secure and without name prefix, because origin is ${origin}: for development only`)
  const forms: Record<CookieKind, CookieForm> = {
    session: { name: secure ? '__Host-portcullis' : 'portcullis', attributes: { httpOnly: true, secure, sameSite, path: '/' } },
    refresh: { name: secure ? '__Secure-portcullis-refresh' : 'portcullis-refresh', attributes: { httpOnly: true, secure, sameSite: 'strict', path: refreshPath } },
    device: { name: secure ? '__Host-portcullis-device' : 'portcullis-device', attributes: { httpOnly: true, secure, sameSite, path: '/' } }
  }
  addPart(fastify, 'cookies', {
    origin,
    read: (request, kind) => readCookie(request.headers.cookie, forms[kind].name),
    set: (reply, kind, value, maxAge) => { put(reply, forms[kind].name, serialize(forms[kind].name, value, { ...forms[kind].attributes, ...maxAge === undefined ? {} : { maxAge } })) },
    clear: (reply, kind) => { put(reply, forms[kind].name, serialize(forms[kind].name, '', { ...forms[kind].attributes, maxAge: 0, expires: new Date(0) })) },
    describe: kind => ({ name: forms[kind].name, attributes: serialize(forms[kind].name, '', forms[kind].attributes).replace(/^[^;]*;\s*/, '') })
  })
}, { name: 'portcullis-cookies', fastify: '5.x' })

/**
 * In a scope of its own, so that the application's own @fastify/cookie finds the names free. Its options, such as a domain for
 * every cookie, are for its own cookies: ours are serialized without them.
 */
async function createSerializer (fastify: FastifyInstance): Promise<Serialize> {
  let scoped = fastify
  if (!fastify.hasPlugin('@fastify/cookie')) {
    await fastify.register(async function cookieSerializer (scope) {
      await scope.register(cookie, { hook: false })
      scoped = scope
    })
  }
  return scoped.serializeCookie
}

/** The last word on a cookie counts; all other cookies of the response stay. */
function put (reply: FastifyReply, name: string, line: string): void {
  const others = [reply.getHeader('set-cookie') ?? []].flat().filter(other => !String(other).startsWith(`${name}=`))
  reply.removeHeader('set-cookie')
  void reply.header('set-cookie', [...others, line])
}

/** Whether cookies of this origin are Secure. Throws ConfigInvalidError for what is neither https nor this machine. */
function isSecureOrigin (origin: string): boolean {
  const url = URL.parse(origin)
  if (url === null || url.origin !== origin) throw new ConfigInvalidError('portcullis-cookies: origin must be scheme, host and port alone, such as https://app.example.com')
  if (url.protocol === 'https:') return true
  if (url.protocol === 'http:' && (url.hostname === 'localhost' || url.hostname === '127.0.0.1')) return false
  throw new ConfigInvalidError('portcullis-cookies: origin must be https; only http://localhost and http://127.0.0.1 go without')
}

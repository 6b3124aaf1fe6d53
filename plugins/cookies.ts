import cookie from '@fastify/cookie'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { hasCookie, readCookie } from '../lib/http/credentials.ts'
import { ConfigInvalidError } from '../lib/errors.ts'
import type { RequestFacts } from '../lib/http/request-facts.ts'
import { checkOptions } from '../lib/check-options.ts'
import { cookieNames, createOwnCookies, loginCookiePrefix, loginIdPattern, type CookieKind, type CookieName, type OwnCookies } from '../lib/http/own-cookies.ts'
import { cookies } from '../lib/settings/cookies.ts'
import { durationOption, optional, optionsOf, type OptionsFrom } from '../lib/settings/options.ts'
import { lifetimes } from '../lib/settings/session.ts'
import { addPart, beginPart } from './portcullis.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    /** The only way to set, read and delete a Portcullis cookie. */
    cookies: Cookies
  }
}

export interface Cookies {
  /** Origin that browsers see, to which the sessions of these cookies belong. */
  readonly origin: string
  /**
   * Returns the value of a cookie, or null. Throws CookieDuplicateError if the request contains it twice. During `formerFor` after the
   * start, a cookie under its name of the first release is read if the request has none under the present name.
   */
  read (request: Pick<RequestFacts, 'headers'>, kind: CookieKind): string | null
  /**
   * Returns every value that the request carries under the present and the former name, at any time. The values show which sessions end
   * when the cookie is replaced or deleted; they are not credentials. Throws CookieDuplicateError if one of the names occurs twice.
   */
  readAll (request: Pick<RequestFacts, 'headers'>, kind: CookieKind): string[]
  /** Sets a cookie for `maxAgeSeconds`; without it, browsers keep the cookie until they are closed. */
  set (reply: FastifyReply, kind: CookieKind, value: string, maxAgeSeconds?: number): void
  /** Deletes a cookie in the browser. The session that it names continues; `blocklist.revoke` ends it. */
  clear (reply: FastifyReply, kind: CookieKind): void
  /** Returns the name of a cookie and its attributes as in Set-Cookie, without the lifetime. */
  describe (kind: CookieKind): { name: string, attributes: string }
  /** Returns the cookies of sign-ins at identity providers that a request carries, by their id. Of a cookie that is present twice, one counts. */
  readLogins (request: Pick<RequestFacts, 'headers'>): ReadonlyMap<string, string>
  /** Returns the cookie of one sign-in, or null. Throws CookieDuplicateError if the request contains it twice. */
  readLogin (request: Pick<RequestFacts, 'headers'>, id: string): string | null
  /** Sets the cookie of a sign-in. */
  setLogin (reply: FastifyReply, id: string, value: string, maxAgeSeconds: number): void
  /** Deletes the cookie of a sign-in in the browser. */
  clearLogin (reply: FastifyReply, id: string): void
  /** Returns the name of the cookie of a sign-in. */
  loginName (id: string): string
  /** Recognises these cookies in headers. */
  readonly own: OwnCookies
}

const own = {
  /** Origin that browsers see: scheme, host and port. It must be https, except on localhost and 127.0.0.1. */
  origin: Type.String(),
  /** Time after the start for which the names of the first release are read too: the absolute timeout of its sessions. */
  formerFor: durationOption({ default: lifetimes.absoluteTimeout.default }),
  /** Path of refresh, step-up and logout. Default /auth. */
  refreshPath: optional('/auth', Type.String({ pattern: '^/[A-Za-z0-9/_-]*$', errorMessage: 'must be a path such as /auth' }))
}

export interface CookiesOptions extends OptionsFrom<typeof cookies.properties, typeof own> {}

const Options = optionsOf(cookies.properties, own)

type Serialize = FastifyInstance['serializeCookie']

interface CookieForm extends CookieName { attributes: NonNullable<Parameters<Serialize>[2]> }

/** Hardened cookies: HttpOnly, Secure, SameSite, tight Path, no Domain, prefixed names. No option weakens them. */
export default fp<CookiesOptions>(async function cookiesPlugin (fastify, options) {
  beginPart(fastify, 'cookies')
  const { origin, name, formerForMs, sameSite, refreshPath } = checkOptions('portcullis-cookies', Options, options)
  const secure = isSecureOrigin(origin)
  const serialize = await createSerializer(fastify)
  if (!secure) fastify.log.warn(`cookies are set without Secure and without name prefix, because origin is ${origin}: for development only`)
  const names = cookieNames(name, secure)
  const forms: Record<CookieKind, CookieForm> = {
    session: { ...names.session, attributes: { httpOnly: true, secure, sameSite, path: '/' } },
    refresh: { ...names.refresh, attributes: { httpOnly: true, secure, sameSite: 'strict', path: refreshPath } },
    device: { ...names.device, attributes: { httpOnly: true, secure, sameSite, path: '/' } },
    // Only the pages and scripts of this origin complete a sign-in.
    challenge: { ...names.challenge, attributes: { httpOnly: true, secure, sameSite: 'strict', path: '/' } }
  }
  const loginPrefix = loginCookiePrefix(name, secure)
  // The answer of a provider is a navigation from another site, which carries no strict cookie.
  const loginForm = (id: string): CookieForm => ({ name: loginPrefix + id, former: null, attributes: { httpOnly: true, secure, sameSite: 'lax', path: '/' } })
  const formerUntilMs = performance.now() + formerForMs
  const deletion = (called: string, attributes: CookieForm['attributes']): string => serialize(called, '', { ...attributes, maxAge: 0, expires: new Date(0) })
  const write = (reply: FastifyReply, { name, former, attributes }: CookieForm, line: string): void => {
    put(reply, name, line)
    if (former !== null && hasCookie(reply.request.headers.cookie, former)) put(reply, former, deletion(former, attributes))
  }
  addPart(fastify, 'cookies', {
    origin,
    own: Object.freeze(createOwnCookies(name)),
    read (request, kind) {
      const { name, former } = forms[kind]
      const value = readCookie(request.headers.cookie, name)
      return value !== null || former === null || performance.now() >= formerUntilMs ? value : readCookie(request.headers.cookie, former)
    },
    readAll (request, kind) {
      const { name, former } = forms[kind]
      return [name, former].flatMap(called => called === null ? [] : readCookie(request.headers.cookie, called) ?? [])
    },
    set: (reply, kind, value, maxAge) => { write(reply, forms[kind], serialize(forms[kind].name, value, { ...forms[kind].attributes, ...maxAge === undefined ? {} : { maxAge } })) },
    clear: (reply, kind) => { write(reply, forms[kind], deletion(forms[kind].name, forms[kind].attributes)) },
    readLogins: request => readByPrefix(request.headers.cookie, loginPrefix),
    readLogin: (request, id) => readCookie(request.headers.cookie, loginPrefix + id),
    setLogin: (reply, id, value, maxAge) => { write(reply, loginForm(id), serialize(loginPrefix + id, value, { ...loginForm(id).attributes, maxAge })) },
    clearLogin: (reply, id) => { write(reply, loginForm(id), deletion(loginPrefix + id, loginForm(id).attributes)) },
    loginName: id => loginPrefix + id,
    describe: kind => ({ name: forms[kind].name, attributes: serialize(forms[kind].name, '', forms[kind].attributes).replace(/^[^;]*;\s*/, '') })
  })
}, { name: 'portcullis-cookies', fastify: '5.x' })

/** Returns the cookies whose names are the prefix and the id of a sign-in, by the id. */
function readByPrefix (header: string | undefined, prefix: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const pair of header?.includes(prefix) === true ? header.split(';') : []) {
    const [name = '', value = ''] = pair.trim().split('=', 2)
    const id = name.startsWith(prefix) ? name.slice(prefix.length) : ''
    if (loginIdPattern.test(id)) found.set(id, value)
  }
  return found
}

/**
 * Registers @fastify/cookie in a separate scope, so that the application's own @fastify/cookie finds the names free. The options of the
 * application, such as a domain for every cookie, apply to its own cookies only: Portcullis' cookies are serialized without them.
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

/** Replaces the line of this cookie; all other cookies of the response are kept. */
function put (reply: FastifyReply, name: string, line: string): void {
  const others = [reply.getHeader('set-cookie') ?? []].flat().filter(other => !String(other).startsWith(`${name}=`))
  reply.removeHeader('set-cookie')
  void reply.header('set-cookie', [...others, line])
}

/** Returns whether cookies of this origin are Secure. Throws ConfigInvalidError for an origin that is neither https nor this machine. */
function isSecureOrigin (origin: string): boolean {
  const url = URL.parse(origin)
  if (url === null || url.origin !== origin) throw new ConfigInvalidError('portcullis-cookies: origin must be scheme, host and port alone, such as https://app.example.com')
  if (url.protocol === 'https:') return true
  if (url.protocol === 'http:' && (url.hostname === 'localhost' || url.hostname === '127.0.0.1')) return false
  throw new ConfigInvalidError('portcullis-cookies: origin must be https; only http://localhost and http://127.0.0.1 go without')
}

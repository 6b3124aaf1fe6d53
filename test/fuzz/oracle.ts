import type { People, Person } from './people.ts'
import { mark, type Seen, type UpstreamName } from './upstreams.ts'
import type { Answer, Sent } from './wire.ts'

/*
 * What must hold of any request whatever, judged by the bytes that were sent and by what was issued: nothing of the gateway's
 * own code is used here.
 */

const sessionCookie = '__Host-Http-portcullis'
const refreshCookie = '__Secure-portcullis-refresh'
const ownCookies = [sessionCookie, refreshCookie, '__Host-portcullis-device', 'portcullis', 'portcullis-refresh', 'portcullis-device'].map(name => name.toLowerCase())

/** Where identities are told: a client's copy in any case or spelling must never arrive. */
const identityNames = new Set(['authorization', 'proxy-authorization', 'forwarded', 'x-real-ip', 'x-request-id', 'x-auth-subject', 'x-auth-session', 'x-auth-scope', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port'])
const neverSent = new Set(['forwarded', 'x-real-ip', 'proxy-authorization'])
const hopByHop = new Set(['keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade', 'expect', 'http2-settings'])

/** White space that HTTP allows around a header's value and that cookies allow around a pair: no other. */
const trimmed = (text: string): string => text.replace(/^[ \t]+|[ \t]+$/g, '')

/** As a line is read, which ends its name at the first colon. */
function valuesOf ({ headers }: Sent, name: string): string[] {
  return headers.flatMap(([given, value]) => {
    const line = `${given}: ${value}`
    const colon = line.indexOf(':')
    return line.slice(0, colon).toLowerCase() === name ? [trimmed(line.slice(colon + 1))] : []
  })
}

/** The values of all cookies of exactly this name. */
function cookiesOf (sent: Sent, name: string): string[] {
  return valuesOf(sent, 'cookie').flatMap(value => value.split(';')).map(trimmed).flatMap(pair => {
    return pair.startsWith(`${name}=`) ? [trimmed(pair.slice(name.length + 1))] : []
  })
}

/** Who a request is from if it is from anybody: one genuine credential, unmodified, and no other beside it. */
export function personOf (sent: Sent, people: People, audience: string): Person | null {
  const cookies = cookiesOf(sent, sessionCookie)
  const authorizations = valuesOf(sent, 'authorization')
  if (authorizations.length > 1) return null
  const token = /^bearer +([^ ]+)$/i.exec(authorizations[0] ?? '')?.[1]
  if (cookies.length === 1 && token === undefined) return people.cookies.find(({ cookie }) => cookie === cookies[0]) ?? null
  if (cookies.length === 0) return people.tokens.find(known => known.token === token && known.audience.includes(audience)) ?? null
  return null
}

/** Whether a genuine refresh token is among the cookies: it is not for garbage to use up. */
export function hasRefreshToken (sent: Sent, people: People): boolean {
  return cookiesOf(sent, refreshCookie).some(value => people.tokens.some(({ refresh }) => refresh === value))
}

/** A refresh token of the one right form whose key nobody here knows: DESIGN answers 503, so that no client is sent away while a new secret is rolled out. */
function hasUnknownKey (sent: Sent, people: People): boolean {
  const ids = people.tokens.map(({ refresh }) => Buffer.from(refresh, 'base64url').toString('hex', 0, 4))
  return cookiesOf(sent, refreshCookie).some(value => /^[\w-]{75}$/.test(value) && !ids.includes(Buffer.from(value, 'base64url').toString('hex', 0, 4)))
}

/** What is wrong with how a request was answered; null when nothing is. `opens`: it may sign somebody in. */
export function judgeAnswer (sent: Sent, answer: Answer, people: People, opens: boolean): string | null {
  const { status, headers } = answer
  const path = sent.target.split(/[?#]/)[0] ?? ''
  const unknownKey = status === 503 && path.startsWith('/auth/') && hasUnknownKey(sent, people)
  if (status >= 500 && !unknownKey) return `is answered ${status}`
  if (headers['set-cookie'] !== undefined && status >= 400) return `is answered ${status} with a cookie`
  if (headers[mark] !== undefined) return null
  if (status >= 400) return judgeProblem(sent, answer)
  return opens || mayBeFine(sent, answer, people) ? null : `is answered ${status} by the gateway`
}

/** RFC 9457, and nothing of it to be kept. */
function judgeProblem ({ method }: Sent, { status, headers, body }: Answer): string | null {
  if (headers['content-type'] !== 'application/problem+json; charset=utf-8') return `is answered ${status} as ${headers['content-type']}`
  if (headers['cache-control'] !== 'no-store') return `is answered ${status} for caches to keep`
  if (method === 'HEAD') return null
  try {
    const problem = JSON.parse(body) as { status: unknown, code: unknown }
    if (problem.status !== status || !/^PTC_ERR_[A-Z_]+$/.test(String(problem.code))) return `is answered ${status} with a problem that says ${String(problem.status)} ${String(problem.code)}`
  } catch {
    return `is answered ${status} with what is no JSON`
  }
  return null
}

/** Where the gateway itself answers that all is well. */
function mayBeFine (sent: Sent, { status, headers }: Answer, people: People): boolean {
  // More than one space before or behind it is none of the path, to the one parser that decides and forwards.
  const path = unescaped(sent.target.split('?')[0] ?? '').replace(/^ +| +$/g, '')
  if (path === '/.well-known/jwks.json') return status === 200
  if (path === '/auth/session' || path === '/auth/sessions') return status === 200 && personOf(sent, people, 'origin') !== null
  // Also when nothing was presented; then it deletes cookies, and sets none.
  return path === '/auth/logout' && status === 204 && (headers['set-cookie'] ?? '').split('\n').every(line => /^[\w-]+=;/.test(line))
}

/** What is wrong with what an upstream was sent because of a request; null when nothing is. */
export async function judgeSeen (sent: Sent, seen: Seen, people: People): Promise<string | null> {
  const person = personOf(sent, people, seen.upstream)
  if (person === null && (seen.upstream === 'orders' || seen.upstream === 'named')) return `reaches ${seen.upstream} without a genuine credential`
  return await judgeIdentity(sent, seen, person, people) ?? judgeHeaders(sent, seen, people) ?? judgePath(seen)
}

function seenValues ({ rawHeaders }: Seen, name: string): string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && plainName(rawHeaders[at - 1] ?? '') === name)
}

const plainName = (name: string): string => name.toLowerCase().replaceAll('_', '-')

async function judgeIdentity (sent: Sent, seen: Seen, person: Person | null, people: People): Promise<string | null> {
  const authorizations = seenValues(seen, 'authorization')
  switch (seen.upstream) {
    case 'orders':
    case 'pub': return await judgeMinted(seen.upstream, authorizations, person, people)
    case 'named': {
      const told = ['x-auth-subject', 'x-auth-session', 'x-auth-scope'].map(name => seenValues(seen, name).join())
      if (authorizations.length > 0) return 'tells named an Authorization'
      return told.join('|') === `${person?.subject}|${person?.sid}|orders:read orders:write` ? null : `tells named that it is from ${told.join('|')}`
    }
    case 'carried': {
      // The client's own, or none: its Connection header may have named it.
      const own = valuesOf(sent, 'authorization')
      return authorizations.length === 0 || (authorizations.length === 1 && own.includes(authorizations[0] ?? '')) ? null : 'tells carried another Authorization'
    }
  }
}

async function judgeMinted (upstream: UpstreamName, authorizations: string[], person: Person | null, people: People): Promise<string | null> {
  const [authorization] = authorizations
  if (authorization === undefined) return person === null || upstream === 'pub' ? null : `does not tell ${upstream} who it is from`
  if (authorizations.length > 1) return `tells ${upstream} two Authorizations`
  const token = authorization.slice('Bearer '.length)
  if (people.tokens.some(known => known.token === token)) return `gives the client's own token to ${upstream}`
  const claims = await people.verifyMinted(token).catch(() => null)
  if (claims === null) return `gives ${upstream} a token that is not the gateway's`
  return claims['aud'] === upstream && claims['sub'] === person?.subject && claims['sid'] === person?.sid ? null : `tells ${upstream} that it is from ${String(claims['sub'])}`
}

const told = new Map([['x-forwarded-for', /^127\.0\.0\.1$/], ['x-forwarded-proto', /^https$/], ['x-forwarded-host', /^app\.example\.com$/], ['x-forwarded-port', /^443$/], ['x-request-id', /^[0-9a-f-]{36}$/]])

function mayBeSent (given: string, name: string, value: string, upstream: UpstreamName): boolean {
  if (hopByHop.has(name) || neverSent.has(name)) return false
  if (name.startsWith('x-forwarded-') && !told.has(name)) return false
  if (!identityNames.has(name)) return true
  return given === name && told.get(name)?.test(value) !== false && (!name.startsWith('x-auth-') || upstream === 'named')
}

function judgeHeaders (sent: Sent, seen: Seen, people: People): string | null {
  for (let at = 0; at < seen.rawHeaders.length; at += 2) {
    const [given = '', value = ''] = seen.rawHeaders.slice(at, at + 2)
    const name = plainName(given)
    if (!mayBeSent(given, name, value, seen.upstream)) return `sends ${given}: ${value} on`
  }
  for (const name of told.keys()) if (seenValues(seen, name).length !== 1) return `sends ${name} ${seenValues(seen, name).length} times`
  return judgeCookies(sent, seen, people)
}

/** No cookie of ours by any spelling of its name, wherever a lenient parser might find one. */
function judgeCookies (sent: Sent, seen: Seen, people: People): string | null {
  for (const pair of seenValues(seen, 'cookie').flatMap(value => value.split(';'))) {
    const name = pair.replace(/^[\s=]+/, '').split('=')[0]?.trim().toLowerCase() ?? ''
    if (ownCookies.includes(name)) return `sends the cookie ${name} on`
  }
  const text = [...seen.rawHeaders, seen.url].join('\n')
  // Only what it sent as a cookie or as a bearer token: a client may write its secrets elsewhere, too.
  const [value] = cookiesOf(sent, sessionCookie)
  const isPlain = value !== undefined && people.cookies.some(({ cookie }) => cookie === value) && occurrences(sent, value) === 1
  return isPlain && text.includes(value) ? 'sends the secret of a session on' : null
}

function occurrences (sent: Sent, value: string): number {
  return [sent.target, ...sent.headers.map(([, given]) => given)].join('\n').split(value).length - 1
}

/** Under every reading that some server has, the path stays where it was let in. */
function judgePath ({ upstream, url }: Seen): string | null {
  for (const reading of readings(url)) {
    if (reading !== `/${upstream}` && !reading.startsWith(`/${upstream}/`)) return `reaches ${upstream} with ${url}, which can be read as ${reading}`
  }
  return null
}

function readings (url: string): string[] {
  const path = url.split('?')[0] ?? ''
  const decoded = [path, unescaped(path), unescaped(unescaped(path))]
  return decoded.flatMap(text => [text, text.replaceAll('\\', '/'), text.replaceAll('\\', '/').replace(/;[^/]*/g, ''), text.split('\0')[0] ?? '']).map(resolved)
}

function unescaped (text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
}

function resolved (path: string): string {
  const segments: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop()
    else if (segment !== '.' && segment !== '') segments.push(segment)
  }
  return `/${segments.join('/')}`
}

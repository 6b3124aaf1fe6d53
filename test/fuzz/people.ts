import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import { generousLimits, password, post } from '../helpers/sign-in.ts'

export const audiences = ['orders', 'named', 'pub']

const subjects = ['ada', 'bob', 'cy']

/** These, and one who has no sign-in to lose, may sign in with the one password. */
export async function identity ({ username, password: given }: { username: string, password: string }): Promise<{ subject: string, scopes: string[] } | null> {
  return given === password && [...subjects, 'mallory'].includes(username) ? { subject: username, scopes: ['orders:read', 'orders:write'] } : null
}

/** A sign-in that has to outlive whatever is sent. */
export interface Person { subject: string, sid: string }
export interface WithCookie extends Person { cookie: string }
export interface WithTokens extends Person { token: string, audience: string[], refresh: string }

export const origin = 'https://app.example.com'

/** What a gateway that is fuzzed needs besides upstreams. */
export const settings = {
  accessToken: { ttl: '15m' },
  session: { maxPerSubject: 1000 },
  // Behind a request for another protocol the parser keeps its errors to itself: this ends the wait.
  limits: { headersTimeout: '1s' },
  rateLimit: generousLimits
}

/** The credentials that are good, and what else was issued that is none at the front door. */
export class People {
  readonly url: string
  readonly cookies: WithCookie[] = []
  readonly tokens: WithTokens[] = []
  /** Tokens that upstreams were sent, ids, hashes: genuine texts, but credentials of nobody here. */
  readonly others: string[] = []
  readonly #keys: ReturnType<typeof createLocalJWKSet>
  readonly jwks: JSONWebKeySet
  readonly #minted = new Map<string, Promise<Record<string, unknown>>>()

  private constructor (url: string, jwks: JSONWebKeySet) {
    this.url = url
    this.jwks = jwks
    this.#keys = createLocalJWKSet(jwks)
  }

  /** Signs a few subjects in, in every way. */
  static async signIn (url: string): Promise<People> {
    const people = new People(url, await (await fetch(`${url}/.well-known/jwks.json`)).json() as JSONWebKeySet)
    for (const subject of subjects) {
      for (let i = 0; i < 4; i++) people.cookies.push(await withCookie(url, subject))
      for (const audience of [[...audiences, 'origin'], ['orders'], ['origin'], ['named', 'pub']]) people.tokens.push(await withTokens(url, subject, audience))
    }
    people.others.push(...people.cookies.map(({ sid }) => sid), ...people.tokens.map(({ refresh }) => refresh))
    return people
  }

  /** The claims of a token that the gateway has minted, verified by another library. Rejects for any other. */
  async verifyMinted (token: string): Promise<Record<string, unknown>> {
    const known = this.#minted.get(token)
    if (known !== undefined) return await known
    const verified = jwtVerify(token, this.#keys, { issuer: origin, typ: 'at+jwt', algorithms: ['ES256'] }).then(({ payload }) => payload as Record<string, unknown>)
    this.#minted.set(token, verified)
    return await verified
  }

  /** Null when every credential is still good, for the same subject and session as at the beginning; each is used as its owner would. */
  async check (): Promise<string | null> {
    for (const { cookie, sid, subject } of this.cookies) {
      const answer = await fetch(`${this.url}/auth/session`, { headers: { cookie: `__Host-Http-portcullis=${cookie}` } })
      const { session } = await answer.json() as { session?: Person }
      if (session?.sid !== sid || session.subject !== subject) return `a session cookie of ${subject} is answered ${answer.status}`
      const { status } = await fetch(`${this.url}/orders/checked`, { headers: { cookie: `__Host-Http-portcullis=${cookie}`, 'x-fuzz': 'check' } })
      if (status !== 200) return `a session cookie of ${subject} is answered ${status} at /orders`
    }
    for (const person of this.tokens) {
      const { token, audience, subject, refresh, sid } = person
      const [path, expected] = audience.includes('origin') ? ['/auth/session', 200] : audience.includes('orders') ? ['/orders/checked', 200] : ['/named/checked', 200]
      const { status } = await fetch(`${this.url}${path}`, { headers: { authorization: `Bearer ${token}`, 'x-fuzz': 'check' } })
      if (status !== expected) return `an access token of ${subject} is answered ${status} at ${path}`
      const refreshed = await post(`${this.url}/auth/refresh`, undefined, { cookie: `__Secure-portcullis-refresh=${refresh}` })
      const body = await refreshed.json() as { access_token?: string, session?: Person }
      if (body.access_token === undefined || body.session?.sid !== sid || body.session.subject !== subject) return `a refresh token of ${subject} is answered ${refreshed.status}`
      // Not sent where it was on hold.
      person.refresh = cookieOf(refreshed, '__Secure-portcullis-refresh') ?? refresh
    }
    return null
  }
}

async function withCookie (url: string, username: string): Promise<WithCookie> {
  const answer = await post(`${url}/auth/login`, { username, password })
  const { session } = await answer.json() as { session: Person }
  return { subject: username, sid: session.sid, cookie: cookieOf(answer, '__Host-Http-portcullis') ?? '' }
}

async function withTokens (url: string, username: string, audience: string[]): Promise<WithTokens> {
  const answer = await post(`${url}/auth/login`, { username, password, mode: 'tokens', audience })
  const { session, access_token: token } = await answer.json() as { session: Person, access_token: string }
  return { subject: username, sid: session.sid, token, audience, refresh: cookieOf(answer, '__Secure-portcullis-refresh') ?? '' }
}

function cookieOf (response: Response, name: string): string | undefined {
  const pairs = response.headers.getSetCookie().map(line => line.slice(0, line.indexOf(';')))
  return pairs.find(pair => pair.startsWith(`${name}=`))?.slice(name.length + 1)
}

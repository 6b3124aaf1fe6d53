import type { LightMyRequestResponse } from 'fastify'
import fc from 'fast-check'
import { password, type TestGateway } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { refreshName } from '../helpers/refresh.ts'
import { sessionName } from './load.ts'
import { minute, Model, type ModelSession } from './model.ts'

type Act = 'sign in' | 'sign in for tokens' | 'request' | 'who' | 'refresh' | 'refresh an old one' | 'sign out' | 'sign out others' | 'sign out all' | 'end another' | 'step up' | 'list' | 'revoke the token' | 'wait' | 'cut off' | 'cut everybody off'

export interface Step { act: Act, who: number, other: number }

const weights: Array<[Act, number]> = [
  ['sign in', 3], ['sign in for tokens', 4], ['request', 8], ['who', 2], ['refresh', 6], ['refresh an old one', 2], ['sign out', 2], ['sign out others', 1], ['sign out all', 1],
  ['end another', 2], ['step up', 2], ['list', 2], ['revoke the token', 1], ['wait', 5], ['cut off', 1], ['cut everybody off', 1]
]

export const steps: fc.Arbitrary<Step[]> = fc.array(fc.record({
  act: fc.oneof(...weights.map(([act, weight]) => ({ weight, arbitrary: fc.constant(act) }))),
  who: fc.nat(20),
  other: fc.nat(20)
}), { minLength: 5, maxLength: 60, size: 'max' })

interface Held { sid: string, /** The cookies that the client was ever given: secrets, or generations of the refresh token. */ cookies: string[], token: string }

/** Does the same to a gateway and to the model, and throws where they differ. */
export class ModelRun {
  readonly #gateway: TestGateway
  readonly #model = new Model()
  readonly #held = new Map<ModelSession, Held>()
  readonly #subjects: string[]
  asked = 0

  constructor (gateway: TestGateway, name: string) {
    this.#gateway = gateway
    this.#subjects = [`${name}-ada`, `${name}-bob`]
  }

  async take ({ act, who, other }: Step): Promise<void> {
    const { sessions } = this.#model
    const subject = this.#subjects[who % 2]!
    const session = sessions[who % Math.max(1, sessions.length)]
    if (act === 'sign in' || act === 'sign in for tokens') return await this.#signIn(subject, act === 'sign in' ? 'session' : 'tokens')
    if (act === 'wait') return this.#wait(who % 4 + 1)
    if (act === 'cut off') return await this.#cutOff(subject)
    if (act === 'cut everybody off') return await this.#cutOff(null)
    if (session === undefined) return
    await this.#acts(session, sessions[other % sessions.length]!, other)[act]()
  }

  #acts (session: ModelSession, another: ModelSession, other: number): Record<Exclude<Act, 'sign in' | 'sign in for tokens' | 'wait' | 'cut off' | 'cut everybody off'>, () => Promise<void>> {
    return {
      request: async () => { await this.#request(session, '/orders') },
      who: async () => { await this.#who(session) },
      refresh: async () => { await this.#refresh(session, 0) },
      'refresh an old one': async () => { await this.#refresh(session, other % 3 + 1) },
      'sign out': async () => { await this.#signOut(session) },
      'sign out others': async () => { await this.#signOutMany(session, 'others') },
      'sign out all': async () => { await this.#signOutMany(session, 'all') },
      'end another': async () => { await this.#end(session, another) },
      'step up': async () => { await this.#stepUp(session) },
      list: async () => { await this.#list(session) },
      'revoke the token': async () => { await this.#revokeToken(session) }
    }
  }

  /** Whoever the model says is in is in, and nobody else. */
  async end (): Promise<void> {
    for (const session of this.#model.sessions) await this.#request(session, '/billing')
  }

  async #signIn (subject: string, mode: ModelSession['mode']): Promise<void> {
    // The older of two sessions is the one that was made in an earlier millisecond.
    await new Promise(resolve => setTimeout(resolve, 2))
    const response = await this.#ask('POST', '/auth/login', {}, { username: subject, password, mode })
    this.#expect(response, 200)
    const { session: { sid }, access_token: token = '' } = response.json<{ session: { sid: string }, access_token?: string }>()
    this.#held.set(this.#model.signIn(subject, mode), { sid, cookies: [cookieOf(response)!], token })
  }

  #wait (steps: number): void {
    this.#model.nowMs += steps * 6 * minute
    this.#gateway.advance(steps * 6 * minute)
  }

  async #cutOff (subject: string | null): Promise<void> {
    await this.#gateway.app.portcullis.blocklist.revoke(subject === null ? { all: true } : { subject })
    this.#model.endAll(subject)
  }

  async #request (session: ModelSession, path: string): Promise<void> {
    const isIn = this.#model.isIn(session)
    if (isIn === null) return
    this.#expect(await this.#ask('GET', path, this.#credentialOf(session)), isIn ? 200 : 401)
    if (isIn) await this.#noteUse(session)
  }

  /** That a token arrived is noted after the answer. */
  async #noteUse (session: ModelSession): Promise<void> {
    const wasReceived = session.family.received
    this.#model.use(session)
    if (session.mode === 'session' || session.family.received === wasReceived || !this.#model.exists(session)) return
    const { store } = this.#gateway
    while ((await store.read(this.#held.get(session)!.sid))?.family?.received === false) await new Promise(resolve => setTimeout(resolve, 1))
  }

  async #who (session: ModelSession): Promise<void> {
    const isIn = this.#model.isIn(session)
    if (isIn === null) return
    const isThere = isIn && this.#model.isGood(session)
    const response = await this.#ask('GET', '/auth/session', this.#credentialOf(session))
    this.#expect(response, isThere ? 200 : 401)
    if (isThere && response.json<{ session: { sid: string } }>().session.sid !== this.#held.get(session)!.sid) throw new Error('somebody else\'s session')
    if (isIn && session.mode === 'tokens') await this.#noteUse(session)
  }

  async #refresh (session: ModelSession, back: number): Promise<void> {
    if (session.mode === 'session') return
    const held = this.#held.get(session)!
    const presented = held.cookies.length - back
    if (presented < 1) return
    const response = await this.#ask('POST', '/auth/refresh', { cookie: held.cookies[presented - 1]! })
    this.#expectRotation(session, held, response, this.#model.refresh(session, presented), presented)
  }

  #expectRotation (session: ModelSession, held: Held, response: LightMyRequestResponse, generation: number | null, presented: number): void {
    this.#expect(response, generation === null ? 401 : 200)
    const cookie = cookieOf(response)
    if (generation === null) {
      if (cookie !== null) throw new Error('a refused refresh sets a cookie')
      return
    }
    if ((cookie === null) !== (generation === presented)) throw new Error(`held or not: ${cookie === null}`)
    held.token = response.json<{ access_token: string }>().access_token
    if (claimsOf(held.token)['gen'] !== session.family.generation) throw new Error('another generation')
    if (cookie === null) return
    if (held.cookies.length >= generation && held.cookies[generation - 1] !== cookie) throw new Error('the family has forked')
    held.cookies[generation - 1] = cookie
  }

  async #signOut (session: ModelSession): Promise<void> {
    this.#expect(await this.#ask('POST', '/auth/logout', { cookie: this.#cookieOf(session) }), 204)
    session.isEnded = true
  }

  async #signOutMany (session: ModelSession, scope: 'others' | 'all'): Promise<void> {
    const isEntitled = this.#model.isGood(session) && (session.mode === 'session' || session.family.generation === this.#held.get(session)!.cookies.length)
    const isFresh = this.#model.nowMs - session.authenticatedAtMs <= 5 * minute
    this.#expect(await this.#ask('POST', '/auth/logout', { cookie: this.#cookieOf(session) }, { scope }), isEntitled ? (scope === 'all' || isFresh ? 204 : 401) : 401)
    if (!isEntitled) return
    if (session.mode === 'session') this.#model.use(session)
    if (scope === 'all' || isFresh) this.#model.endAll(session.subject, scope === 'others' ? session : undefined)
  }

  async #end (session: ModelSession, other: ModelSession): Promise<void> {
    const isIn = this.#model.isIn(session)
    if (isIn === null) return
    const isAllowed = session === other || this.#model.isFresh(session)
    const response = await this.#ask('DELETE', `/auth/sessions/${this.#held.get(other)!.sid}`, this.#credentialOf(session))
    if (isIn) await this.#noteUse(session)
    const isTheirs = other.subject === session.subject && this.#model.isGood(other)
    this.#expect(response, isIn && isAllowed ? (isTheirs ? 204 : 404) : 401)
    if (response.statusCode === 204) other.isEnded = true
  }

  async #stepUp (session: ModelSession): Promise<void> {
    const held = this.#held.get(session)!
    const response = await this.#ask('POST', '/auth/step-up', { cookie: this.#cookieOf(session) }, { password })
    if (session.mode === 'tokens') return this.#expectRotation(session, held, response, this.#model.refresh(session, held.cookies.length, true), held.cookies.length)
    const isGood = this.#model.isGood(session)
    this.#expect(response, isGood ? 200 : 401)
    if (!isGood) return
    this.#model.use(session)
    session.authenticatedAtMs = this.#model.nowMs
    const old = held.cookies.at(-1)!
    held.cookies.push(cookieOf(response)!)
    this.#expect(await this.#ask('GET', '/orders', { cookie: old }), 401)
  }

  async #list (session: ModelSession): Promise<void> {
    const isIn = this.#model.isIn(session)
    if (isIn === null) return
    const response = await this.#ask('GET', '/auth/sessions', this.#credentialOf(session))
    this.#expect(response, isIn ? 200 : 401)
    if (!isIn) return
    await this.#noteUse(session)
    const listed = response.json<{ sessions: Array<{ sid: string }> }>().sessions.map(({ sid }) => sid).sort()
    const expected = this.#model.list(session.subject).map(session => this.#held.get(session)!.sid).sort()
    if (listed.join() !== expected.join()) throw new Error(`lists ${listed.length} sessions, not ${expected.length}`)
  }

  async #revokeToken (session: ModelSession): Promise<void> {
    if (session.mode === 'session') return
    await this.#gateway.app.portcullis.blocklist.revoke({ jti: String(claimsOf(this.#held.get(session)!.token)['jti']) })
    session.token.isRevoked = true
  }

  #cookieOf (session: ModelSession): string {
    return this.#held.get(session)!.cookies.at(-1)!
  }

  #credentialOf (session: ModelSession): Record<string, string> {
    return session.mode === 'session' ? { cookie: this.#cookieOf(session) } : { authorization: `Bearer ${this.#held.get(session)!.token}` }
  }

  async #ask (method: 'GET' | 'POST' | 'DELETE', url: string, headers: Record<string, string>, payload?: object): Promise<LightMyRequestResponse> {
    this.asked++
    return await this.#gateway.app.inject({ method, url, headers, ...payload === undefined ? {} : { payload } })
  }

  #expect (response: LightMyRequestResponse, status: number): void {
    if (response.statusCode === status) return
    throw new Error(`${response.raw.req.method} ${response.raw.req.url} is ${response.statusCode}, not ${status}: ${response.body}`)
  }
}

function cookieOf (response: LightMyRequestResponse): string | null {
  const cookie = response.cookies.find(({ name, value }) => (name === sessionName || name === refreshName) && value !== '')
  return cookie === undefined ? null : `${cookie.name}=${cookie.value}`
}

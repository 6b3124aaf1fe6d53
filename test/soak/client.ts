import type { Agent } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { password } from './configuration.ts'
import { ask, createAgent, firstLine, open, type Answer } from './ask.ts'
import type { Gateway } from './gateways.ts'
import type { Random } from './random.ts'
import { openEvents, openSocket, type OpenStream, type StreamWatch } from './streams.ts'
import { attempt, type Told, type World } from './world.ts'

type Mode = 'session' | 'tokens'

/** What a client does, and how often. */
const weights = { request: 60, upload: 10, refresh: 8, 'step-up': 3, websocket: 4, events: 3, download: 4, 'wrong password': 2, 'forged credential': 3, 'ended credential': 6, 'sign-out': 3 }
type What = keyof typeof weights

const maxAgeMs = 5 * 60_000
/** An access token that is nearly over is not used any more. */
const marginMs = 10_000
/** For so long after the end of a session its credentials are tried again. */
const triedForMs = 30_000

function isTried ({ endedAtMs }: { endedAtMs: number }): boolean {
  return performance.now() - endedAtMs < triedForMs
}
const maxStreams = 3
const wellWithinMs = 5000

const sessionName = '__Host-Http-portcullis'
const refreshName = '__Secure-portcullis-refresh'

interface Credential { sid: string, cookie: string, token: string | null, sinceMs: number, tokenUntilMs: number }

/**
 * An honest client, one thing after another: it keeps cookies as a browser does, and after an answer that did not come it asks again
 * with what it has. Now and then somebody else tries something with what it had, or with what it never had.
 */
export class Client {
  readonly name: string
  readonly #mode: Mode
  readonly #random: Random
  readonly #world: World
  readonly #watch: StreamWatch
  readonly #agent: Agent = createAgent()
  #credential: Credential | null = null
  /** What was begun and whose outcome is not known: done again until it is. */
  #pending: 'refresh' | 'sign-out' | null = null
  #streams: OpenStream[] = []
  #ended: Array<Credential & { endedAtMs: number }> = []
  #nonces = 0

  constructor (name: string, mode: Mode, { random, world, watch }: { random: Random, world: World, watch: StreamWatch }) {
    this.name = name
    this.#mode = mode
    this.#random = random
    this.#world = world
    this.#watch = watch
  }

  get isSignedIn (): boolean { return this.#credential !== null }

  get openStreams (): number { return this.#streams.filter(({ isOpen }) => isOpen).length }

  /** False when it was told nothing for certain: whoever is told to come again does not come at once. */
  async step (): Promise<boolean> {
    const gateway = this.#random.pick(this.#world.gateways())
    const status = await this.#do(this.#choose(), gateway)
    return status !== null && status !== 503
  }

  /** Once all is well: whoever is signed in is so at every gateway, and whoever is not is not. */
  async settle (untilMs: number): Promise<void> {
    while (this.#credential === null || this.#pending !== null || this.#isWornOut(this.#credential)) {
      if (performance.now() > untilMs) return this.#world.judge.report(`${this.name} is still not told what became of its ${this.#pending ?? 'sign-in'}`)
      await this.#do(this.#choose(), this.#random.pick(this.#world.gateways()))
    }
    for (const gateway of this.#world.gateways()) {
      const status = await this.#requestOnceWell(gateway, this.#credential)
      if (status !== 200) this.#world.judge.report(`${this.name} is signed in and is answered ${status} by ${gateway.name} when all is well`)
      // The judge has forgotten what ended long ago.
      for (const ended of this.#ended.splice(0)) if (isTried(ended)) await this.#tryEnded(gateway, ended)
      if (this.#credential === null) return
    }
  }

  /** After a fault a gateway may take a moment to find its store again. */
  async #requestOnceWell (gateway: Gateway, credential: Credential): Promise<number | null> {
    for (;;) {
      const status = await this.#request('request', gateway, credential)
      if (status !== 503 || performance.now() - this.#world.quietSinceMs() > wellWithinMs) return status
      await wait(50)
    }
  }

  leave (): void {
    for (const stream of this.#streams) stream.close()
    this.#agent.destroy()
  }

  #choose (): What | 'sign-in' {
    // Drawn whether it is used or not, so that the order of things depends as little as can be on how the answers went.
    const drawn = this.#random.weigh(weights)
    if (this.#credential === null) return 'sign-in'
    if (this.#pending !== null) return this.#pending
    if (performance.now() - this.#credential.sinceMs > maxAgeMs) return 'sign-out'
    if (this.#isWornOut(this.#credential)) return 'refresh'
    if (drawn === 'refresh' && this.#mode === 'session') return 'request'
    return drawn
  }

  async #do (what: What | 'sign-in', gateway: Gateway): Promise<number | null> {
    const credential = this.#credential
    if (credential === null || what === 'sign-in') return await this.#signIn(gateway)
    switch (what) {
      case 'sign-out': return await this.#signOut(gateway, credential)
      case 'refresh': return await this.#refresh(gateway, credential)
      case 'step-up': return this.#mode === 'tokens' ? await this.#stepUpFamily(gateway, credential) : await this.#stepUpSession(gateway, credential)
      case 'websocket': case 'events': return await this.#openStream(what, gateway, credential)
      case 'download': return await this.#abortDownload(gateway, credential)
      case 'wrong password': return await this.#tryWrongPassword(gateway)
      case 'forged credential': return await this.#tryForged(gateway, credential)
      case 'ended credential': return await this.#tryEnded(gateway, this.#ended.find(isTried))
      case 'request': case 'upload': return await this.#request(what, gateway, credential)
    }
  }

  async #signIn (gateway: Gateway): Promise<number | null> {
    return await attempt(this.#world, { what: 'sign-in', kind: 'sign-in', client: this.name, sid: `none yet: ${this.name}`, gateway }, async () => {
      const answer = await this.#post(gateway, '/auth/login', { body: { username: this.name, password, mode: this.#mode } })
      if (answer.status !== 200) return answer
      const { session: { sid } } = JSON.parse(answer.body) as { session: { sid: string } }
      this.#credential = { sid, cookie: '', token: null, sinceMs: performance.now(), tokenUntilMs: Infinity }
      this.#take(answer, this.#credential)
      return { status: 200, sid }
    })
  }

  async #signOut (gateway: Gateway, credential: Credential): Promise<number | null> {
    this.#pending = 'sign-out'
    const isByOperator = this.#random.chance(0.2)
    const status = await attempt(this.#world, { what: isByOperator ? 'revocation' : 'sign-out', kind: 'sign-out', client: this.name, sid: credential.sid, gateway }, async () => {
      if (!isByOperator) return await this.#post(gateway, '/auth/logout', { cookie: credential.cookie })
      const headers = { authorization: `Bearer ${this.#world.adminToken}` }
      return await ask(`${gateway.admin}/admin/revocations`, { agent: this.#agent, method: 'POST', headers, body: JSON.stringify({ sid: credential.sid }) })
    })
    if (status === null || status === 503) return status
    this.#ended = [...this.#ended.slice(-3), { ...credential, endedAtMs: performance.now() }]
    for (const stream of this.#streams.splice(0)) this.#watch.expectEnd(stream)
    this.#forget()
    return status
  }

  async #request (what: 'request' | 'upload', gateway: Gateway, credential: Credential): Promise<number | null> {
    const nonce = this.#nonce()
    const body = what === 'upload' ? JSON.stringify({ nonce, filling: '.'.repeat(4096) }) : undefined
    return await this.#knock(what, gateway, credential, nonce, async () => {
      const answer = await ask(`${gateway.url}/up?nonce=${nonce}`, { agent: this.#agent, headers: this.#headers(credential), ...body === undefined ? {} : { method: 'POST', body } })
      return { status: answer.status, received: answer.body }
    })
  }

  async #abortDownload (gateway: Gateway, credential: Credential): Promise<number | null> {
    const nonce = this.#nonce()
    return await this.#knock('download', gateway, credential, nonce, async () => {
      const response = await open(`${gateway.url}/up/file?nonce=${nonce}`, { agent: this.#agent, headers: this.#headers(credential) })
      const received = response.statusCode === 200 ? await firstLine(response) : null
      response.destroy()
      return { status: response.statusCode!, received }
    })
  }

  async #openStream (what: 'websocket' | 'events', gateway: Gateway, credential: Credential): Promise<number | null> {
    const nonce = this.#nonce()
    this.#streams = this.#streams.filter(({ isOpen }) => isOpen)
    if (this.#streams.length >= maxStreams) this.#streams.shift()!.close()
    return await this.#knock(what, gateway, credential, nonce, async () => {
      const { sid, cookie, token } = credential
      const { status, received, stream } = what === 'websocket'
        ? await openSocket(`${gateway.url}/live?nonce=${nonce}`, sid, { cookie, token, nonce: 'message' })
        // A connection that is in use for long is not shared.
        : await openEvents(`${gateway.url}/up/events?nonce=${nonce}`, sid, { agent: this.#agent, headers: this.#headers(credential) })
      if (stream !== null) this.#streams.push(stream)
      return { status, received: received?.replace(/:message$/, '') ?? null }
    })
  }

  /** A request to a service whose answer says whose it is. */
  async #knock (what: string, gateway: Gateway, { sid }: Credential, sent: string, act: () => Promise<{ status: number, received: string | null }>): Promise<number | null> {
    const nonce = { sent: `${this.name}:${sent}`, received: null }
    const status = await attempt(this.#world, { what, kind: 'request', client: this.name, sid, gateway, nonce }, async () => {
      const { status, received } = await act()
      return { status, nonce: { ...nonce, received } }
    })
    if (status === 401 && sid === this.#credential?.sid) this.#forget()
    return status
  }

  /** Now and then from two tabs at once. */
  async #refresh (gateway: Gateway, credential: Credential): Promise<number | null> {
    this.#pending = 'refresh'
    const gateways = this.#random.chance(0.2) ? [gateway, this.#random.pick(this.#world.gateways())] : [gateway]
    const statuses = await Promise.all(gateways.map(async gateway => await this.#rotate('refresh', gateway, credential, '/auth/refresh')))
    return this.#conclude(statuses.find(isKnown) ?? statuses[0]!)
  }

  async #stepUpFamily (gateway: Gateway, credential: Credential): Promise<number | null> {
    this.#pending = 'refresh'
    return this.#conclude(await this.#rotate('step-up', gateway, credential, '/auth/step-up', { password }))
  }

  #conclude (status: number | null): number | null {
    if (isKnown(status)) this.#pending = null
    if (status === 401) this.#forget()
    return status
  }

  async #rotate (what: string, gateway: Gateway, credential: Credential, path: string, body?: object): Promise<number | null> {
    const presented = credential.cookie
    return await attempt(this.#world, { what, kind: 'refresh', client: this.name, sid: credential.sid, gateway, token: { presented, received: null } }, async () => {
      const answer = await this.#post(gateway, path, { cookie: presented, ...body === undefined ? {} : { body } })
      if (answer.status !== 200) return answer
      return { status: 200, token: { presented, received: this.#take(answer, credential) } }
    })
  }

  /** The old cookie is dead at once, so after an answer that did not come nobody can know which one is good: the session is given up. */
  async #stepUpSession (gateway: Gateway, credential: Credential): Promise<number | null> {
    const { sid, cookie: old } = credential
    const about = { client: this.name, sid, gateway }
    const status = await attempt(this.#world, { what: 'step-up', kind: 'request', ...about }, async () => {
      const answer = await this.#post(gateway, '/auth/step-up', { cookie: old, body: { password } })
      if (answer.status === 200) this.#take(answer, credential)
      return answer
    })
    if (status === 200) await this.#expectRefusal('old cookie', gateway, { cookie: old })
    else if (!isKnown(status)) {
      this.#world.judge.add({ ...about, gateway: gateway.url, kind: 'sign-out', calledAtMs: performance.now(), returnedAtMs: performance.now(), outcome: 'unknown', status: null })
      this.#forget()
    }
    return status
  }

  async #tryWrongPassword (gateway: Gateway): Promise<number | null> {
    return await this.#mustBeRefused('wrong password', gateway, async () => await this.#post(gateway, '/auth/login', { body: { username: this.name, password: 'wrong horse', mode: this.#mode } }))
  }

  async #tryForged (gateway: Gateway, { cookie, token }: Credential): Promise<number | null> {
    return await this.#expectRefusal('forged credential', gateway, token === null ? { cookie: forge(cookie) } : { authorization: `Bearer ${forge(token)}` })
  }

  async #expectRefusal (what: string, gateway: Gateway, headers: Record<string, string>): Promise<number | null> {
    return await this.#mustBeRefused(what, gateway, async () => await ask(`${gateway.url}/up?nonce=${this.#nonce()}`, { agent: this.#agent, headers }))
  }

  async #mustBeRefused (what: string, gateway: Gateway, act: () => Promise<Told>): Promise<number | null> {
    const status = await attempt(this.#world, { what, kind: null, client: this.name, sid: '', gateway }, act)
    if (isKnown(status) && status !== 401) this.#world.judge.report(`${what} of ${this.name} was answered ${status} by ${gateway.name}`)
    return status
  }

  async #tryEnded (gateway: Gateway, ended: Credential | undefined): Promise<number | null> {
    if (ended === undefined) return 401
    const status = await this.#request('request', gateway, ended)
    return ended.token === null || !this.#random.chance(0.5) ? status : await this.#rotate('refresh', gateway, { ...ended }, '/auth/refresh')
  }

  /** Takes over what an answer gives; the cookie that it sets, or null when it sets none. */
  #take ({ headers, body }: Answer, credential: Credential): string | null {
    const name = this.#mode === 'session' ? sessionName : refreshName
    const cookie = headers['set-cookie']?.find(line => line.startsWith(`${name}=`))?.split(';')[0] ?? null
    if (cookie !== null) credential.cookie = cookie
    const { access_token: token, expires_in: seconds } = JSON.parse(body) as { access_token?: string, expires_in?: number }
    if (token !== undefined) Object.assign(credential, { token, tokenUntilMs: performance.now() + seconds! * 1000 - marginMs })
    return cookie
  }

  #isWornOut ({ tokenUntilMs }: Credential): boolean {
    return performance.now() > tokenUntilMs
  }

  #forget (): void {
    for (const stream of this.#streams.splice(0)) stream.close()
    this.#credential = null
    this.#pending = null
  }

  #headers ({ cookie, token }: Credential): Record<string, string> {
    return token === null ? { cookie } : { authorization: `Bearer ${token}` }
  }

  #nonce (): string {
    return String(++this.#nonces)
  }

  async #post (gateway: Gateway, path: string, { cookie, body }: { cookie?: string, body?: object }): Promise<Answer> {
    return await ask(`${gateway.url}${path}`, { agent: this.#agent, method: 'POST', headers: cookie === undefined ? {} : { cookie }, body: body === undefined ? '' : JSON.stringify(body) })
  }
}

function isKnown (status: number | null): status is number {
  return status !== null && status !== 503
}

/** One character in the middle of the signature or the secret is another one. */
function forge (credential: string): string {
  const at = credential.length - 20
  return `${credential.slice(0, at)}${credential[at] === 'A' ? 'B' : 'A'}${credential.slice(at + 1)}`
}

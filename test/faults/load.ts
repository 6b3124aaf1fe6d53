import { setTimeout as sleep } from 'node:timers/promises'
import { password } from '../helpers/build-gateway.ts'
import { refreshName } from '../helpers/refresh.ts'
import type { History, Operation, Outcome } from './history.ts'

export const sessionName = '__Host-Http-portcullis'

/** `revocation.maxStaleness`, by default: until then a gateway may let through what another one has ended. */
const heardWithinMs = 2000

export interface LoadOptions {
  history: History
  /** Addresses of gateways, read anew for each operation: gateways come and go. */
  gateways: () => string[]
  /** So many, half of them in session mode and half in tokens mode, each a subject of its own. Default 8. */
  clients?: number
  /** Longest pause of a client between two operations. Default 20. */
  pauseMs?: number
  /** Shortest time between two refreshes of a client. Default 300. */
  refreshEveryMs?: number
}

export interface Load {
  clients: HonestClient[]
  /** Resolves once what is under way is over. */
  stop (): Promise<void>
  /**
   * Once the fault is over: everybody who is signed in is so at every gateway, everybody whose end was acknowledged is out at every
   * gateway, once each has had the time that it may take to hear of it. All of it goes into the history too. Resolves to what does not
   * hold, a line each.
   */
  sweep (): Promise<string[]>
}

/** The names of the clients' users. */
export function usernames (count: number): string[] {
  return Array.from({ length: count }, (_, index) => `client-${index}`)
}

/** Honest clients, each doing one thing after another until they are stopped. */
export function startLoad (options: LoadOptions): Load {
  const { clients: count = 8, pauseMs = 20 } = options
  const clients = usernames(count).map((name, index) => new HonestClient(name, index % 2 === 0 ? 'session' : 'tokens', options))
  const over = new AbortController()
  const running = Promise.all(clients.map(async client => {
    while (!over.signal.aborted) {
      // Whoever is told to come again does not come at once.
      const isKnown = await client.step() !== 'unknown'
      await sleep(Math.random() * pauseMs + (isKnown ? 0 : 30))
    }
  }))
  return {
    clients,
    async stop () {
      over.abort()
      await running
    },
    async sweep () {
      await sleep(heardWithinMs)
      return (await Promise.all(clients.map(async client => await client.sweep()))).flat()
    }
  }
}

interface Credential { sid: string, cookie: string, token: string | null }

/** Keeps a cookie as a browser does, and after an answer that did not come asks again with the one it has. */
export class HonestClient {
  readonly name: string
  readonly mode: 'session' | 'tokens'
  readonly #options: LoadOptions
  #credential: Credential | null = null
  /** What was begun and whose outcome is not known: done again until it is. */
  #pending: 'refresh' | 'sign-out' | null = null
  #refreshedAtMs = performance.now()
  #nonces = 0
  /** Of the sign-outs that were acknowledged, the last ones. */
  ended: Credential[] = []

  constructor (name: string, mode: 'session' | 'tokens', options: LoadOptions) {
    this.name = name
    this.mode = mode
    this.#options = options
  }

  get sid (): string | null { return this.#credential?.sid ?? null }

  async step (): Promise<Outcome> {
    if (this.#credential === null) return await this.#signIn()
    if (this.#pending === 'sign-out' || (this.#pending === null && Math.random() < 0.04)) return await this.#signOut(this.#credential)
    if (this.#pending === 'refresh' || this.#isTimeToRefresh()) return await this.#refresh(this.#credential)
    return await this.#request(this.#credential)
  }

  async sweep (): Promise<string[]> {
    const problems: string[] = []
    for (const startedAtMs = performance.now(); this.#credential === null || this.#pending !== null; await sleep(50)) {
      if (performance.now() - startedAtMs > 30_000) return [`${this.name} is not told what became of its ${this.#pending ?? 'sign-in'}`]
      if (this.#credential === null) await this.#signIn()
      else if (this.#pending === 'sign-out') await this.#signOut(this.#credential)
      else await this.#refresh(this.#credential)
    }
    for (const gateway of this.#options.gateways()) {
      const credential = this.#credential
      const outcomes = [await settled(async () => await this.#request(credential, gateway)), ...this.mode === 'tokens' ? [await settled(async () => await this.#refresh(credential, gateway))] : []]
      if (outcomes.some(outcome => outcome !== 'ok')) problems.push(`${this.name} (${this.#credential?.sid}) is signed in, and is answered ${outcomes.join(' and ')} by ${gateway}`)
      if (this.#credential === null) return problems
      for (const ended of this.ended) problems.push(...await this.#sweepEnded(ended, gateway))
    }
    return problems
  }

  async #sweepEnded (ended: Credential, gateway: string): Promise<string[]> {
    const outcomes = {
      request: await settled(async () => (await this.#recordRequest(ended, gateway)).outcome),
      ...this.mode === 'tokens' ? { refresh: await settled(async () => (await this.#recordRefresh(ended, gateway)).outcome) } : {}
    }
    return Object.entries(outcomes).filter(([, outcome]) => outcome !== 'refused').map(([kind, outcome]) => `${this.name} (${ended.sid}) has signed out, and its ${kind} is ${outcome} at ${gateway}`)
  }

  #isTimeToRefresh (): boolean {
    const { refreshEveryMs = 300 } = this.#options
    return this.mode === 'tokens' && performance.now() - this.#refreshedAtMs > refreshEveryMs && Math.random() < 0.3
  }

  async #signIn (): Promise<Outcome> {
    const gateway = this.#anyGateway()
    const { outcome } = await this.#options.history.record({ client: this.name, kind: 'sign-in', sid: `none yet: ${this.name}`, gateway }, async () => {
      const response = await this.#post(gateway, '/auth/login', { username: this.name, password, mode: this.mode })
      if (response.status !== 200) return { status: response.status }
      const { session: { sid }, access_token: token = null } = await response.json() as { session: { sid: string }, access_token?: string }
      this.#credential = { sid, cookie: this.#cookieOf(response) ?? '', token }
      return { status: 200, sid }
    })
    return outcome
  }

  async #signOut (credential: Credential): Promise<Outcome> {
    this.#pending = 'sign-out'
    const gateway = this.#anyGateway()
    const { outcome } = await this.#options.history.record({ client: this.name, kind: 'sign-out', sid: credential.sid, gateway }, async () => {
      return { status: (await this.#post(gateway, '/auth/logout', undefined, credential.cookie)).status }
    })
    if (outcome === 'ok') this.ended = [...this.ended.slice(-19), credential]
    if (outcome !== 'unknown') this.#forget()
    return outcome
  }

  async #request (credential: Credential, gateway = this.#anyGateway()): Promise<Outcome> {
    const { outcome } = await this.#recordRequest(credential, gateway)
    if (outcome === 'refused') this.#forget()
    return outcome
  }

  async #recordRequest ({ sid, cookie, token }: Credential, gateway: string): Promise<Operation> {
    const sent = `${this.name}:${++this.#nonces}`
    return await this.#options.history.record({ client: this.name, kind: 'request', sid, gateway, nonce: { sent, received: null } }, async () => {
      const response = await ask(`${gateway}/up?nonce=${this.#nonces}`, { headers: token === null ? { cookie } : { authorization: `Bearer ${token}` } })
      return { status: response.status, nonce: { sent, received: response.body } }
    })
  }

  /** Now and then from two tabs at once, as browsers do. */
  async #refresh (credential: Credential, gateway?: string): Promise<Outcome> {
    this.#pending = 'refresh'
    const tabs = Math.random() < 0.2 ? 2 : 1
    const operations = await Promise.all(Array.from({ length: tabs }, async () => await this.#recordRefresh(credential, gateway ?? this.#anyGateway())))
    const outcome = operations.find(({ outcome }) => outcome !== 'unknown')?.outcome ?? 'unknown'
    if (outcome === 'unknown') return outcome
    this.#pending = null
    this.#refreshedAtMs = performance.now()
    if (outcome === 'refused') this.#forget()
    return outcome
  }

  /** What the answer sets is what the browser has from then on. */
  async #recordRefresh (credential: Credential, gateway: string): Promise<Operation> {
    const presented = credential.cookie
    return await this.#options.history.record({ client: this.name, kind: 'refresh', sid: credential.sid, gateway, token: { presented, received: null } }, async () => {
      const response = await this.#post(gateway, '/auth/refresh', undefined, presented)
      if (response.status !== 200) return { status: response.status }
      const received = this.#cookieOf(response)
      const { access_token: token } = await response.json() as { access_token: string }
      credential.token = token
      if (received !== null) credential.cookie = received
      return { status: 200, token: { presented, received } }
    })
  }

  #forget (): void {
    this.#credential = null
    this.#pending = null
  }

  #anyGateway (): string {
    const gateways = this.#options.gateways()
    return gateways[Math.floor(Math.random() * gateways.length)]!
  }

  async #post (gateway: string, path: string, body?: object, cookie?: string): Promise<Response> {
    return await fetch(`${gateway}${path}`, {
      method: 'POST',
      headers: { ...body === undefined ? {} : { 'content-type': 'application/json' }, ...cookie === undefined ? {} : { cookie } },
      ...body === undefined ? {} : { body: JSON.stringify(body) },
      signal: AbortSignal.timeout(patienceMs)
    })
  }

  #cookieOf (response: Response): string | null {
    const name = this.mode === 'session' ? sessionName : refreshName
    const line = response.headers.getSetCookie().find(line => line.startsWith(`${name}=`))
    return line === undefined ? null : line.split(';')[0]!
  }
}

/** The gateway may need a moment after the fault; but not for ever. */
async function settled (act: () => Promise<Outcome>): Promise<Outcome> {
  for (let attempt = 0; ; attempt++) {
    const outcome = await act()
    if (outcome !== 'unknown' || attempt === 200) return outcome
    await sleep(50)
  }
}

/** Far beyond any deadline: whoever is not answered by then hangs. */
const patienceMs = 20_000

async function ask (url: string, init: RequestInit): Promise<{ status: number, body: string }> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(patienceMs) })
  return { status: response.status, body: await response.text() }
}

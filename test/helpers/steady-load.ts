import { Agent, request, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { patienceMs } from './patience.ts'

export interface SteadyLoadOptions {
  /** Returns the addresses of the servers. */
  addresses: () => string[]
  headers?: Record<string, string>
  /** The number of clients. Default: 8. */
  clients?: number
  /** The longest pause of a client between two requests, in milliseconds. Default: 10. */
  pauseMs?: number
  /** Whether connections are kept open. Default: true. */
  keepAlive?: boolean
}

type Outcome = 'answered' | 'let go' | 'refused' | 'failed'

/**
 * Clients that send GETs and POSTs to /up one after another, each to one address until its connection is closed or refused there.
 * Only a refused request is repeated, because it is unknown whether any other was processed.
 */
export class SteadyLoad {
  /** The requests without the expected answer. */
  readonly failures: string[] = []
  readonly count: Record<Outcome, number> = { answered: 0, 'let go': 0, refused: 0, failed: 0 }
  #isOver = false
  readonly #options: SteadyLoadOptions
  readonly #clients: Array<Promise<void>>

  constructor (options: SteadyLoadOptions) {
    this.#options = options
    this.#clients = Array.from({ length: options.clients ?? 8 }, async (_, index) => { await this.#run(index) })
  }

  async stop (): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#clients)
  }

  async #run (index: number): Promise<void> {
    const { pauseMs = 10, keepAlive = true, addresses } = this.#options
    const agent = new Agent({ keepAlive, maxSockets: 1 })
    let at = addresses()[index % addresses().length]!
    for (let round = 0; !this.#isOver; round++) {
      const outcome = await this.#ask(at, agent, `${index}-${round}`)
      this.count[outcome]++
      const others = addresses().filter(address => address !== at)
      if ((outcome !== 'answered' || !keepAlive) && others.length > 0) at = others[round % others.length]!
      await wait(Math.random() * pauseMs)
    }
    agent.destroy()
  }

  async #ask (address: string, agent: Agent, nonce: string): Promise<Outcome> {
    const method = Math.random() < 0.5 ? 'POST' : 'GET'
    const body = method === 'POST' ? nonce.repeat(50) : ''
    try {
      const answer = await ask(`${address}/up?nonce=${nonce}`, { method, agent, headers: this.#options.headers ?? {}, body })
      if (answer.status !== 200 || answer.body !== `${method} /up?nonce=${nonce} ${body}`) throw new Error(`${answer.status} ${answer.body.slice(0, 200)}`)
      return answer.isLetGo ? 'let go' : 'answered'
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'ECONNREFUSED') return 'refused'
      this.failures.push(`${method} ${nonce}: ${code ?? message}`)
      return 'failed'
    }
  }
}

/** Answers for an upstream with the received request, after a moment. */
export function echo (request: IncomingMessage, response: ServerResponse): void {
  text(request).then(body => {
    setTimeout(() => { response.end(`${request.method} ${request.url} ${body}`) }, Math.random() * 10)
  }, () => { response.destroy() })
}

interface Asked { method: string, agent: Agent, headers: Record<string, string>, body: string }

async function ask (url: string, { method, agent, headers, body }: Asked): Promise<{ status: number, body: string, isLetGo: boolean }> {
  return await new Promise((resolve, reject) => {
    const length = body === '' ? {} : { 'content-length': String(body.length) }
    const asked = request(url, { method, agent, headers: { ...headers, ...length }, signal: AbortSignal.timeout(patienceMs) }, response => {
      const isLetGo = response.headers.connection === 'close'
      text(response).then(received => { resolve({ status: response.statusCode!, body: received, isLetGo }) }, reject)
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

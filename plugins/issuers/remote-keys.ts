import type { KeySet } from '../../lib/jwt/jwks.ts'
import type { KeySource, KeySourceHooks } from './key-source.ts'

const timeoutMs = 5000
const maxBytes = 256 * 1024
/** Time after which the keys are fetched again. */
const freshForMs = 10 * 60_000
/** Time for which the last keys remain valid after that, if they cannot be fetched. */
const staleForMs = 3_600_000
/** Maximum age that a cache may state of an answer. An older one counts as this old, so that tokens of unknown keys are refused in the end. */
const maxAgeMs = staleForMs

/**
 * Keys of an address. They are fetched at intervals, so that a withdrawn key does not remain valid in caches, and when a token names an
 * unknown key or has a signature of none. Fetches do not run concurrently, and do not start sooner than `coolDownMs` after the last one, successful or not, so that a
 * client that invents key ids cannot put load on the issuer.
 */
export class RemoteKeys implements KeySource {
  readonly #url: string
  readonly #hooks: KeySourceHooks
  readonly #coolDownMs: number
  readonly #ending = new AbortController()
  #set: KeySet | null = null
  #fetchedAtMs = -Infinity
  #triedAtMs = -Infinity
  #hasFailed = false
  readAtMs = 0
  #running: Promise<void> | null = null
  #timer: NodeJS.Timeout | null = null

  constructor (url: string, coolDownMs: number, hooks: KeySourceHooks) {
    this.#url = url
    this.#coolDownMs = coolDownMs
    this.#hooks = hooks
  }

  get retryAfterMs (): number {
    return Math.max(0, this.#triedAtMs + this.#coolDownMs - performance.now())
  }

  current (): KeySet | null {
    return performance.now() - this.#fetchedAtMs < freshForMs + staleForMs ? this.#set : null
  }

  async lookAgain (): Promise<boolean> {
    if (this.#running === null && this.retryAfterMs === 0 && !this.#ending.signal.aborted) {
      this.#running = this.#refresh().finally(() => { this.#running = null })
    }
    await this.#running
    return this.#set !== null && !this.#hasFailed
  }

  problem (): string | null {
    return this.#hasFailed ? 'the keys could not be fetched' : null
  }

  async stop (): Promise<void> {
    this.#ending.abort()
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#running
  }

  async #refresh (): Promise<void> {
    const startedAtMs = this.#triedAtMs = performance.now()
    const askedAtMs = this.#hooks.now()
    if (this.#timer !== null) clearTimeout(this.#timer)
    try {
      const { bytes, ageMs } = await this.#fetch()
      const set = this.#hooks.toKeySet(bytes, this.#set)
      if (set === null) throw new Error('it is no JWK set')
      this.#set = set
      this.#fetchedAtMs = startedAtMs
      this.readAtMs = askedAtMs - ageMs
      this.#hasFailed = false
    } catch (error) {
      if (!this.#hasFailed && !this.#ending.signal.aborted) this.#hooks.onError(error)
      this.#hasFailed = true
    }
    if (this.#ending.signal.aborted) return
    this.#timer = setTimeout(() => { void this.lookAgain() }, this.#hasFailed ? this.#coolDownMs : freshForMs).unref()
  }

  /** Fetches the keys. Redirects are not followed, nothing of a request of a client is sent, and a compressed answer is not unpacked. */
  async #fetch (): Promise<{ bytes: Uint8Array, ageMs: number }> {
    const signal = AbortSignal.any([this.#ending.signal, AbortSignal.timeout(timeoutMs)])
    const { status, headers, body } = await fetch(this.#url, { redirect: 'manual', signal, headers: { accept: 'application/jwk-set+json, application/json', 'accept-encoding': 'identity' } })
    const length = headers.get('content-length')
    const isPacked = (headers.get('content-encoding') ?? 'identity') !== 'identity'
    if (status !== 200 || body === null || isPacked || Number(length ?? 0) > maxBytes) {
      await body?.cancel()
      throw new Error(`the answer has status ${status} and ${length ?? 'an unknown number of'} bytes${isPacked ? ', compressed' : ''}`)
    }
    return { bytes: await readBytes(body), ageMs: ageOf(headers.get('age')) }
  }
}

/** Reads a body, and rejects as soon as it exceeds `maxBytes`. */
async function readBytes (body: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > maxBytes) throw new Error(`the answer has more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Returns the time that an answer was in a cache (RFC 9111, section 5.1); of several values, the first one counts. */
function ageOf (header: string | null): number {
  const [seconds = 0] = /^\d+/.exec(header ?? '') ?? []
  return Math.min(Number(seconds) * 1000, maxAgeMs)
}

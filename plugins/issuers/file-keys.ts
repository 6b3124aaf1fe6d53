import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Failure } from '../../lib/failure.ts'
import type { KeySet } from '../../lib/jwt/jwks.ts'
import type { KeySource, KeySourceHooks } from './key-source.ts'

const pollMs = 500
/** Time for which the last keys remain valid while the file cannot be read, as for the keys of an address. */
const staleForMs = 3_600_000

export interface FileKeysOptions {
  /** Monotonic clock, in milliseconds. */
  now?: () => number
}

/** Keys of a file, which is reread when it changes, and repeatedly while it cannot be used. */
export class FileKeys implements KeySource {
  readonly retryAfterMs = pollMs
  readonly #file: string
  readonly #hooks: KeySourceHooks
  readonly #now: () => number
  readonly #failure = new Failure()
  #set: KeySet | null = null
  #readAtMs = 0
  #timer: NodeJS.Timeout | null = null
  #isStopped = false
  #reading: Promise<void> | null = null
  readonly #onChange = (): void => { void this.#readAgain() }

  constructor (file: string, hooks: KeySourceHooks, { now = () => performance.now() }: FileKeysOptions = {}) {
    this.#file = file
    this.#hooks = hooks
    this.#now = now
  }

  /** Reads the file and watches it. Rejects if the file has no usable key. */
  async start (): Promise<void> {
    await this.#read()
    watchFile(this.#file, { interval: pollMs, persistent: false }, this.#onChange)
  }

  /**
   * Infinity while the file can be used, because it is reread for every key that does not fit: a key that it lacks is not one of the
   * issuer.
   */
  get readAtMs (): number {
    return this.#failure.reason === null ? Infinity : this.#readAtMs
  }

  current (): KeySet | null {
    return this.#failure.lastsMs(this.#now()) < staleForMs ? this.#set : null
  }

  /** Reads the file, once for all concurrent callers. */
  async lookAgain (): Promise<boolean> {
    this.#reading ??= this.#readAgain().finally(() => { this.#reading = null })
    await this.#reading
    return this.#failure.reason === null
  }

  problem (): string | null {
    return this.#failure.reason === null ? null : `the file of keys cannot be used: ${this.#failure.reason}`
  }

  async stop (): Promise<void> {
    this.#isStopped = true
    unwatchFile(this.#file, this.#onChange)
    if (this.#timer !== null) clearInterval(this.#timer)
  }

  async #readAgain (): Promise<void> {
    try {
      await this.#read()
      this.#failure.end()
      if (this.#timer !== null) clearInterval(this.#timer)
      this.#timer = null
    } catch (error) {
      // The file system's message is not used, because it names the path, which a readiness response need not contain.
      if (this.#failure.note((error as NodeJS.ErrnoException).code ?? (error as Error).message, this.#now())) this.#hooks.onError(error)
      if (!this.#isStopped) this.#timer ??= setInterval(this.#onChange, pollMs).unref()
    }
  }

  async #read (): Promise<void> {
    const startedAtMs = this.#hooks.now()
    const set = this.#hooks.toKeySet(await readFile(this.#file), this.#set)
    if (set === null || set.keys.length === 0) throw new Error(`has no key that can be used${set === null ? ', because it is no JWK set' : ` (${set.refused.join('; ')})`}`)
    this.#set = set
    this.#readAtMs = startedAtMs
  }
}

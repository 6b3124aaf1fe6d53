import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { KeySet } from '../../lib/key-set.ts'
import type { KeySource, KeySourceHooks } from './key-source.ts'

const pollMs = 500

/** Keys of a file, which is read again when it changes. A changed file that is not good leaves the keys as they were. */
export class FileKeys implements KeySource {
  readonly retryAfterMs = 0
  /** The file is read again for every unknown key, so a key that it does not have is none of the issuer's. */
  readonly readAtMs = Infinity
  readonly #file: string
  readonly #hooks: KeySourceHooks
  #set: KeySet | null = null
  #reading: Promise<void> | null = null
  readonly #onChange = (): void => { this.#read().catch(this.#hooks.onError) }

  constructor (file: string, hooks: KeySourceHooks) {
    this.#file = file
    this.#hooks = hooks
  }

  /** Rejects when the file has no key that can be used. */
  async start (): Promise<void> {
    await this.#read()
    watchFile(this.#file, { interval: pollMs, persistent: false }, this.#onChange)
  }

  current (): KeySet | null {
    return this.#set
  }

  /** Reads the file, once for all who ask at the same time. The watcher reports a file that is not good. */
  async lookAgain (): Promise<boolean> {
    this.#reading ??= this.#read().catch(() => {}).finally(() => { this.#reading = null })
    await this.#reading
    return true
  }

  async stop (): Promise<void> {
    unwatchFile(this.#file, this.#onChange)
  }

  async #read (): Promise<void> {
    const set = this.#hooks.toKeySet(await readFile(this.#file), this.#set)
    if (set === null || set.keys.length === 0) throw new Error(`has no key that can be used${set === null ? ', because it is no JWK set' : ` (${set.refused.join('; ')})`}`)
    this.#set = set
  }
}

import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { KeySet } from '../../lib/key-set.ts'
import type { KeySource, KeySourceHooks } from './key-source.ts'

const pollMs = 500

/** Keys of a file, which is read again when it changes. A changed file that is not good leaves the keys as they were. */
export class FileKeys implements KeySource {
  readonly retryAfterMs = 0
  readonly #file: string
  readonly #hooks: KeySourceHooks
  #set: KeySet | null = null
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

  async lookAgain (): Promise<boolean> {
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

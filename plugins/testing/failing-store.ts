import { setTimeout } from 'node:timers'
import { StoreUnavailableError } from '../../lib/errors.ts'
import { durationMs, type Duration } from '../../lib/check-options.ts'
import { createSqliteStore } from '../../stores/sqlite.ts'
import type { Store } from '../../stores/store.ts'

/** An operation of a store that can fail. */
export type StoreOperation = Exclude<keyof Store, 'type' | 'nowMs' | 'onGrowth' | 'end'>

/** A store that fails when a test says so. Each method applies to the named operations, or to all operations if none is named. */
export interface FailingStore extends Store {
  /** Makes operations reject with StoreUnavailableError at once. They are not carried out. */
  fail (...operations: StoreOperation[]): void
  /** Makes operations reject with StoreUnavailableError after the deadline of the store. They are not carried out. */
  hang (...operations: StoreOperation[]): void
  /** Makes operations reject with StoreUnavailableError although they are carried out, as if the connection broke before the answer. */
  loseAnswers (...operations: StoreOperation[]): void
  /** Makes all operations work again. Operations that hang reject at once. */
  recover (): void
}

type Fault = 'failed' | 'hanging' | 'answerless'

/** Creates a store in the memory of this process, for tests: SQLite without a file. The test ends it. */
export async function memoryStore ({ clock }: { clock?: () => number } = {}): Promise<Store> {
  return await createSqliteStore({ path: ':memory:', ...clock === undefined ? {} : { now: clock } })
}

/**
 * Returns a store that passes every operation to the given one until a test makes operations fail. `timeout` is the deadline that a hanging
 * operation has; default 250ms.
 */
export function failingStore (store: Store, { timeout = 250 }: { timeout?: Duration } = {}): FailingStore {
  return new Faults(store, durationMs(timeout)).controlled()
}

class Faults {
  readonly #store: Store
  readonly #timeoutMs: number
  readonly #faults = new Map<string, Fault>()
  #every: Fault | null = null
  readonly #hanging = new Set<() => void>()

  constructor (store: Store, timeoutMs: number) {
    this.#store = store
    this.#timeoutMs = timeoutMs
  }

  controlled (): FailingStore {
    const controls: Record<string, unknown> = {
      fail: (...operations: StoreOperation[]) => { this.#set('failed', operations) },
      hang: (...operations: StoreOperation[]) => { this.#set('hanging', operations) },
      loseAnswers: (...operations: StoreOperation[]) => { this.#set('answerless', operations) },
      recover: () => { this.#recover() }
    }
    return new Proxy(this.#store, {
      get: (store, name) => {
        if (typeof name === 'string' && Object.hasOwn(controls, name)) return controls[name]
        const member: unknown = Reflect.get(store, name, store)
        if (typeof member !== 'function') return member
        if (typeof name === 'symbol' || ['nowMs', 'onGrowth', 'end'].includes(name)) return member.bind(store) as unknown
        return async (...given: unknown[]) => await this.#run(name, async () => await Reflect.apply(member, store, given) as unknown)
      }
    }) as FailingStore
  }

  #set (fault: Fault, operations: StoreOperation[]): void {
    if (operations.length === 0) this.#every = fault
    for (const operation of operations) {
      if (typeof this.#store[operation] !== 'function') throw new TypeError(`failingStore: a store has no operation ${String(operation)}`)
      this.#faults.set(operation, fault)
    }
  }

  #recover (): void {
    this.#every = null
    this.#faults.clear()
    for (const reject of this.#hanging) reject()
  }

  async #run (name: string, operation: () => Promise<unknown>): Promise<unknown> {
    switch (this.#faults.get(name) ?? this.#every) {
      case null: return await operation()
      case 'failed': throw unavailable()
      case 'hanging': return await this.#hang()
      case 'answerless': {
        await operation()
        throw unavailable()
      }
    }
  }

  async #hang (): Promise<never> {
    return await new Promise((_resolve, reject) => {
      const give = (): void => {
        clearTimeout(timer)
        this.#hanging.delete(give)
        reject(unavailable())
      }
      const timer = setTimeout(give, this.#timeoutMs)
      this.#hanging.add(give)
    })
  }
}

function unavailable (): Error {
  return new StoreUnavailableError({ cause: new Error('failingStore') })
}

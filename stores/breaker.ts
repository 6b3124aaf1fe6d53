import { performance } from 'node:perf_hooks'
import { StoreUnavailableError } from '../lib/errors.ts'

/** The number of consecutive calls without an answer in time after which calls are refused. */
const silentCalls = 5
/** While calls are refused, one trial call is admitted in this interval. */
const trialEveryMs = 500
/** The maximum number of pending calls. A healthy store never has as many, and further calls would only wait. */
const mostPending = 10_000

/**
 * A circuit breaker for a store that may stop answering. After several consecutive calls without an answer in time, calls are refused at
 * once instead of waiting for a deadline each, and single trial calls detect the recovery. An error reply counts as an answer, because
 * a store that is full or read-only can still serve other calls.
 */
export class Breaker {
  #silent = 0
  #nextTrialMs = 0
  #pending = 0

  get isOpen (): boolean {
    return this.#silent >= silentCalls
  }

  /** Begins a call, which must end with `answered`, `expired` or `failed`. Throws StoreUnavailableError when the call is refused. */
  begin (): void {
    if (this.#pending >= mostPending) throw refusal('too many operations are under way')
    if (this.isOpen) {
      const nowMs = performance.now()
      if (nowMs < this.#nextTrialMs) throw refusal(`the last ${this.#silent} operations were not answered in time`)
      this.#nextTrialMs = nowMs + trialEveryMs
    }
    this.#pending++
  }

  answered (): void {
    this.#pending--
    this.#silent = 0
  }

  /** Ends a call that had no answer in time. */
  expired (): void {
    this.#pending--
    this.#silent++
    if (this.#silent === silentCalls) this.#nextTrialMs = performance.now() + trialEveryMs
  }

  /** Ends a call that could not be sent or whose connection broke. Such a failure is immediate, so it does not count as silence. */
  failed (): void {
    this.#pending--
  }
}

function refusal (reason: string): Error {
  return new StoreUnavailableError({ cause: new Error(reason) })
}

import { StoreUnavailableError } from '../lib/errors.ts'

/** So many calls in a row without an answer in time, and the next ones are not made. */
const silentCalls = 5
/** While they are not made, one is: this often, to find out whether there is an answer again. */
const trialEveryMs = 500
/** More calls under way than a healthy store ever has; what comes on top would only wait. */
const mostPending = 10_000

/**
 * Stands in front of a store that may fall silent. Once several calls in a row were not answered in time, callers are told so at once,
 * in place of waiting for a deadline each; a single call now and then finds out when it is over. An answer that is an error is an
 * answer: a store that is full or read-only speaks, and may still do what else it is asked.
 */
export class Breaker {
  #silent = 0
  #nextTrialMs = 0
  #pending = 0

  get isOpen (): boolean {
    return this.#silent >= silentCalls
  }

  /** Before a call, which then has to end with `answered`, `expired` or `failed`. Throws StoreUnavailableError when it is not to be made. */
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

  /** No answer came in time. */
  expired (): void {
    this.#pending--
    this.#silent++
    if (this.#silent === silentCalls) this.#nextTrialMs = performance.now() + trialEveryMs
  }

  /** The call could not be made, or its connection broke: whoever is not there says so at once, and need not be spared. */
  failed (): void {
    this.#pending--
  }
}

function refusal (reason: string): Error {
  return new StoreUnavailableError({ cause: new Error(reason) })
}

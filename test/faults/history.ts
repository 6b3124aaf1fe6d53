/**
 * What clients did and what they were told, in the manner of Jepsen: of what was not answered nobody knows whether it happened, and that
 * is a third outcome beside success and failure.
 */
export type Outcome =
  /** Done: a 2xx. */
  | 'ok'
  /** Not done, and the client was told so for good: 401, 403. */
  | 'refused'
  /** Not known to be done; come again: 503, or no answer at all. */
  | 'unknown'

export interface Operation {
  /** Which client; one client does one thing at a time, unless it is a browser with several tabs. */
  client: string
  kind: 'sign-in' | 'sign-out' | 'request' | 'refresh'
  /** The session that it is about. */
  sid: string
  /** Which gateway was asked. */
  gateway?: string
  /** On one monotonic clock for all. */
  calledAtMs: number
  returnedAtMs: number
  outcome: Outcome
  status: number | null
  /** `request`: the nonce that was sent, and that which the upstream's answer held. */
  nonce?: { sent: string, received: string | null }
  /** `refresh`: the token presented, and the one that was received. Equal texts are equal tokens. */
  token?: { presented: string, received: string | null }
}

export class History {
  readonly operations: Operation[] = []

  /** Runs an operation and writes down what came of it. `describe` reads the answer; without one the outcome is unknown. */
  async record (what: Pick<Operation, 'client' | 'kind' | 'sid'> & Partial<Operation>, act: () => Promise<Partial<Operation> & { status: number | null }>): Promise<Operation> {
    const calledAtMs = performance.now()
    const answer = await act().catch(() => ({ status: null }))
    const operation: Operation = { ...what, ...answer, calledAtMs, returnedAtMs: performance.now(), outcome: outcomeOf(answer.status) }
    this.operations.push(operation)
    return operation
  }
}

export function outcomeOf (status: number | null): Outcome {
  if (status !== null && status >= 200 && status < 300) return 'ok'
  return status === 401 || status === 403 ? 'refused' : 'unknown'
}

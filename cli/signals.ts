export type EndSignal = 'SIGTERM' | 'SIGINT'

const numbers: Record<EndSignal, number> = { SIGINT: 2, SIGTERM: 15 }

interface Process {
  readonly pid: number
  on (signal: EndSignal, listener: (signal: EndSignal) => void): unknown
  off (signal: EndSignal, listener: (signal: EndSignal) => void): unknown
  kill (pid: number, signal: EndSignal): unknown
  exit (code: number): unknown
}

/**
 * Listens for the signals that end a process, from construction on. A signal that no caller waits for ends the process at once:
 * before a gateway listens, and the second signal during a drain. The kernel ignores signals without a handler for PID 1 of a
 * container, so the handler stays installed and ends the process itself.
 */
export class EndSignals {
  readonly #process: Process
  readonly #onSignal = (signal: EndSignal): void => { this.#receive(signal) }
  #waiting: Array<(signal: EndSignal) => void> = []

  constructor (process: Process) {
    this.#process = process
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, this.#onSignal)
  }

  /** Resolves to the next signal, and keeps that signal from ending the process. */
  async next (): Promise<EndSignal> {
    return await new Promise(resolve => { this.#waiting.push(resolve) })
  }

  #receive (signal: EndSignal): void {
    const waiting = this.#waiting
    this.#waiting = []
    if (waiting.length === 0) this.#end(signal)
    for (const resolve of waiting) resolve(signal)
  }

  /** Ends the process by the signal itself where the kernel permits it, so that a parent process sees the cause. */
  #end (signal: EndSignal): void {
    this.#process.off(signal, this.#onSignal)
    this.#process.kill(this.#process.pid, signal)
    this.#process.exit(128 + numbers[signal])
  }
}

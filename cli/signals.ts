export type EndSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP'

/** The signals that have no effect: without a handler, SIGUSR1 opens the debugger of Node, and the others end the process without a drain. */
export type IgnoredSignal = 'SIGHUP' | 'SIGUSR1' | 'SIGUSR2'

const numbers: Record<EndSignal, number> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }

/**
 * A terminal that closes sends SIGHUP to its programs, which must then end. Without a terminal, SIGHUP comes from a service manager or a
 * log rotator, which expect that the process continues.
 */
interface Surroundings { hasTerminal: boolean }

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

  constructor (process: Process, { hasTerminal }: Surroundings) {
    this.#process = process
    for (const signal of ['SIGTERM', 'SIGINT', ...hasTerminal ? ['SIGHUP'] as const : []] as const) process.on(signal, this.#onSignal)
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

/** Keeps signals from having an effect, from construction on, and reports them to the listener. */
export class IgnoredSignals {
  /** Called with each ignored signal. */
  listener: (signal: IgnoredSignal) => void = () => {}

  constructor (process: { on (signal: IgnoredSignal, listener: (signal: IgnoredSignal) => void): unknown }, { hasTerminal }: Surroundings) {
    for (const signal of ['SIGUSR1', 'SIGUSR2', ...hasTerminal ? [] : ['SIGHUP'] as const] as const) process.on(signal, signal => { this.listener(signal) })
  }
}

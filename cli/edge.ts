import type { EndSignal, IgnoredSignal } from './signals.ts'

/** The process events that report an uncaught error. */
type Failure = 'unhandledRejection' | 'uncaughtException'

/** The parts of the process that a command may use, passed in by the composition root of the command line. */
export interface Edge {
  env: Record<string, string | undefined>
  stdin: NodeJS.ReadableStream
  stdout: NodeJS.WritableStream
  stderr: NodeJS.WritableStream
  /** Id of the system's user; undefined where the system has none. */
  uid: number | undefined
  nodeVersion: string
  signals: { on (failure: Failure, listener: (reason: unknown) => void): unknown, once (failure: Failure, listener: (reason: unknown) => void): unknown }
  /**
   * Resolves to the next signal that asks the process to end. A signal that arrives while no promise is pending ends the process at
   * once.
   */
  whenTold: () => Promise<EndSignal>
  /** Sets the function that is called with each signal that has no effect. */
  onIgnored: (listener: (signal: IgnoredSignal) => void) => void
}

import type { EndSignal } from './signals.ts'

/** What the process tells of errors that were not caught. */
type Failure = 'unhandledRejection' | 'uncaughtException'

/** What a command may use of the process: the composition root of the command line hands it over. */
export interface Edge {
  env: Record<string, string | undefined>
  stdin: NodeJS.ReadableStream
  stdout: NodeJS.WritableStream
  stderr: NodeJS.WritableStream
  signals: { on (failure: Failure, listener: (reason: unknown) => void): unknown, once (failure: Failure, listener: (reason: unknown) => void): unknown }
  /** Resolves to the next signal that asks the process to end. While it is not waited for, such a signal ends the process at once. */
  whenTold: () => Promise<EndSignal>
}

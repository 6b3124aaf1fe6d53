import type { Edge } from './main.ts'

/** Resolves when the process is told to end. A second signal finds no listener of ours and ends the process at once. */
export async function whenTold (signals: Edge['signals']): Promise<void> {
  await new Promise<void>(resolve => {
    const told = (): void => {
      signals.off('SIGTERM', told)
      signals.off('SIGINT', told)
      resolve()
    }
    signals.once('SIGTERM', told)
    signals.once('SIGINT', told)
  })
}

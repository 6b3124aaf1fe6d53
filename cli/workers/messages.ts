/** What a worker tells the primary process. */
export type WorkerMessage =
  | { portcullis: 'listening', url: string }
  /** Sent again and again: a worker that falls silent is not ready, whatever it said last. */
  | { portcullis: 'state', isReady: boolean }

/** What the primary tells a worker: drain, and end. */
export const endMessage = { portcullis: 'end' } as const

/** How often a worker says how it is; twice that, and a little more, is silence. */
export const reportEveryMs = 250

export function isWorkerMessage (message: unknown): message is WorkerMessage {
  return isOurs(message) && (message.portcullis === 'listening' || message.portcullis === 'state')
}

export function isEndMessage (message: unknown): message is typeof endMessage {
  return isOurs(message) && message.portcullis === 'end'
}

/** prom-client talks over the same channel. */
function isOurs (message: unknown): message is { portcullis: unknown } {
  return typeof message === 'object' && message !== null && 'portcullis' in message
}

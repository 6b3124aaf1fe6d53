/** The messages from a worker to the primary process. */
export type WorkerMessage =
  | { portcullis: 'listening', url: string }
  /** Sent periodically: a worker that stops reporting counts as not ready, regardless of its last report. */
  | { portcullis: 'state', isReady: boolean }

/** The message from the primary process to a worker: drain, then end. */
export const endMessage = { portcullis: 'end' } as const

/** The interval between a worker's reports, in milliseconds. A worker is silent after two intervals and some slack. */
export const reportEveryMs = 250

export function isWorkerMessage (message: unknown): message is WorkerMessage {
  return isOurs(message) && (message.portcullis === 'listening' || message.portcullis === 'state')
}

export function isEndMessage (message: unknown): message is typeof endMessage {
  return isOurs(message) && message.portcullis === 'end'
}

/** Tells the gateway's messages apart from those of prom-client, which uses the same channel. */
function isOurs (message: unknown): message is { portcullis: unknown } {
  return typeof message === 'object' && message !== null && 'portcullis' in message
}

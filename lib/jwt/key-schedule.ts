/*
 * Schedule of signing keys: which key signs at which time, and how long superseded keys are kept. Keys are in the order in which they sign.
 */

export interface ScheduledKey {
  /** Time from which the key signs; before it, the key is only published. */
  signsFromMs: number
}

/**
 * Default time for which a new key is published before it signs. It exceeds the time for which services may cache public keys, and the
 * longest silence of a log.
 */
export const publishAheadMs = 90_000

/**
 * Minimum time for which a new key is published before it signs. A shorter time would not reach even processes that are notified at once.
 */
export const leastPublishAheadMs = 5000

/**
 * Returns the seconds for which services may cache the public keys. The remaining third of the time is left for a new key to reach every
 * process before it signs.
 */
export function keepSecondsOf (publishAheadMs: number): number {
  return Math.min(60, Math.floor(publishAheadMs * 2 / 3000))
}

/** Returns the key that signs: the latest whose time has come, or the first if there is none. */
export function signerAt<Key extends ScheduledKey> (keys: readonly Key[], nowMs: number): Key | undefined {
  return keys.findLast(key => key.signsFromMs <= nowMs) ?? keys[0]
}

/** Returns the keys without those that were superseded so long ago that all their tokens have expired. */
export function keptAt<Key extends ScheduledKey> (keys: readonly Key[], nowMs: number, maxTokenAgeMs: number): Key[] {
  return keys.filter((_key, index) => {
    const successor = keys[index + 1]
    return successor === undefined || nowMs < successor.signsFromMs + maxTokenAgeMs
  })
}

/*
 * Which key signs when, and how long its successor's predecessors are good. Keys are in the order in which they sign.
 */

export interface ScheduledKey {
  /** From when on it signs; before, it is published alone. */
  signsFromMs: number
}

/** Unless said otherwise, a new key is published this long before it signs: longer than others may keep our public keys, and than a log may be silent. */
export const publishAheadMs = 90_000

/** At least this long, or not even processes that hear at once would know it in time. */
export const leastPublishAheadMs = 5000

/** How long others may keep our public keys. Between that and the first signature a new key has a third of the time to reach every process. */
export function keepSecondsOf (publishAheadMs: number): number {
  return Math.min(60, Math.floor(publishAheadMs * 2 / 3000))
}

/** The key that signs: the latest whose time has come. While none has, the first. */
export function signerAt<Key extends ScheduledKey> (keys: readonly Key[], nowMs: number): Key | undefined {
  return keys.findLast(key => key.signsFromMs <= nowMs) ?? keys[0]
}

/** Without those that were superseded so long ago that no token of theirs can be alive. */
export function keptAt<Key extends ScheduledKey> (keys: readonly Key[], nowMs: number, maxTokenAgeMs: number): Key[] {
  return keys.filter((_key, index) => {
    const successor = keys[index + 1]
    return successor === undefined || nowMs < successor.signsFromMs + maxTokenAgeMs
  })
}

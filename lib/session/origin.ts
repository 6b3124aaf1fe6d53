/**
 * Returns whether a session was opened at another origin than `origin`. A record without an origin was written by an earlier version and
 * belongs to every origin. Without an origin to compare with, the result is false.
 */
export function isOfOtherOrigin (record: { origin?: string | null }, origin: string | null | undefined): boolean {
  return typeof record.origin === 'string' && typeof origin === 'string' && record.origin !== origin
}

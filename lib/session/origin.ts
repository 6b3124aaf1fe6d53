/**
 * Whether a session was opened at another origin than this one. A record without an origin was written by an earlier version and
 * belongs to every origin; without an origin to compare with, nothing is judged.
 */
export function isOfOtherOrigin (record: { origin?: string | null }, origin: string | null | undefined): boolean {
  return typeof record.origin === 'string' && typeof origin === 'string' && record.origin !== origin
}

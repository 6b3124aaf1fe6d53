import type { KeySet } from '../../lib/jwt/jwks.ts'

/** Where the keys of one issuer come from. */
export interface KeySource {
  /** The keys in force; null when none are known that may still be trusted. */
  current (): KeySet | null
  /** Looks whether there are others by now, as often as it may. Resolves to whether `current` is the issuer's last word. */
  lookAgain (): Promise<boolean>
  /** The instant (milliseconds since the epoch) at which reading the current keys began; Infinity where `lookAgain` always reads them. */
  readonly readAtMs: number
  /** How long until looking again can help. */
  readonly retryAfterMs: number
  /** Why the keys cannot be read at the moment; null while they can. */
  problem (): string | null
  stop (): Promise<void>
}

export interface KeySourceHooks {
  /** The set that was read, or null when it is none. */
  toKeySet (bytes: Uint8Array, before: KeySet | null): KeySet | null
  onError (error: unknown): void
}

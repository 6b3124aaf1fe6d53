import type { KeySet } from '../../lib/jwt/jwks.ts'

/** Source of the keys of one issuer. */
export interface KeySource {
  /** Returns the keys in force; null if there are none that may still be trusted. */
  current (): KeySet | null
  /** Reads the keys again, as often as permitted. Resolves to whether `current` holds the issuer's latest keys. */
  lookAgain (): Promise<boolean>
  /**
   * Time (milliseconds since the epoch) at which the issuer published the current keys at the earliest: that at which reading them began,
   * or at which a cache received them. Infinity if `lookAgain` always reads them.
   */
  readonly readAtMs: number
  /** Time until another read can help, in milliseconds. */
  readonly retryAfterMs: number
  /** Returns why the keys cannot be read at the moment; null while they can. */
  problem (): string | null
  stop (): Promise<void>
}

export interface KeySourceHooks {
  /** Parses the bytes that were read; null if they are not a JWK set. */
  toKeySet (bytes: Uint8Array, before: KeySet | null): KeySet | null
  onError (error: unknown): void
  /** Returns the time in milliseconds since the epoch, by the clock that judges tokens. */
  now (): number
}

/** A revocation, in force until `expiresAtMs`. Tokens and subjects are identified by their keys (lib/revocation/revocation-keys.ts). */
export type Revocation =
  | { kind: 'sid', sid: string, expiresAtMs: number }
  | { kind: 'jti', tokenKey: string, expiresAtMs: number }
  /**
   * A cut: revokes every session of the subject whose epoch is below `belowEpoch`, except one, and every foreign token issued before that
   * second.
   */
  | { kind: 'subject', subjectKey: string, belowEpoch: number, exceptSid: string | null, expiresAtMs: number }
  /** A cut of all subjects: revokes every session whose epoch is below `belowEpoch`. */
  | { kind: 'all', belowEpoch: number, expiresAtMs: number }

/** Entry of the store's log: a revocation, or a notice that cached data is stale. */
export type LogEntry = Revocation | { kind: 'changed', sid: string } | { kind: 'keys' }

/** Claims of a credential, for a direct query to the store. Absent claims are not checked. */
export interface CredentialClaims {
  issuer: string | null
  jti: string | null
  sid: string | null
  subject: string | null
  /** Epoch of the session for the gateway's own token; the second of issue for another issuer's token. */
  epoch: number | null
}

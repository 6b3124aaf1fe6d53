/** A statement "no longer good". In force until `expiresAtMs`. Tokens and subjects are known by their keys (lib/revocation/revocation-id.ts). */
export type Revocation =
  | { kind: 'sid', sid: string, expiresAtMs: number }
  | { kind: 'jti', tokenKey: string, expiresAtMs: number }
  /** Every session of the subject whose epoch is below `belowEpoch`, except one; every foreign token issued before that second. */
  | { kind: 'subject', subjectKey: string, belowEpoch: number, exceptSid: string | null, expiresAtMs: number }
  /** Every session of anybody whose epoch is below `belowEpoch`. */
  | { kind: 'all', belowEpoch: number, expiresAtMs: number }

/** What followers of the log are told: revocations, and what makes cached knowledge stale. */
export type LogEntry = Revocation | { kind: 'changed', sid: string } | { kind: 'keys' }

/** What is known of a credential, for the direct question to the store. Absent claims are not checked. */
export interface CredentialClaims {
  issuer: string | null
  jti: string | null
  sid: string | null
  subject: string | null
  /** Of a token that we issued: its session's. Of one that another issuer did: the second of its issue. */
  epoch: number | null
}

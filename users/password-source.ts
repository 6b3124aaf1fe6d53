import type { SessionData } from '../lib/own-data.ts'

/** The subject that a password authenticates, with the scopes that it has. */
export interface Principal {
  subject: string
  scopes: string[]
  /** Data of the session that the sign-in opens. */
  data?: SessionData
}

/**
 * A demand for a second factor. The password was right, and no session is opened before `verifyChallenge` has accepted the response of the
 * user.
 */
export interface SecondFactorDemand {
  /** Method of the second factor, by its name in RFC 8176, such as `otp`, `sms` or `hwk`. The client receives it. */
  challenge: string
  /**
   * A JSON value of at most 2048 bytes for `verifyChallenge`, such as the user's id. The client receives it encrypted, and returns it
   * unchanged within five minutes.
   */
  state: unknown
  /** The subject, if it is known already: events name it, and a "sign out everywhere" of it ends the challenge. */
  subject?: string
}

/** The subject that a password and a second factor authenticate. */
export interface VerifiedPrincipal extends Principal {
  /** Strength of the authentication (RFC 9068). Default: `2`. */
  acr?: string
  /** Methods of the authentication (RFC 8176). Default: `pwd`, the challenge, and `mfa`. */
  amr?: readonly string[]
}

export interface Credentials {
  username: string
  password: string
}

/** Checks user names and passwords. An application that composes the plugins itself may give an object with `verify` alone. */
export interface PasswordSource {
  /**
   * Resolves to the principal that the credentials authenticate, to a demand for a second factor, or to null. An unknown user and a wrong
   * password take the same time.
   */
  verify (credentials: Credentials): Promise<Principal | SecondFactorDemand | null>
  /**
   * Verifies the response of a user to a challenge. `state` is what `verify` returned with it. Resolves to the principal, or to null for a
   * wrong response, and for a user who may not sign in any more.
   */
  verifyChallenge? (state: unknown, response: string): Promise<VerifiedPrincipal | null>
  /** Returns the subject of a user name, or null when there is no such user. For the audit log only. */
  subjectOf? (username: string): string | null
  /**
   * Follows the source and reports every subject who must be signed out: removed, or with a new password or fewer scopes. With null
   * it reports none. Returns a function that stops the watching.
   */
  watch? (onGone: ((subject: string) => void) | null): () => void
  /** Returns why the source cannot be read at the moment, without a secret; null while it can. */
  problem? (): string | null
  /**
   * Returns an HMAC-SHA-256 of the users that passwords are verified against, base64url; equal for equal users, however their file
   * is formatted.
   */
  digest? (key: Buffer): string
}

/** Returns whether a verification has asked for a second factor. */
export function isSecondFactorDemand (verified: unknown): verified is SecondFactorDemand {
  return typeof verified === 'object' && verified !== null && 'challenge' in verified
}

/** A plugin author's own check: resolves to the subject, with scopes or without, or to null when the credentials are wrong. */
export type VerifyPassword = (credentials: Credentials) => Promise<{ subject: string, scopes?: readonly string[] } | string | null>

/** The `identity` setting: a file of users, or a function. */
export type IdentityOption = { type: 'users', file: string, staleForMs?: number } | VerifyPassword

export interface PasswordSourceHooks {
  /** Called with the reason why the users file cannot be used, repeatedly while that lasts. */
  onError?: (error: unknown) => void
  /** Called when the users file can be used again. */
  onRecovery?: () => void
}

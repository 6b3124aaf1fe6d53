/** The subject that a password authenticates, with the scopes that it has. */
export interface Principal {
  subject: string
  scopes: string[]
}

export interface Credentials {
  username: string
  password: string
}

/** Checks user names and passwords. An application that composes the plugins itself may give an object with `verify` alone. */
export interface PasswordSource {
  /** Resolves to the principal that the credentials authenticate, or null. An unknown user and a wrong password take the same time. */
  verify (credentials: Credentials): Promise<Principal | null>
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

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
  /** The principal whose credentials these are, or null; takes the same time for an unknown user and a wrong password. */
  verify (credentials: Credentials): Promise<Principal | null>
  /** The subject of a user name, or null when there is no such user. For the audit log alone. */
  subjectOf? (username: string): string | null
  /**
   * Keeps up with the source by itself and tells of every subject who must be signed out: gone, with a new password or with fewer
   * scopes. Null: tells nobody. Returns what ends the watching.
   */
  watch? (onGone: ((subject: string) => void) | null): () => void
  /** Why the source cannot be read at the moment, without a secret; null while it can. */
  problem? (): string | null
  /** An HMAC-SHA-256 of the users that passwords are checked against, base64url; equal for equal users, however their file is written. */
  digest? (key: Buffer): string
}

/** A plugin author's own check: the subject, with scopes or without, or null when the credentials are wrong. */
export type VerifyPassword = (credentials: Credentials) => Promise<{ subject: string, scopes?: string[] } | string | null>

/** The `identity` setting: a file of users, or a function. */
export type IdentityOption = { type: 'users', file: string, staleForMs?: number } | VerifyPassword

export interface PasswordSourceHooks {
  /** Is told why the file of users cannot be used, again and again while that is so. */
  onError?: (error: unknown) => void
  /** Is told that it can be used again. */
  onRecovery?: () => void
}

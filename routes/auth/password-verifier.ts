/** Who checks user names and passwords. */
export interface PasswordVerifier {
  /** Null: refused, whatever the reason. */
  verify (credentials: { username: string, password: string }): Promise<{ subject: string, scopes: string[] } | null>
  /** The subject of an account, or null when there is none. For the audit log of refused sign-ins; absent where it cannot be told. */
  subjectOf? (username: string): string | null
}

import { Type } from '@sinclair/typebox'
import type { Strength } from '../lib/session/authentication.ts'
import type { Credentials, PasswordSource } from '../users/password-source.ts'
import type { Account, Way } from './way.ts'

export const Username = Type.String({ minLength: 1, maxLength: 256, errorMessage: 'must be a text of 1 to 256 characters' })
export const Password = Type.String({ minLength: 1, maxLength: 1024, errorMessage: 'must be a text of 1 to 1024 characters' })

/** The authentication strength that a password proves (RFC 9068, RFC 8176). */
const strength: Strength = { acr: '1', amr: ['pwd'] }

/** Creates the way to sign in with a user name and a password. */
export function createPasswordWay (source: PasswordSource): Way {
  return {
    signInFields: Type.Object({ username: Username, password: Password }, { additionalProperties: false }),
    stepUpFields: Type.Object({ password: Password }, { additionalProperties: false }),
    accountOf: ({ username }: Credentials) => ({ name: username, known: knownAccount(username, source) }),
    async complete ({ username, password }: Credentials) {
      const principal = await source.verify({ username, password })
      return principal === null ? null : { ...strength, ...principal, username }
    },
    /** Verifies the password against the name of the sign-in; the password of another subject is refused. */
    async stepUp ({ password }: Pick<Credentials, 'password'>, { subject, username }) {
      const principal = await source.verify({ username, password })
      return principal?.subject === subject ? strength : null
    }
  }
}

function knownAccount (username: string, source: PasswordSource): Account['known'] {
  if (source.subjectOf === undefined) return undefined
  const subject = source.subjectOf(username)
  return subject === null ? { account: 'unknown' } : { subject }
}

import { Type } from '@sinclair/typebox'
import { isSecondFactorDemand, type Credentials, type PasswordSource } from '../users/password-source.ts'
import type { Strength } from '../lib/session/authentication.ts'
import type { Account, Way } from './way.ts'

export const Username = Type.String({ minLength: 1, maxLength: 256, errorMessage: 'must be a text of 1 to 256 characters' })
export const Password = Type.String({ minLength: 1, maxLength: 1024, errorMessage: 'must be a text of 1 to 1024 characters' })

/** The authentication strength that a password proves (RFC 9068, RFC 8176). */
const strength: Strength = { acr: '1', amr: ['pwd'] }

/** The authentication strength that a password and a second factor prove. The method is the name of the challenge, and `mfa` states that there were several (RFC 8176). */
const withSecondFactor = (challenge: string): Strength => ({ acr: '2', amr: [...new Set(['pwd', challenge, 'mfa'])] })

/** Creates the way to sign in with a user name and a password, and with a second factor if the source asks for one. */
export function createPasswordWay (source: PasswordSource): Way {
  return {
    name: 'password',
    signInFields: Type.Object({ username: Username, password: Password }, { additionalProperties: false }),
    stepUpFields: Type.Object({ password: Password }, { additionalProperties: false }),
    accountOf: ({ username }: Credentials) => ({ name: username, known: knownAccount(username, source) }),
    async complete ({ username, password }: Credentials) {
      const principal = await source.verify({ username, password })
      return principal === null || isSecondFactorDemand(principal) ? principal : { ...strength, ...principal, username }
    },
    /** Verifies the password against the name of the sign-in; the password of another subject is refused. */
    async stepUp ({ password }: Pick<Credentials, 'password'>, { subject, username }) {
      const principal = await source.verify({ username, password })
      if (isSecondFactorDemand(principal)) return principal
      return principal?.subject === subject ? strength : null
    },
    answer: source.verifyChallenge === undefined
      ? null
      : async ({ account, challenge, state }, response) => {
        const principal = await source.verifyChallenge!(state, response)
        if (principal == null) return null
        // A demand has a subject too, which would be signed in without the factor that it demands.
        if (isSecondFactorDemand(principal)) throw new TypeError('identity.verifyChallenge must not ask for another factor: return the principal, or null')
        const { acr, amr } = withSecondFactor(challenge)
        return { ...principal, acr: principal.acr ?? acr, amr: [...principal.amr ?? amr], username: account }
      }
  }
}

function knownAccount (username: string, source: PasswordSource): Account['known'] {
  if (source.subjectOf === undefined) return undefined
  const subject = source.subjectOf(username)
  return subject === null ? { account: 'unknown' } : { subject }
}

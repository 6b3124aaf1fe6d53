import { seal, sha256, unseal, type DerivedSecret } from '../secrets.ts'
import type { SessionMode } from './record.ts'

/*
 * A challenge token carries an authentication of which the second factor is still missing. It is sealed, and no store holds it: the client
 * can neither read nor change it. It opens only at the origin and the routes that issued it, because other routes may have other users, and only
 * for the client that has the challenge cookie.
 */

/** Purpose of a challenge: a sign-in, or a step-up of one session. */
export type ChallengeUse =
  | {
    use: 'sign-in'
    mode: SessionMode
    audiences: string[]
    /** Epoch with which a "sign out everywhere" of the subject is compared: the second of the first factor. */
    epoch: number
  }
  | { use: 'step-up', sid: string }

export interface PendingChallenge {
  /** Name by which the challenge is used up. */
  id: string
  for: ChallengeUse
  /** Name of the way to sign in that has asked for the second factor. */
  way: string
  /** Name that the user entered, whose attempts share a budget. */
  account: string
  /** Subject that the first factor has authenticated; null if only the second one tells. */
  subject: string | null
  /** Method of the second factor, such as `otp`. */
  challenge: string
  /** State of the application, a JSON value. */
  state: unknown
  endsAtMs: number
}

export type ParsedChallenge =
  | { result: 'genuine', pending: PendingChallenge }
  /** The token was sealed under a secret that this process does not have (yet). The client is not at fault. */
  | { result: 'unknown-key' }
  | { result: 'forged' }

/** Place and client for which a token opens. */
export interface ChallengeBinding {
  origin: string
  /** Prefix of the routes. */
  prefix: string
  /** Value of the challenge cookie. */
  cookie: string
}

/** Maximum length of a challenge token: more than the audiences and the state of a challenge can need. */
export const longestChallengeToken = 24_576

const pattern = /^[A-Za-z0-9_-]{44,24576}$/

export function formatChallenge (secret: DerivedSecret, pending: PendingChallenge, binding: ChallengeBinding): string {
  return seal(secret, JSON.stringify(pending), contextOf(binding), 'challengeKey')
}

/** Opens a challenge token. The caller checks whether it has expired or was used. */
export function parseChallenge (secrets: readonly DerivedSecret[], token: string, binding: ChallengeBinding): ParsedChallenge {
  if (!pattern.test(token)) return { result: 'forged' }
  const id = Buffer.from(token.slice(0, 6), 'base64url').subarray(0, 4)
  if (!secrets.some(secret => secret.id.equals(id))) return { result: 'unknown-key' }
  const text = unseal(secrets, token, contextOf(binding), 'challengeKey')
  return text === null ? { result: 'forged' } : { result: 'genuine', pending: JSON.parse(text) as PendingChallenge }
}

function contextOf ({ origin, prefix, cookie }: ChallengeBinding): string {
  return `challenge v1 ${origin} ${prefix} ${sha256(cookie)}`
}

import type { TObject } from '@sinclair/typebox'
import type { Strength } from '../lib/session/authentication.ts'
import type { PendingChallenge } from '../lib/session/challenge-token.ts'
import type { SessionRecord } from '../lib/session/record.ts'
import type { SignIn } from '../lib/session/sign-in.ts'
import type { SecondFactorDemand } from '../users/password-source.ts'

/**
 * A way to sign in: the members that a client posts, and the subject that they authenticate. It decides nothing else: the use cases
 * of this folder count attempts, publish events, and open, strengthen and end sessions. Its methods are only called with members
 * that its schemas accept.
 */
export interface Way {
  /** The name that challenges carry. No other way may have it. */
  readonly name: string
  /** The members that a client posts to sign in. They tell the ways apart, so no other way may take the same ones. */
  readonly signInFields: TObject
  /** The members that a client posts to step up. */
  readonly stepUpFields: TObject
  /** The account that a client tries to sign in to. */
  accountOf (posted: object): Account
  /** Authenticates a subject; resolves to null when it is refused for any reason, and to a demand when a second factor is missing. */
  complete (posted: object): Promise<SignIn | SecondFactorDemand | null>
  /** Authenticates the subject of a session again; resolves to null when it is refused, also when another subject was authenticated. */
  stepUp (posted: object, record: SessionRecord): Promise<Strength | SecondFactorDemand | null>
  /** Verifies the response to a challenge of this way, and authenticates the subject; null for a way without second factors. */
  readonly answer: ((pending: PendingChallenge, response: string) => Promise<Authenticated | null>) | null
}

/** A subject that has authenticated with both factors. */
export type Authenticated = SignIn & Strength

/** The account that an attempt to sign in is counted for. */
export interface Account {
  /** The name whose attempts share a budget, whether or not the account exists. */
  name: string
  /** The part of the account that events may contain. It is never the name, because that may be a mistyped password. */
  known: { subject: string } | { account: 'unknown' } | undefined
}

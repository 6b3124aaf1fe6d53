import type { TObject } from '@sinclair/typebox'
import type { Strength } from '../lib/session/authentication.ts'
import type { SessionRecord } from '../lib/session/record.ts'
import type { SignIn } from '../lib/session/sign-in.ts'

/**
 * A way to sign in: the members that a client posts, and the subject that they authenticate. It decides nothing else: the use cases
 * of this folder count attempts, publish events, and open, strengthen and end sessions. Its methods are only called with members
 * that its schemas accept.
 */
export interface Way {
  /** The members that a client posts to sign in. They tell the ways apart, so no other way may take the same ones. */
  readonly signInFields: TObject
  /** The members that a client posts to step up. */
  readonly stepUpFields: TObject
  /** The account that a client tries to sign in to. */
  accountOf (posted: object): Account
  /** Authenticates a subject; resolves to null when it is refused for any reason. */
  complete (posted: object): Promise<SignIn | null>
  /** Authenticates the subject of a session again; resolves to null when it is refused, also when another subject was authenticated. */
  stepUp (posted: object, record: SessionRecord): Promise<Strength | null>
}

/** The account that an attempt to sign in is counted for. */
export interface Account {
  /** The name whose attempts share a budget, whether or not the account exists. */
  name: string
  /** The part of the account that events may contain. It is never the name, because that may be a mistyped password. */
  known: { subject: string } | { account: 'unknown' } | undefined
}

import { Value } from '@sinclair/typebox/value'
import { RequestInvalidError } from '../lib/errors.ts'
import type { PasswordSource } from '../users/password-source.ts'
import { createPasswordWay } from './password.ts'
import type { Way } from './way.ts'

/** The settings that the ways to sign in are made from; options of the routes that sign in. */
export interface WaysOptions {
  /**
   * Checks user names and passwords, and the responses of second factors if it has `verifyChallenge`. Without it, users sign in with identity
   * providers alone (portcullis-oidc).
   */
  identity?: PasswordSource | undefined
}

/**
 * Creates the ways to sign in, in the order in which they are tried. A way that is one exchange of posted members is one file in this
 * folder and one entry here. A way that redirects the browser also needs routes, a kind of cookie, and more members of Way.
 */
export function createWays ({ identity }: WaysOptions): Way[] {
  return [
    ...identity === undefined ? [] : [createPasswordWay(identity)]
  ]
}

/** Returns whether one of the ways can ask for a second factor. */
export function hasSecondFactor (ways: readonly Way[]): boolean {
  return ways.some(({ answer }) => answer !== null)
}

/** Finds the way that accepts the posted members. Throws RequestInvalidError when there is none. */
export function findWay (ways: readonly Way[], fields: 'signInFields' | 'stepUpFields', posted: object): Way {
  const way = ways.find(way => Value.Check(way[fields], posted))
  if (way === undefined) throw new RequestInvalidError({ cause: new Error('no way to sign in takes these members') })
  return way
}

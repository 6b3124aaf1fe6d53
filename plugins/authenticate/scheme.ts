import type { ChallengeDetails } from '../../lib/http/challenge.ts'
import type { RequestFacts } from '../../lib/http/request-facts.ts'
import type { Identity } from '../../lib/principal.ts'
import type { Portcullis } from '../portcullis.ts'

/** The values of `access` in a route's demand. Each is the set of the schemes that name it. */
export type Access = 'any' | 'session' | 'token' | 'public'

type ErrorClass = new (options: { cause: Error }) => Error

/** A kind of credential: how it is read from a request, verified, refused and ended. The entries are in schemes.ts. */
export interface Scheme {
  /** `Identity.credential` of the callers that it verifies, and the label of its counts. Every scheme has another name. */
  readonly name: Identity['credential']
  /** The words for one such credential in the causes of errors, with their article. */
  readonly title: string
  /** The values of `access` that it counts for. */
  readonly accesses: readonly Access[]
  /** Whether it is sent in the Authorization header, which `ignoreBearer` leaves to the upstream. */
  readonly isInAuthorization: boolean
  /** The headers that it is sent in, in lower case, beside Cookie and Authorization. No upstream receives them. */
  readonly headers: readonly string[]
  /**
   * Whether browsers add it to requests by themselves. Then requests that other sites have caused may not change anything, and
   * answers are kept out of shared caches, which do not know it.
   */
  readonly isAmbient: boolean
  /** The error of a credential that was revoked, and of one that is good for other audiences. */
  readonly errors: { readonly Revoked: ErrorClass, readonly OtherAudience: ErrorClass }
  /** The value of WWW-Authenticate that goes with an error code, or null. */
  readonly challenge: (code: string, details: ChallengeDetails) => string | null
  readonly streams: StreamRules
  /** Returns null where the plugin that the scheme depends on is not registered: then no request is searched for the credential. */
  create (parts: Portcullis): SchemeVerifier | null
}

/** The rules by which streams end that were opened with a credential. */
interface StreamRules {
  /** When the credential ends by its own word, by the store's clock in milliseconds; Infinity where its session decides. */
  endMs (identity: Identity): number
  /** Whether the end is not known until the store was asked for it. */
  readonly asksStore: boolean
  /** Whether a stream also ends with the device cookie that opened it. */
  readonly hasDevice: boolean
}

/** A scheme at work in one scope. */
export interface SchemeVerifier {
  readonly scheme: Scheme
  /** Returns the credential of a request, not verified, or null. Throws when it is there more than once, or is malformed. */
  read (facts: RequestFacts): string | null
  /**
   * Returns the identity that the credential stands for, from memory where it is remembered; a promise only when the store or a key has
   * to be asked. Audience, scopes and revocation are judged afterwards. `isUse`: moves the idle time. Throws, or rejects, when the
   * credential is not good.
   */
  verify (credential: string, facts: RequestFacts, isUse: boolean): Identity | Promise<Identity>
  /** Whether the identity that `verify` returned last, not as a promise, came from memory. */
  readonly isRemembered: boolean
  /**
   * Verifies by the record in the store, where the replica of revocations does not count. Null for credentials without a record:
   * then the store is asked whether their claims are revoked.
   */
  readonly verifyInStore: ((credential: string, facts: RequestFacts, isUse: boolean) => Promise<Identity>) | null
}

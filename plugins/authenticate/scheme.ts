import type { ChallengeDetails } from '../../lib/http/challenge.ts'
import type { RequestFacts } from '../../lib/http/request-facts.ts'
import type { Credential } from '../../lib/http/route-schema.ts'
import type { Identity } from '../../lib/identity.ts'
import type { Access } from '../../lib/settings/upstream.ts'
import type { Portcullis } from '../portcullis.ts'
import type { SecurityScheme } from './security-scheme.ts'

type ErrorClass = new (options: { cause: Error }) => Error

/** A kind of credential: how it is read from a request, verified, rejected and ended. The entries are in schemes.ts. */
export interface Scheme {
  /** Value of `Identity.credential` for the callers that it verifies, and label of its counts. Every scheme has a different name. */
  readonly name: Identity['credential']
  /** Name of one such credential in the causes of errors, with its article. */
  readonly title: string
  /** Plugin that verifies the credential. */
  readonly plugin: string
  /** Values of `access` for which the credential is accepted. */
  readonly accesses: readonly Access[]
  /** True if the credential is sent in the Authorization header, which `ignoreBearer` leaves to the upstream. */
  readonly isInAuthorization: boolean
  /** Headers that carry the credential, in lower case, other than Cookie and Authorization. No upstream receives them. */
  readonly headers: readonly string[]
  /**
   * True if browsers add the credential to requests automatically. Requests that other sites cause may then change nothing, and responses
   * are kept out of shared caches, which do not know the credential.
   */
  readonly isAmbient: boolean
  /** Errors of a revoked credential, and of one that is valid for other audiences. */
  readonly errors: { readonly Revoked: ErrorClass, readonly OtherAudience: ErrorClass }
  /** Returns the value of WWW-Authenticate for an error code, or null. */
  readonly challenge: (code: string, details: ChallengeDetails) => string | null
  readonly streams: StreamRules
  /** Name of the credential in OpenAPI documents. */
  readonly documentedAs: Credential
  /** Returns the security scheme of OpenAPI documents. */
  document (parts: Portcullis): SecurityScheme
  /**
   * Creates the verifier of a scope. Returns null if the plugin that the scheme depends on is not registered; requests are then not
   * searched for the credential.
   */
  create (parts: Portcullis): SchemeVerifier | null
}

/** Rules for the end of streams that were opened with a credential. */
interface StreamRules {
  /** Returns the end that the credential itself states, by the store's clock in milliseconds; Infinity if its session decides. */
  endMs (identity: Identity): number
  /** True if the end is known only after a query of the store. */
  readonly asksStore: boolean
  /** True if a stream also ends with the device cookie that opened it. */
  readonly hasDevice: boolean
}

/** A scheme in use in one scope. */
export interface SchemeVerifier {
  readonly scheme: Scheme
  /** Returns the unverified credential of a request, or null. Throws if it is present more than once, or malformed. */
  read (facts: RequestFacts): string | null
  /**
   * Returns the identity that the credential represents, from the cache if possible, and a promise only if the store or a key must be
   * queried. Audience, scopes and revocation are checked afterwards. `isUse` updates the idle time. Throws, or rejects, if the credential
   * is invalid.
   */
  verify (credential: string, facts: RequestFacts, isUse: boolean): Identity | Promise<Identity>
  /** True if the identity that `verify` last returned synchronously came from the cache. */
  readonly isRemembered: boolean
  /**
   * Verifies by the record in the store, if the replica of revocations may not decide. Null for credentials without a record: the store is
   * then asked whether their claims are revoked.
   */
  readonly verifyInStore: ((credential: string, facts: RequestFacts, isUse: boolean) => Promise<Identity>) | null
}

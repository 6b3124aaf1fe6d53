import type { Admission } from '../../lib/oidc/admission.ts'
import type { LogoutDemand } from '../../lib/oidc/logout-token.ts'
import type { StatedAuthentication } from '../../lib/oidc/id-token.ts'
import type { ProviderClaims } from '../../lib/session/provider-session.ts'

/* An identity provider (OpenID Connect), as the use cases of this package see it. */

/** Secrets of one authorization request. A sealed cookie of the browser keeps them until the answer arrives. */
export interface AuthorizationSecrets {
  /** Value that the answer must repeat. It names the transaction. */
  state: string
  /** Value that the ID token must contain. */
  nonce: string
  /** Code verifier (RFC 7636); its S256 challenge is in the request. */
  codeVerifier: string
}

/** Demands of one authorization request, beside those of the configuration. */
export interface AuthorizationDemands {
  /** `login` makes the provider authenticate the user again. */
  prompt?: 'login'
  /** Maximum age of the authentication, in seconds. The ID token must then state its time. */
  maxAgeSeconds?: number
  /** Strengths of which the provider is asked for one; the answer must state one of them. */
  acrValues?: readonly string[]
}

/** A user whom the provider has authenticated. Every member was verified. */
export interface Authenticated extends StatedAuthentication {
  /** ID token, for the hint at sign-out. */
  idToken: string
  /** All claims about the user, of the ID token and of the userinfo endpoint. */
  claims: ProviderClaims
}

export interface Provider {
  readonly name: string
  /** Maximum age of the authentication by the configuration, in seconds; null without one. It applies to sign-ins that demand none. */
  readonly maxAgeSeconds: number | null
  /** Returns why the provider cannot be used at the moment, without a secret; null while it can, and before it was first asked. */
  problem (): string | null
  /** Returns the address to which the browser is redirected. Rejects with ProviderUnavailableError. */
  authorizationUrl (secrets: AuthorizationSecrets, demands: AuthorizationDemands): Promise<string>
  /**
   * Redeems the answer of the provider, whose parameters are those of the callback's query. Rejects with LoginInvalidError if anything of
   * it is wrong, with LoginForbiddenError if the provider has refused (for example `access_denied`), and with ProviderUnavailableError. The
   * `cause` states the reason for events. A successful answer meets the demands.
   */
  redeem (query: URLSearchParams, secrets: AuthorizationSecrets, demands: AuthorizationDemands): Promise<Authenticated>
  /** Applies `allow`, `grant` and `claims` of the configuration. */
  admit (user: Authenticated): Admission
  /** Verifies a logout token. Rejects with LogoutTokenInvalidError, or with ProviderUnavailableError if the keys cannot be fetched. */
  verifyLogoutToken (token: string): Promise<LogoutDemand>
  /** Returns the address at which the user signs out of the provider (OpenID Connect RP-Initiated Logout 1.0); null if it has none. */
  logoutUrl (options: { idToken: string | null, returnTo: string }): Promise<string | null>
}

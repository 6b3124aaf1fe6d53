import type { FastifyRequest } from 'fastify'
import type { DeepReadonly, SessionData } from '../../lib/own-data.ts'
import type { ProviderClaims } from '../../lib/session/provider-session.ts'
import type { Logins } from './logins.ts'
import type { Provider } from './provider.ts'

declare module '../portcullis.ts' {
  interface Portcullis {
    /** Identity providers at which subjects sign in. */
    oidc: Oidc
  }
}

/** A user whom a provider has authenticated and the configuration allows, before the session is opened. */
export interface OnSignInFacts {
  /** Name of the provider. */
  provider: string
  /** Subject at the provider. */
  sub: string
  /** Subject of the session: `<provider>|<sub>`. */
  subject: string
  /** All claims about the user. */
  claims: ProviderClaims
  /** Scopes that the configuration grants. */
  scopes: readonly string[]
}

/** Values that the application gives the session: scopes in place of those of the configuration, and data that is kept with it. */
export interface OnSignInResult {
  scopes?: readonly string[]
  data?: DeepReadonly<SessionData>
}

/** Function of the application that runs at each sign-in at a provider. If it throws, the sign-in is refused. */
export type OnSignIn = (request: FastifyRequest, facts: OnSignInFacts) => OnSignInResult | void | Promise<OnSignInResult | void>

export interface Oidc {
  readonly providers: ReadonlyMap<string, Provider>
  readonly onSignIn: OnSignIn | null
  /** Sign-ins that browsers have under way. */
  readonly logins: Logins
}

import { createHash } from 'node:crypto'
import { LoginForbiddenError, LoginInvalidError, LogoutTokenInvalidError } from '../../lib/errors.ts'
import { parseToken } from '../../lib/jwt/jws.ts'
import { admit, claimsOf, mergeClaims, type Admission, type AdmissionRules } from '../../lib/oidc/admission.ts'
import { isStrongEnough, smallerAge, strengthsToAsk } from '../../lib/oidc/demands.ts'
import { authenticationIn } from '../../lib/oidc/id-token.ts'
import { demandOf, type LogoutDemand } from '../../lib/oidc/logout-token.ts'
import type { ProviderClaims } from '../../lib/session/provider-session.ts'
import { discover, type Discovered, type DiscoveryOptions } from './discovered.ts'
import { loginFailure, providerFailure, reasonOf } from './failures.ts'
import type { Authenticated, AuthorizationDemands, AuthorizationSecrets, Provider } from './provider.ts'
import { signatureFault } from './provider-keys.ts'

export interface ClientOptions extends Pick<DiscoveryOptions, 'issuer' | 'clientId' | 'clientSecret' | 'privateKeyPem' | 'privateKeyId' | 'now'> {
  name: string
  /** Address to which the provider redirects the browser. */
  redirectUri: string
  scopes: readonly string[]
  rules: AdmissionRules
  acrValues: readonly string[] | null
  prompt: string | null
  maxAgeMs: number | null
  honoursExpiry: boolean
  /** Receives the reason when the provider cannot be used any more, and null when it can again. */
  onProblem: (problem: string | null) => void
}

const aYearSeconds = 31_536_000
/** Minimum time between two attempts at discovery. */
const coolDownMs = 2000
/** Time after which the configuration of the provider is asked for again, in the background of a sign-in. */
const freshForMs = 3_600_000

/** An identity provider, by openid-client. It is asked for its configuration on first use, and again at most every two seconds while that fails. */
export class ProviderClient implements Provider {
  readonly name: string
  readonly maxAgeSeconds: number | null
  readonly #options: ClientOptions
  readonly #ending = new AbortController()
  #discovered: Discovered | null = null
  #discoveredAtMs = -Infinity
  #triedAtMs = -Infinity
  #failure: unknown = null
  #running: Promise<Discovered> | null = null
  #problem: string | null = null

  constructor (options: ClientOptions) {
    this.name = options.name
    this.maxAgeSeconds = options.maxAgeMs === null ? null : Math.floor(options.maxAgeMs / 1000)
    this.#options = options
  }

  problem (): string | null {
    return this.#problem ?? this.#discovered?.keys.problem() ?? null
  }

  /** Resolves to the configuration of the provider, and asks for it unless it is known. Rejects with ProviderUnavailableError. */
  async prepare (): Promise<Discovered> {
    return await this.#ready()
  }

  async stop (): Promise<void> {
    this.#ending.abort()
    await this.#running?.catch(() => {})
    await this.#discovered?.keys.stop()
  }

  async authorizationUrl ({ state, nonce, codeVerifier }: AuthorizationSecrets, demands: AuthorizationDemands): Promise<string> {
    const { library, configuration } = await this.#ready()
    const metadata = configuration.serverMetadata()
    const { redirectUri, scopes } = this.#options
    const maxAge = smallerAge(this.maxAgeSeconds, demands.maxAgeSeconds)
    const prompt = demands.prompt ?? this.#options.prompt ?? (maxAge === 0 ? 'login' : null)
    const acrValues = strengthsToAsk(this.#options.acrValues, demands.acrValues)
    const parameters = {
      redirect_uri: redirectUri,
      scope: scopes.join(' '),
      state,
      nonce,
      code_challenge: createHash('sha256').update(codeVerifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...prompt === null ? {} : { prompt },
      // A provider must state auth_time if it is asked for a max_age (OpenID Connect Core 1.0, section 2), and otherwise often does not. Some
      // reject 0, which means prompt=login.
      max_age: String(Math.max(1, maxAge ?? aYearSeconds)),
      ...acrValues === null ? {} : acrParameters(acrValues, metadata.claims_parameter_supported === true)
    }
    const isPushed = metadata.pushed_authorization_request_endpoint !== undefined
    try {
      const url = isPushed ? await library.buildAuthorizationUrlWithPAR(configuration, parameters) : library.buildAuthorizationUrl(configuration, parameters)
      return url.href
    } catch (error) {
      throw providerFailure(error)
    }
  }

  async redeem (query: URLSearchParams, secrets: AuthorizationSecrets, demands: AuthorizationDemands): Promise<Authenticated> {
    const discovered = await this.#ready()
    for (const name of query.keys()) if (query.getAll(name).length > 1) throw invalid('a parameter twice')
    const address = new URL(this.#options.redirectUri)
    address.search = query.toString()
    try {
      const { library, configuration } = discovered
      const tokens = await library.authorizationCodeGrant(configuration, address, { pkceCodeVerifier: secrets.codeVerifier, expectedState: secrets.state, expectedNonce: secrets.nonce, idTokenExpected: true })
      const idToken = tokens.id_token!
      const parts = parseToken(idToken)
      if (parts === null) throw invalid('the ID token is malformed')
      const fault = await signatureFault(discovered.keys, parts, this.#options.now())
      if (fault !== null) throw invalid(`an ID token ${fault}`)
      const claims = await this.#withUserInfo(discovered, tokens.access_token, parts.claims)
      return this.#authenticated(idToken, parts.claims, claims, demands)
    } catch (error) {
      throw loginFailure(error)
    }
  }

  admit ({ claims }: Authenticated): Admission {
    return admit(claims, this.#options.rules)
  }

  async verifyLogoutToken (token: string): Promise<LogoutDemand> {
    const parts = parseToken(token)
    if (parts === null) throw badLogout('not a signed token')
    const { keys, issuer } = await this.#ready()
    const { clientId, now } = this.#options
    const demand = demandOf(parts, { issuer, clientId, nowSeconds: now() / 1000 })
    if (typeof demand === 'string') throw badLogout(demand)
    const fault = await signatureFault(keys, parts, now())
    if (fault !== null) throw badLogout(fault)
    return demand
  }

  async logoutUrl ({ idToken, returnTo }: { idToken: string | null, returnTo: string }): Promise<string | null> {
    try {
      const { library, configuration } = await this.#ready()
      if (configuration.serverMetadata().end_session_endpoint === undefined) return null
      return library.buildEndSessionUrl(configuration, { post_logout_redirect_uri: returnTo, ...idToken === null ? {} : { id_token_hint: idToken } }).href
    } catch {
      // The session here has ended, whether the provider can be reached or not.
      return null
    }
  }

  /** Adds the claims of the userinfo endpoint if the rules need one that the ID token does not state. Those of the ID token take precedence. */
  async #withUserInfo ({ library, configuration }: Discovered, accessToken: string, claims: ProviderClaims): Promise<ProviderClaims> {
    const isComplete = claimsOf(this.#options.rules).every(name => Object.hasOwn(claims, name))
    if (isComplete || configuration.serverMetadata().userinfo_endpoint === undefined) return claims
    return mergeClaims(await library.fetchUserInfo(configuration, accessToken, String(claims['sub'])), claims)
  }

  #authenticated (idToken: string, own: ProviderClaims, claims: ProviderClaims, demands: AuthorizationDemands): Authenticated {
    const stated = authenticationIn(own, this.#options.now() / 1000)
    if (typeof stated === 'string') throw invalid(stated)
    if ((own['azp'] ?? this.#options.clientId) !== this.#options.clientId) throw invalid('azp is another client')
    if (stated.authTime === null && smallerAge(this.maxAgeSeconds, demands.maxAgeSeconds) !== null) throw invalid('auth_time is missing')
    if (!isStrongEnough(stated.acr, this.#options.acrValues, demands.acrValues)) throw new LoginForbiddenError({ cause: new Error('acr') })
    return { ...stated, sessionExpiry: this.#options.honoursExpiry ? stated.sessionExpiry : null, idToken, claims }
  }

  async #ready (): Promise<Discovered> {
    const nowMs = performance.now()
    if (this.#discovered !== null && nowMs - this.#discoveredAtMs < freshForMs) return this.#discovered
    if (this.#running === null && nowMs - this.#triedAtMs >= coolDownMs && !this.#ending.signal.aborted) this.#running = this.#discover().finally(() => { this.#running = null })
    if (this.#discovered !== null) {
      this.#running?.catch(() => {})
      return this.#discovered
    }
    if (this.#running === null) throw providerFailure(this.#failure)
    return await this.#running
  }

  async #discover (): Promise<Discovered> {
    this.#triedAtMs = performance.now()
    try {
      const former = this.#discovered
      // The keys state their problem themselves, and no longer than it lasts.
      const onKeysError = (error: unknown): void => { this.#options.onProblem(`its keys cannot be read: ${reasonOf(error)}`) }
      const discovered = await discover({ ...this.#options, signal: this.#ending.signal, onKeysError }, former)
      this.#discovered = discovered
      this.#discoveredAtMs = performance.now()
      this.#tell(null)
      if (former?.keys === discovered.keys) return discovered
      void discovered.keys.lookAgain()
      void former?.keys.stop()
      return discovered
    } catch (error) {
      this.#failure = error
      this.#tell(`its configuration cannot be read: ${reasonOf(error)}`)
      throw providerFailure(error)
    }
  }

  #tell (problem: string | null): void {
    if (problem === this.#problem || this.#ending.signal.aborted) return
    this.#problem = problem
    this.#options.onProblem(problem)
  }
}

/** Returns the parameters that ask for one of several strengths. Providers may ignore `acr_values`, but not an essential claim. */
function acrParameters (values: readonly string[], takesClaims: boolean): Record<string, string> {
  const claims = { id_token: { acr: { essential: true, values } } }
  return { acr_values: values.join(' '), ...takesClaims ? { claims: JSON.stringify(claims) } : {} }
}

function invalid (reason: string): Error {
  return new LoginInvalidError({ cause: new Error(reason) })
}

function badLogout (reason: string): Error {
  return new LogoutTokenInvalidError({ cause: new Error(reason) })
}

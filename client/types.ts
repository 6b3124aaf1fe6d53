import type { Session, Status } from './machine.ts'

export interface ClientOptions {
  /** The address of the gateway, resolved against the page's origin (never its `<base>`); it must have that origin. Default: `''`. */
  base?: string | undefined
  /**
   * `session` (default): an HttpOnly cookie; no token reaches the page. `tokens`: an access token, in memory. All pages of an
   * origin use one mode: in tokens mode the client follows a session that the sign-in page has opened.
   */
  mode?: 'session' | 'tokens' | undefined
  /** The names of the audiences of sign-ins and tokens. Default: all. */
  audience?: readonly string[] | undefined
  /** Called once each time the page is signed out, by this page, another tab or the gateway. */
  onSignedOut?: (() => void) | undefined
  /**
   * Called when a request needs a fresh authentication: ask for the password, and call `stepUp`. The request is retried when the
   * promise resolves, and rejects when it rejects. Default: such requests are answered 401. A request that begins while the promise
   * is pending, and needs it too, rejects with `PTC_ERR_STEP_UP_REQUIRED`, because the promise may be waiting for that request.
   */
  onStepUp?: ((demand: StepUpDemand) => Promise<unknown>) | undefined
}

export interface StepUpDemand {
  /** The maximum age of the authentication in seconds; null when unknown. */
  maxAge: number | null
  stepUp: Client['stepUp']
}

export interface Change {
  status: Status
  /**
   * The last known session; null for none. It may be outdated while the status is `unknown`, `refreshing` or `waiting`; `session()`
   * waits for the current one.
   */
  session: Session | null
}

export interface Client {
  /**
   * Signs in, and ends a session that the page already has. Rejects with a ClientError: `PTC_ERR_LOGIN_REFUSED` when the name or
   * the password is wrong.
   */
  signIn: (credentials: { username: string, password: string }) => Promise<Session>
  /**
   * Ends this session (default), the subject's others, or all of them. Resolves when the gateway has confirmed it. After a
   * rejection nothing has changed: the page is still signed in, as the cookie is still there. Ending others requires a fresh
   * authentication.
   */
  signOut: (options?: { scope?: 'this' | 'others' | 'all' | undefined }) => Promise<void>
  /** Authenticates the signed-in user again. Rejects with a ClientError: `PTC_ERR_LOGIN_REFUSED` when the password is wrong. */
  stepUp: (credentials: { password: string }) => Promise<Session>
  /**
   * The platform's `fetch` with authentication. The access token is sent to the gateway's origin only, and never replaces an
   * Authorization header that the caller set. A request whose token is refused is retried once with the next token, unless its body
   * is a stream. A service that refuses the next token too causes no further refresh for a minute. The request waits while it needs
   * a token and the gateway is unreachable; its `signal` ends the wait.
   */
  fetch: typeof globalThis.fetch
  /** Resolves to the current session, or null. Asks the gateway once, then uses the result. Waits while the gateway is unreachable. */
  session: () => Promise<Session | null>
  /** Calls the listener after every change of status or session; returns a function that removes it. */
  onChange: (listener: (change: Change) => void) => () => void
  /**
   * Stops timers and messages permanently: pending and later calls reject with `PTC_ERR_CLOSED`. A page that continues creates a
   * new client.
   */
  close: () => void
}

import type { Session, Status } from './machine.ts'

export interface ClientOptions {
  /** Where the gateway is, resolved against the page's origin (never its `<base>`), which it has to be. Default `''`. */
  base?: string | undefined
  /** `session` (default): an HttpOnly cookie alone, no token reaches the page. `tokens`: an access token, in memory. The same on all pages of an origin: in tokens mode the client follows a session that the sign-in page has opened. */
  mode?: 'session' | 'tokens' | undefined
  /** What sign-ins and tokens are for: names of audiences. Default: all. */
  audience?: readonly string[] | undefined
  /** Nobody is signed in any more, wherever that was caused: here, in another tab, at the gateway. Called once each time. */
  onSignedOut?: (() => void) | undefined
  /**
   * A request needs a fresh authentication: ask for the password, and call `stepUp`. The request is sent again when the promise
   * resolves, and rejects when it rejects. Without it, such requests are answered 401. A request that begins while this is open, and
   * needs it too, rejects with `PTC_ERR_STEP_UP_REQUIRED`: it may be one that this waits for.
   */
  onStepUp?: ((demand: StepUpDemand) => Promise<unknown>) | undefined
}

export interface StepUpDemand {
  /** How old the authentication may be, in seconds; null when that is not told. */
  maxAge: number | null
  stepUp: Client['stepUp']
}

export interface Change {
  status: Status
  /** The last one known; null when there is none. Not to be relied on while the status is `unknown`, `refreshing` or `waiting`: `session()` is. */
  session: Session | null
}

export interface Client {
  /** Signs in; a session that the page has already is ended. Rejects with a ClientError: `PTC_ERR_LOGIN_REFUSED` when the name or the password is wrong. */
  signIn: (credentials: { username: string, password: string }) => Promise<Session>
  /**
   * Ends this session (default), the subject's others, or all of them. Resolves when the gateway has confirmed it. When it rejects,
   * nothing has changed: the page is still signed in, as the cookie is still there. To end others needs a fresh authentication.
   */
  signOut: (options?: { scope?: 'this' | 'others' | 'all' | undefined }) => Promise<void>
  /** Proves anew who is signed in. Rejects with a ClientError: `PTC_ERR_LOGIN_REFUSED` when the password is wrong. */
  stepUp: (credentials: { password: string }) => Promise<Session>
  /**
   * The platform's `fetch`, signed in. The access token goes to the gateway's origin alone, and never takes the place of an
   * Authorization that the caller set. A request whose token is refused is sent once more with the next one, unless its body is a
   * stream. A service that refuses the next one too is not answered by a refresh again for a minute. While a token is needed and the gateway cannot be reached,
   * it waits; a `signal` ends that.
   */
  fetch: typeof globalThis.fetch
  /** Who is signed in, or null. Asks the gateway once, then remembers. While the gateway cannot be reached, it waits. */
  session: () => Promise<Session | null>
  /** Calls the listener after every change of status or session; returns what ends that. */
  onChange: (listener: (change: Change) => void) => () => void
  /** Ends timers and messages, for good: pending and later calls reject with `PTC_ERR_CLOSED`. A page that goes on makes another client. */
  close: () => void
}

import { unlessAborted } from './abort.ts'
import { nullIfRefused, type ClientError } from './errors.ts'
import { callGateway } from './gateway.ts'
import { createFetch } from './send.ts'
import { createStepUps } from './step-ups.ts'
import { alone } from './tabs.ts'
import { createKeeper } from './keeper.ts'
import { sidOf, type Answer, type Session } from './machine.ts'
import type { Client, ClientOptions } from './types.ts'

export type { ClientError } from './errors.ts'
export type { Session, Status } from './machine.ts'
export type { Change, Client, ClientOptions, StepUpDemand } from './types.ts'

/** Signs a page in and keeps it signed in, together with the other tabs of its origin. Create one client per page. */
export function createClient ({ base = '', mode = 'session', audience, onSignedOut = () => {}, onStepUp }: ClientOptions = {}): Client {
  // The reference is taken now, because a page may replace `fetch` by the client's.
  const platformFetch = fetch
  let endpoints: URL | undefined
  // The base is the page's origin: `fetch` resolves against `<base>`, which could send passwords to another site.
  try {
    endpoints = new URL(`${base}/auth/`, (globalThis as { location?: { origin: string } }).location?.origin)
  } catch {}
  const call = (path: string, body?: object): Promise<Answer> => callGateway(platformFetch, `${endpoints}${path}`, body)
  const isTokens = mode === 'tokens'
  // The client in tokens mode also follows a session that the sign-in page has opened. A page in session mode never gets a token.
  const question = async (): Promise<Answer | null> => (isTokens && await call('refresh', { audience }).catch(nullIfRefused)) || call('session').catch(nullIfRefused)
  const keeper = createKeeper(`${mode} ${audience}`, question, onSignedOut)
  const { close, closing, dispatch, getState, settle, watch } = keeper
  // A server that renders the page sends and stores nothing.
  if (!endpoints) close()
  const current = (): Session | null => getState().held?.session ?? null
  const beginRequest = createStepUps(dispatch, onStepUp && (async maxAge => onStepUp({ maxAge, stepUp })))

  /** Runs a request that changes the cookie. */
  const change = (path: string, body: object): Promise<Answer> => unlessAborted(closing, async () => {
    const meet = beginRequest()
    const put = (): Promise<Answer> => alone(() => call(path, body))
    return put().catch(async (error: ClientError) => {
      if (await meet(error.maxAge)) return put()
      nullIfRefused(error)
      dispatch('doubt')
      throw error
    })
  })
  const renew = (event: 'signed-in' | 'stepped-up', path: string, body: object): Promise<Session> => change(path, body).then(answer => {
    dispatch(event, answer)
    return answer.session
  })
  const stepUp: Client['stepUp'] = ({ password }) => renew('stepped-up', 'step-up', { password })

  return {
    stepUp,
    signIn: ({ username, password }) => renew('signed-in', 'login', { username, password, mode, audience }),
    async signOut ({ scope = 'this' } = {}) {
      const sid = sidOf(getState())
      await change('logout', { scope })
      if (scope !== 'others') dispatch('signed-out', sid)
    },
    fetch: createFetch(platformFetch, `${endpoints?.origin}/`, keeper, async () => isTokens ? settle(true) : dispatch('ask'), beginRequest),
    async session () {
      if (endpoints) await unlessAborted(closing, settle)
      return current()
    },
    onChange: listener => watch(() => {
      queueMicrotask(listener.bind(null, { status: getState().status, session: current() }))
      return true
    }),
    close
  }
}

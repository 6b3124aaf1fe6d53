import { unlessAborted } from './abort.ts'
import { isRefusal, type ClientError } from './errors.ts'
import { callGateway, locateEndpoints } from './gateway.ts'
import { createKeeper } from './keeper.ts'
import type { Answer, Session } from './machine.ts'
import { createFetch } from './send.ts'
import { createStepUps } from './step-ups.ts'
import { alone } from './tabs.ts'
import type { Client, ClientOptions } from './types.ts'

export type { ClientError } from './errors.ts'
export type { Session, Status } from './machine.ts'
export type { Change, Client, ClientOptions, StepUpDemand } from './types.ts'

/** Signs a page in and keeps it signed in, together with the other tabs of its origin. One client a page. */
export function createClient ({ base = '', mode = 'session', audience, onSignedOut = () => {}, onStepUp }: ClientOptions = {}): Client {
  // As it is now: a page may put the client's in its place.
  const { fetch } = globalThis
  const endpoints = locateEndpoints(base)
  const call = (path: string, body?: object): Promise<Answer> => callGateway(fetch, `${endpoints}${path}`, body)
  const isTokens = mode === 'tokens'
  const session = (): Promise<Answer> => call('session')
  // Where tokens are wanted, the session will do that the sign-in page has opened. A page in session mode never gets a token.
  const question = isTokens
    ? () => call('refresh', { audience }).catch((error: ClientError) => isRefusal(error) ? session() : Promise.reject(error))
    : session
  const keeper = createKeeper({ kind: `${mode} ${audience}`, question, onSignedOut })
  const { close, closing, dispatch, settle } = keeper
  // Nothing is sent or kept on a server that renders the page.
  if (!endpoints) close()
  const current = (): Session | null => keeper.state.held?.session ?? null
  const beginRequest = createStepUps(keeper, onStepUp && (async maxAge => await onStepUp({ maxAge, stepUp })))

  /** What changes the cookie. */
  const change = (path: string, body: object): Promise<Answer> => unlessAborted(closing, async () => {
    const meet = beginRequest()
    const put = (): Promise<Answer> => alone(() => call(path, body))
    return await put().catch(async (error: ClientError) => {
      if (await meet(error.maxAge)) return await put()
      if (isRefusal(error)) dispatch('doubt')
      throw error
    })
  })
  const renew = async (event: 'signed-in' | 'stepped-up', path: string, body: object): Promise<Session> => {
    const answer = await change(path, body)
    dispatch(event, answer)
    return answer.session
  }
  const stepUp: Client['stepUp'] = ({ password }) => renew('stepped-up', 'step-up', { password })

  return {
    stepUp,
    signIn: ({ username, password }) => renew('signed-in', 'login', { username, password, mode, audience }),
    async signOut ({ scope = 'this' } = {}) {
      const sid = current()?.sid
      await change('logout', { scope })
      if (scope !== 'others') dispatch('signed-out', sid)
    },
    fetch: createFetch({ fetch, root: `${endpoints?.origin}/`, isTokens, keeper, beginRequest }),
    async session () {
      if (endpoints) await unlessAborted(closing, settle)
      return current()
    },
    onChange: listener => keeper.watch(() => {
      const change = { status: keeper.state.status, session: current() }
      queueMicrotask(() => { listener(change) })
    }),
    close
  }
}

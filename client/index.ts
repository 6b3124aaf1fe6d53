import { isRefusal, type ClientError } from './errors.ts'
import { callGateway } from './gateway.ts'
import { createKeeper, settle } from './keeper.ts'
import type { Answer, Session } from './machine.ts'
import { send, type Sender } from './send.ts'
import { alone } from './tabs.ts'
import type { Client, ClientOptions } from './types.ts'

export type { ClientError } from './errors.ts'
export type { Session, Status } from './machine.ts'
export type { Change, Client, ClientOptions, StepUpDemand } from './types.ts'

/** Signs a page in and keeps it signed in, together with the other tabs of its origin. One client a page. */
export function createClient ({ base = '', mode = 'session', audience, onSignedOut = () => {}, onStepUp }: ClientOptions = {}): Client {
  // As it is now: a page may put the client's in its place.
  const { fetch } = globalThis
  const root = new URL('/', new Request(base).url).href
  const call = (path: string, body?: object): Promise<Answer> => callGateway(fetch, `${base}/auth/${path}`, body)
  const isTokens = mode === 'tokens'
  const question = (): Promise<Answer> => isTokens ? call('refresh', { audience }) : call('session')
  const keeper = createKeeper({ kind: `${mode} ${audience}`, question, onSignedOut })
  const current = (): Session | null => keeper.state.held?.session ?? null
  let pendingStepUp: Promise<unknown> | null = null
  /** Requests that need it at the same time share it. */
  const askForStepUp = onStepUp && ((maxAge: number | null): Promise<unknown> => {
    keeper.dispatch('step-up', true)
    pendingStepUp ??= Promise.resolve({ maxAge, stepUp }).then(onStepUp).finally(() => {
      pendingStepUp = null
      keeper.dispatch('step-up', false)
    })
    return pendingStepUp
  })

  /** What changes the cookie. */
  const change = async (path: string, body: object): Promise<Answer> => {
    const put = (): Promise<Answer> => alone(() => call(path, body))
    return await put().catch(async (error: ClientError) => {
      if (error.maxAge === undefined || !askForStepUp) {
        if (isRefusal(error)) keeper.dispatch('doubt')
        throw error
      }
      await askForStepUp(error.maxAge)
      return await put()
    })
  }

  const stepUp: Client['stepUp'] = async ({ password }) => {
    const answer = await change('step-up', { password })
    keeper.dispatch('stepped-up', answer)
    return answer.session
  }

  const sender: Sender = { fetch, root, isTokens, keeper, askForStepUp }
  return {
    stepUp,
    async signIn ({ username, password }) {
      const answer = await change('login', { username, password, mode, audience })
      keeper.dispatch('signed-in', answer)
      return answer.session
    },
    async signOut ({ scope = 'this' } = {}) {
      const sid = current()?.sid
      await change('logout', { scope })
      if (scope !== 'others') keeper.dispatch('signed-out', sid)
    },
    fetch: (input, init) => send(sender, input, init),
    async session () {
      await settle(keeper)
      return current()
    },
    onChange: listener => keeper.watch(() => {
      const change = { status: keeper.state.status, session: current() }
      queueMicrotask(() => { listener(change) })
    }),
    close: keeper.close
  }
}

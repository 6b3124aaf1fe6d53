import { errorOf, isRefusal, type ClientError } from './errors.ts'
import { settle, type Keeper } from './keeper.ts'
import type { Answer } from './machine.ts'

export interface Sender {
  fetch: typeof globalThis.fetch
  /** Of the gateway's origin: every URL of it begins so, and no other. */
  root: string
  isTokens: boolean
  keeper: Keeper
  /** Has the user authenticate anew; undefined when nobody does. */
  askForStepUp: ((maxAge: number | null) => Promise<unknown>) | undefined
}

/** Sends a request, with the token where it belongs; again after a refresh, and again after a step-up, when that is what it lacks. */
export async function send (sender: Sender, input: Parameters<Sender['fetch']>[0], init?: RequestInit): Promise<Response> {
  const { fetch, root, keeper } = sender
  // Again from what it was made of: a clone would keep the whole body in memory.
  const make = (): Request => new Request(input instanceof Request ? input.clone() : input, init)
  let request = make()
  const { url, signal } = request
  if (!url.startsWith(root) || request.headers.has('authorization')) return await fetch(request)
  const before = keeper.state.held
  await waitForToken(sender, signal)
  const subject = (before ?? keeper.state.held)?.session.subject
  // What was begun in one subject's name never goes out in another's.
  const isTheirs = (): boolean => !subject || subject === keeper.state.held?.session.subject
  const tried = new Set<string>()
  for (;;) {
    const held = isTheirs() ? keeper.state.held : null
    const response = await fetch(withToken(request, held, keeper))
    if (response.status !== 401) return response
    const error = await errorOf(response.clone())
    if (tried.has(error.code) || !await helps(error, held, sender) || init?.body instanceof ReadableStream) return response
    tried.add(error.code)
    await waitForToken(sender, signal)
    if (!isTheirs()) return response
    void response.body?.cancel()
    request = make()
  }
}

async function waitForToken ({ isTokens, keeper }: Sender, signal: AbortSignal): Promise<void> {
  keeper.dispatch('ask')
  if (isTokens) await settle(keeper, signal)
}

function withToken (request: Request, held: Answer | null, keeper: Keeper): Request {
  if (held?.access_token) {
    request.headers.set('authorization', `Bearer ${held.access_token}`)
    keeper.clock.check(true)
  }
  return request
}

/** Resolves to whether another try is worth it, once it is known who is signed in. */
async function helps (error: ClientError, held: Answer | null, { isTokens, keeper, askForStepUp }: Sender): Promise<boolean> {
  if (error.maxAge !== undefined && askForStepUp) {
    await askForStepUp(error.maxAge)
    return true
  }
  if (!held || !isRefusal(error)) return false
  keeper.dispatch('doubt', held.access_token)
  return isTokens
}

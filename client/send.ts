import { unlessAborted } from './abort.ts'
import { challengeOf } from './errors.ts'
import type { Keeper } from './keeper.ts'
import type { Answer } from './machine.ts'
import type { Meet } from './step-ups.ts'

/** How long a service that has refused a fresh token is believed to refuse the next one too. */
const refusalMs = 60_000

/** Octets; problems of the gateway have fewer. */
const longest = 1000

export interface SenderOptions {
  fetch: typeof globalThis.fetch
  /** The gateway's origin with a slash: every URL of it begins so, and no other. */
  root: string
  isTokens: boolean
  keeper: Keeper
  beginRequest: () => Meet
}

/** Makes the `fetch` that sends the token where it belongs; again after a refresh, and again after a step-up, when that is what a request lacks. */
export function createFetch ({ fetch, root, isTokens, keeper, beginRequest }: SenderOptions): typeof globalThis.fetch {
  const { clock, closing, dispatch, settle } = keeper
  /** The last refusal of each service about which the gateway was asked; by the first segment of its paths. */
  const refusals = new Map<string, { held: Answer, at: number }>()

  async function waitForToken (): Promise<void> {
    dispatch('ask')
    if (isTokens) await settle(true)
  }

  /** `again`: makes the request once more; null when it cannot be sent twice. */
  // eslint-disable-next-line complexity -- to be split
  async function send (request: Request, again: (() => Request) | null): Promise<Response> {
    const service = request.url.split(/[/?#]/)[3]!
    const meet = beginRequest()
    const before = keeper.state.held
    await waitForToken()
    const subject = (before ?? keeper.state.held)?.session.subject
    // What was begun in one subject's name never goes out in another's.
    const isTheirs = (): boolean => !subject || subject === keeper.state.held?.session.subject
    const tried = new Set<string>()
    for (;;) {
      const held = isTheirs() ? keeper.state.held : null
      const token = held?.access_token
      if (token) {
        request.headers.set('authorization', `Bearer ${token}`)
        clock.check(true)
      }
      const response = await fetch(request)
      const { error, maxAge } = challengeOf(response)
      const isDoubtful = held && maxAge === undefined && await isRefusal(response, token && error)
      // A token that was asked for after a refusal is good here.
      if (tried.size && !isDoubtful) refusals.delete(service)
      if (tried.has(error)) return response
      tried.add(error)
      if (isDoubtful) doubt(service, held)
      else if (!await meet(maxAge)) return response
      await waitForToken()
      if (!again || !isTheirs() || (isDoubtful && (!token || held === keeper.state.held))) return response
      void response.body?.cancel()
      request = again()
    }
  }

  function doubt (service: string, held: Answer): void {
    const last = refusals.get(service)
    const at = performance.now()
    // The service would refuse the next token too.
    if (last && last.held !== held && at - last.at < refusalMs) return
    refusals.set(service, { held, at })
    dispatch('doubt', held.access_token)
  }

  return (input, init) => unlessAborted(closing, async () => {
    // Again from what it was made of: a clone would keep the whole body in memory.
    const make = (): Request => new Request(input instanceof Request ? input.clone() : input, init)
    const request = make()
    if (!request.url.startsWith(root) || request.headers.has('authorization')) return await fetch(request)
    return await unlessAborted(request.signal, () => send(request, init?.body instanceof ReadableStream ? null : make))
  })
}

/** Whether the gateway refuses what was sent with the request. `error`: what its challenge says of the token; undefined when none was sent. */
async function isRefusal (response: Response, error: string | undefined): Promise<boolean> {
  const { status, headers } = response
  if (!/problem/.test(headers.get('content-type') ?? '')) return false
  if (status === 401) return error === undefined || error === 'invalid_token'
  // The token came together with a session cookie. No body is read that may be long: that of a service may never end.
  return status === 400 && error !== undefined && Number(headers.get('content-length') ?? longest) < longest && (await response.clone().text()).includes('AMBIGUOUS')
}

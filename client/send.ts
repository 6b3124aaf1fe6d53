import { unlessAborted } from './abort.ts'
import { challengeOf } from './errors.ts'
import type { Keeper } from './keeper.ts'
import type { Answer } from './machine.ts'
import type { Meet } from './step-ups.ts'

/** How long a service that has refused a fresh token is believed to refuse the next one too. */
const refusalMs = 60_000

/**
 * Makes the `fetch` that sends the token where it belongs; again after a refresh, and again after a step-up, when that is what a
 * request lacks. `root`: the gateway's origin with a slash, with which its URLs begin, and no others. `prepare`: resolves when the
 * token that is held can be used.
 */
export function createFetch (fetch: typeof globalThis.fetch, root: string, { closing, dispatch, getState }: Keeper, prepare: () => Promise<void>, beginRequest: () => Meet): typeof globalThis.fetch {
  /** When each service, by the first segment of its paths, last refused a token about which the gateway was asked. */
  const refusals = new Map<string, number>()

  /** `make`: makes the request once more; throws when its body is a stream. */
  async function send (request: Request, make: () => Request): Promise<Response> {
    const mend = createMend(request.url.split(/[/?#]/)[3]!)
    let { held } = getState()
    let subject = held?.session.subject
    for (let response: Response | undefined; ;) {
      await prepare()
      held = getState().held
      subject ??= held?.session.subject
      // A request that was begun in one subject's name is not sent in another's.
      if (subject !== held?.session.subject) {
        if (response) return response
        held = null
      }
      if (response) {
        try {
          request = make()
        } catch {
          return response
        }
        void response.body?.cancel()
      }
      if (held?.access_token) request.headers.set('authorization', `Bearer ${held.access_token}`)
      response = await fetch(request)
      if (!await mend(response, held)) return response
    }
  }

  /** For one request to a service: gets what the answer says it lacks, and resolves to whether another try is worth it. */
  function createMend (service: string): (response: Response, held: Answer | null) => Promise<unknown> {
    const meet = beginRequest()
    const tried = new Set<string>()
    return async (response, held) => {
      const [error, maxAge] = challengeOf(response)
      const isRefused = held && await isRefusal(response, held.access_token, error)
      // A token that was asked for after a refusal is good here.
      if (tried.size && !isRefused) refusals.delete(service)
      if (tried.has(error)) return
      tried.add(error)
      if (!isRefused) return meet(maxAge)
      const now = performance.now()
      // Otherwise the service would refuse the next token too, or the gateway is being asked already.
      if (!(now - refusals.get(service)! < refusalMs)) {
        refusals.set(service, now)
        dispatch('doubt', held.access_token)
      }
      await prepare()
      return held.access_token && held !== getState().held
    }
  }

  return (input, init) => unlessAborted(closing, async () => {
    // Again from what it was made of: a clone would keep the whole body in memory.
    const make = (): Request => new Request(input instanceof Request ? input.clone() : input, init)
    const request = make()
    return unlessAborted(request.signal, () => !request.url.startsWith(root) || request.headers.has('authorization') ? fetch(request) : send(request, make))
  })
}

/** Whether the gateway refuses the token that was sent, or else the cookie. `error`: the one that its challenge names. */
async function isRefusal (response: Response, token: string | undefined, error: string): Promise<unknown> {
  if (!/problem/.test(response.headers.get('content-type')!)) return
  if (response.status === 401) return token ? error === 'invalid_token' : !error
  // The token came together with a session cookie. A body is read only if it is short: that of a service may never end.
  return response.status === 400 && token && /^\d{1,3}$/.test(response.headers.get('content-length')!) && /AMBIGUOUS/.test(await response.clone().text())
}

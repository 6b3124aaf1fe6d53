import { unlessAborted } from './abort.ts'
import { challengeOf } from './errors.ts'
import type { Keeper } from './keeper.ts'
import type { Answer } from './machine.ts'
import type { Meet } from './step-ups.ts'

/** The time for which a service that has refused a fresh token is assumed to refuse the next one too, in milliseconds. */
const refusalMs = 60_000

/**
 * Creates the `fetch` that adds the token to requests to the gateway. It retries a request after a refresh, and after a step-up,
 * when the response demands one. `root`: the gateway's origin with a slash, the prefix of all its URLs. `prepare`: resolves when
 * the held token can be used.
 */
export function createFetch (fetch: typeof globalThis.fetch, root: string, { closing, dispatch, getState }: Keeper, prepare: () => Promise<void>, beginRequest: () => Meet): typeof globalThis.fetch {
  /** The instant at which each service, named by the first segment of its paths, last refused a token that the client then refreshed. */
  const refusals = new Map<string, number>()

  /** Sends the request. `make` makes it once more, and throws when its body is a stream. */
  async function send (request: Request, make: () => Request): Promise<Response> {
    const mend = createMend(request.url.split(/[/?#]/)[3]!)
    let { held } = getState()
    let subject = held?.session.subject
    for (let response: Response | undefined; ;) {
      await prepare()
      held = getState().held
      subject ??= held?.session.subject
      // A request that was started as one subject is not retried as another.
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

  /**
   * Creates the function that obtains what a response demands and resolves to whether a retry can succeed. One function serves one
   * request.
   */
  function createMend (service: string): (response: Response, held: Answer | null) => Promise<unknown> {
    const meet = beginRequest()
    const tried = new Set<string>()
    return async (response, held) => {
      const [error, maxAge] = challengeOf(response)
      const isRefused = held && await isRefusal(response, held.access_token, error)
      // The service has accepted a token that was fetched after a refusal.
      if (tried.size && !isRefused) refusals.delete(service)
      if (tried.has(error)) return
      tried.add(error)
      if (!isRefused) return meet(maxAge)
      const now = performance.now()
      // The service would refuse the next token too within that time, or a refresh is in flight already.
      if (!(now - refusals.get(service)! < refusalMs)) {
        refusals.set(service, now)
        dispatch('doubt', held.access_token)
      }
      await prepare()
      return held.access_token && held !== getState().held
    }
  }

  return (input, init) => unlessAborted(closing, async () => {
    // The request is made again from its input: a clone would keep the whole body in memory.
    const make = (): Request => new Request(input instanceof Request ? input.clone() : input, init)
    const request = make()
    return unlessAborted(request.signal, () => !request.url.startsWith(root) || request.headers.has('authorization') ? fetch(request) : send(request, make))
  })
}

/**
 * Resolves to whether the gateway refuses the token that was sent, or the cookie when there was no token. `error`: the error of its
 * challenge.
 */
async function isRefusal (response: Response, token: string | undefined, error: string): Promise<unknown> {
  if (!/problem/.test(response.headers.get('content-type')!)) return
  if (response.status === 401) return token ? error === 'invalid_token' : !error
  // The token came together with a session cookie. Only a short body is read, because the body of a service may never end.
  return response.status === 400 && token && /^\d{1,3}$/.test(response.headers.get('content-length')!) && /AMBIGUOUS/.test(await response.clone().text())
}

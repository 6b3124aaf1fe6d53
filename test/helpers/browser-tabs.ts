import { once } from 'node:events'
import type { Test } from 'tap'
import { CookieJar } from 'tough-cookie'
import { createClient, type Client, type ClientOptions } from '../../client/index.ts'
import { origin, setCookies } from './build-gateway.ts'

/** One request of a tab. */
export interface Sent { method: string, path: string, authorization: string | null }

/** The outcome of a request: `send` lets the gateway answer it, and `take` stores the cookies of an answer in the jar. */
export type Fate = (send: () => Promise<Response>, take: (response: Response) => Response) => Promise<Response>

export interface Browser {
  /** The requests of all tabs, in order. */
  sent: Sent[]
  /** Loads a page that creates a client. */
  open (options?: ClientOptions): Client
  /** Sets the outcome of the next request to the path. */
  next (path: string, fate: Fate): void
  /** Replaces the durations in the gateway's answers with tokens. */
  tell (durations: { expires_in?: number, refresh_in?: number }): void
  count (path: string): number
  /** Fires an event of the page. */
  fire (type: string, properties?: object): void
}

/** The request never reaches the gateway. */
export const offline: Fate = () => Promise.reject(new TypeError('fetch failed'))

/** The gateway answers, and the answer is lost with its cookies. */
export const lost: Fate = async send => {
  await send()
  throw new TypeError('fetch failed')
}

/** The gateway answers, and the answer is delayed until it is released. */
export function held (): { fate: Fate, answered: Promise<unknown>, release: () => void } {
  const hold = new EventTarget()
  const answered = once(hold, 'answered')
  const released = once(hold, 'released')
  return {
    fate: async (send, take) => {
      const response = await send()
      hold.dispatchEvent(new Event('answered'))
      await released
      return take(response)
    },
    answered,
    release: () => { hold.dispatchEvent(new Event('released')) }
  }
}

/**
 * Opens tabs of one browser, as far as Node has their parts: one cookie jar, and Node's own BroadcastChannel and Web Locks between
 * them. The gateway is at `url`, and the page has its origin.
 */
export function openBrowser (t: Test, url: string): Browser {
  const jar = new CookieJar()
  const network = globalThis.fetch
  const page = new EventTarget()
  const fates = new Map<string, Fate[]>()
  const sent: Sent[] = []
  let durations: object = {}

  async function send (request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    const headers = new Headers(request.headers)
    const cookie = jar.getCookieStringSync(origin + pathname)
    if (cookie !== '') headers.set('cookie', cookie)
    const response = await network(request, { headers })
    setCookies(response)
    return await withDurations(response)
  }

  function take (response: Response): Response {
    for (const line of response.headers.getSetCookie()) jar.setCookieSync(line, `${origin}/auth`)
    return response
  }

  async function withDurations (response: Response): Promise<Response> {
    if (response.headers.get('content-type')?.startsWith('application/json') !== true) return response
    const body = await response.json() as object
    return Response.json('access_token' in body ? { ...body, ...durations } : body, response)
  }

  async function browserFetch (input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init)
    if (!request.url.startsWith(url)) return await network(request)
    const path = new URL(request.url).pathname
    sent.push({ method: request.method, path, authorization: request.headers.get('authorization') })
    const fate = fates.get(path)?.shift()
    return fate === undefined ? take(await send(request)) : await fate(() => send(request), take)
  }

  Object.assign(globalThis, { addEventListener: page.addEventListener.bind(page) })
  t.teardown(() => { Reflect.deleteProperty(globalThis, 'addEventListener') })
  return {
    sent,
    open (options) {
      globalThis.fetch = browserFetch
      const client = createClient({ base: url, ...options })
      globalThis.fetch = network
      t.teardown(client.close)
      return client
    },
    next: (path, fate) => { fates.set(path, [...fates.get(path) ?? [], fate]) },
    tell: given => { durations = given },
    count: path => sent.filter(request => request.path === path).length,
    fire: (type, properties = {}) => { page.dispatchEvent(Object.assign(new Event(type), properties)) }
  }
}

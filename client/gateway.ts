import { errorOf } from './errors.ts'
import type { Answer } from './machine.ts'

/** For one request: what takes longer has failed, and is tried again. */
const timeoutMs = 15_000

/**
 * Where the gateway's endpoints are; undefined where there is no page. It is resolved against the page's origin rather than by
 * `fetch`, because a `<base>` in the page would send passwords to another site.
 */
export function locateEndpoints (base: string): URL | undefined {
  try {
    return new URL(`${base}/auth/`, (globalThis as { location?: { origin: string } }).location?.origin)
  } catch {
    return undefined
  }
}

/** Asks an endpoint of the gateway, by POST when there is a body. Rejects with a ClientError unless the answer is a good one of the gateway. */
export async function callGateway (fetch: typeof globalThis.fetch, url: string, body?: object): Promise<Answer> {
  let response = Response.error()
  let answer = null as Answer | null
  let cause: unknown
  try {
    response = await fetch(url, {
      ...body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
      // A password goes where it was meant to go, or nowhere.
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs)
    })
    if (response.status === 204) return {} as Answer
    answer = await response.json() as Answer
    // Networks that want a sign-in of their own first answer anything with some page.
    if (response.ok && answer.session.sid) return answer
  } catch (error) {
    cause = error
  }
  throw errorOf(response, answer as { code?: unknown } | null, cause)
}

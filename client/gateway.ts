import { challengeOf, makeError } from './errors.ts'
import type { Answer } from './machine.ts'

/** The timeout of one request, in milliseconds; after that it has failed and is retried. */
const timeoutMs = 15_000

/**
 * Requests an endpoint of the gateway, by POST when there is a body. Rejects with a ClientError unless the response is a successful
 * answer of the gateway.
 */
export async function callGateway (fetch: typeof globalThis.fetch, url: string, body?: object): Promise<Answer> {
  let response = Response.error()
  let answer = null as Answer & { code?: string } | null
  let cause: unknown
  try {
    response = await fetch(url, {
      ...body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
      // A redirect must not forward a password to another address.
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs)
    })
    if (response.status === 204) return {} as Answer
    answer = await response.json() as Answer
    // Captive portals answer any request with a page.
    if (response.ok && answer.session.sid) return answer
  } catch (error) {
    cause = error
  }
  // A Retry-After that is a date is ignored, because the clocks of clients are often wrong.
  throw makeError(/^PTC_/.test(answer?.code!) ? answer!.code! : 'PTC_ERR_NETWORK', response.status, challengeOf(response)[1], +response.headers.get('retry-after')! || null, cause)
}

import { challengeOf, makeError } from './errors.ts'
import type { Answer } from './machine.ts'

/** For one request: what takes longer has failed, and is tried again. */
const timeoutMs = 15_000

/** Asks an endpoint of the gateway, by POST when there is a body. Rejects with a ClientError unless the answer is a good one of the gateway. */
export async function callGateway (fetch: typeof globalThis.fetch, url: string, body?: object): Promise<Answer> {
  let response = Response.error()
  let answer = null as Answer & { code?: string } | null
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
  // A Retry-After that is a date is ignored, because clients' clocks are wrong.
  throw makeError(/^PTC_/.test(answer?.code!) ? answer!.code! : 'PTC_ERR_NETWORK', response.status, challengeOf(response)[1], +response.headers.get('retry-after')! || null, cause)
}

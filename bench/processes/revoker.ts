import { Pool } from 'undici'
import { argsOfParent, serveParent } from './child.ts'

/** A client that signs out at one gateway and asks the other one repeatedly until it is refused there. */
const { signOutAt, askAt } = argsOfParent<{ signOutAt: string, askAt: string }>()
const [one, other] = [new Pool(signOutAt, { connections: 1, pipelining: 1 }), new Pool(askAt, { connections: 1, pipelining: 1 })]
const hangMs = 10_000

export interface Seen {
  /** The time from the answer to the sign-out until the refusal, which includes the time of one request. */
  ms: number
  /** The number of requests that were accepted meanwhile. */
  letThrough: number
}

async function statusOf (pool: Pool, method: 'GET' | 'POST', path: string, token: string): Promise<number> {
  const { statusCode, body } = await pool.request({ method, path, headers: { authorization: `Bearer ${token}` } })
  await body.dump()
  return statusCode
}

async function signOut ({ token }: { token: string }): Promise<Seen> {
  for (const pool of [one, other]) {
    const status = await statusOf(pool, 'GET', '/orders/42', token)
    if (status !== 200) throw new Error(`a good token is answered ${status}`)
  }
  const ended = await statusOf(one, 'POST', '/auth/logout', token)
  const endedAtMs = performance.now()
  if (ended !== 204) throw new Error(`sign-out is answered ${ended}`)
  for (let letThrough = 0; ; letThrough++) {
    const status = await statusOf(other, 'GET', '/orders/42', token)
    const ms = performance.now() - endedAtMs
    if (status === 401) return { ms, letThrough }
    if (status !== 200 || ms > hangMs) throw new Error(`${status} after ${ms.toFixed(0)} ms`)
  }
}

/** Measures one request, for comparison, because the figure includes it. */
async function request ({ token }: { token: string }): Promise<number> {
  const startedMs = performance.now()
  await statusOf(other, 'GET', '/orders/42', token)
  return performance.now() - startedMs
}

serveParent({}, { signOut, request })

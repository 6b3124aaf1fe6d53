import { once } from 'node:events'
import { request as startRequest, type IncomingMessage } from 'node:http'
import { Pool } from 'undici'
import { argsOfParent, serveParent } from './child.ts'

/** A provider that logs a session out at one gateway, and a client of that session at the other one. */
const { logOutAt, askAt } = argsOfParent<{ logOutAt: string, askAt: string }>()
const [one, other] = [new Pool(logOutAt, { connections: 1, pipelining: 1 }), new Pool(askAt, { connections: 1, pipelining: 1 })]
const hangMs = 10_000

export interface LoggedOut {
  /** Times from the moment at which the logout token was sent: until its answer, until the other gateway refused, and until the stream ended. */
  answeredMs: number
  refusedMs: number
  streamMs: number
  /** The number of requests that were accepted meanwhile. */
  letThrough: number
}

async function statusOf (cookie: string): Promise<number> {
  const { statusCode, body } = await other.request({ method: 'GET', path: '/orders/42', headers: { cookie } })
  await body.dump()
  return statusCode
}

async function openStream (cookie: string): Promise<IncomingMessage> {
  const request = startRequest(`${askAt}/orders/events`, { headers: { cookie } }).end()
  const [response] = await once(request, 'response') as [IncomingMessage]
  if (response.statusCode !== 200) throw new Error(`the stream is answered ${response.statusCode}`)
  await once(response, 'data')
  return response
}

async function logOut ({ token, cookie }: { token: string, cookie: string }): Promise<LoggedOut> {
  const stream = await openStream(cookie)
  if (await statusOf(cookie) !== 200) throw new Error('a session that is open is refused')
  const startedMs = performance.now()
  const since = (): number => performance.now() - startedMs
  const ended = new Promise<number>(resolve => {
    let lastByteMs = 0
    stream.on('data', () => { lastByteMs = since() }).on('error', () => {}).on('close', () => { resolve(lastByteMs) })
  })
  const answered = post(token).then(since)
  const [answeredMs, { refusedMs, letThrough }, streamMs] = await Promise.all([answered, untilRefused(cookie, since), ended])
  return { answeredMs, refusedMs, streamMs, letThrough }
}

async function post (token: string): Promise<void> {
  const { statusCode, body } = await one.request({ method: 'POST', path: '/auth/backchannel-logout/corp', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `logout_token=${token}` })
  const text = await body.text()
  if (statusCode !== 200) throw new Error(`the logout is answered ${statusCode}: ${text}`)
}

async function untilRefused (cookie: string, since: () => number): Promise<{ refusedMs: number, letThrough: number }> {
  for (let letThrough = 0; ; letThrough++) {
    const status = await statusOf(cookie)
    const refusedMs = since()
    if (status === 401) return { refusedMs, letThrough }
    if (status !== 200 || refusedMs > hangMs) throw new Error(`${status} after ${refusedMs.toFixed(0)} ms`)
  }
}

serveParent({}, { logOut })

import { request, type IncomingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { patienceMs } from './patience.ts'

export interface Answer { status: number, headers: IncomingHttpHeaders, text: string, /** The code of a problem, in a document or on a page. */ code: string }

export interface ToSend {
  /** Name, value, name, value: sent unchanged, including repetitions. The function adds Host. */
  headers?: string[]
  /** The body; an object is sent as JSON. */
  body?: object | string
}

/** Sends one request without the additions of fetch or a pool, for requests that those refuse to send. */
export async function send (method: string, url: string, { headers = [], body }: ToSend = {}): Promise<Answer> {
  const { host } = new URL(url)
  const payload = typeof body === 'object' ? JSON.stringify(body) : body ?? (method === 'GET' ? undefined : '')
  const own = ['host', host, 'connection', 'close', ...payload === undefined ? [] : ['content-length', String(Buffer.byteLength(payload))], ...typeof body === 'object' ? ['content-type', 'application/json'] : []]
  return await new Promise((resolve, reject) => {
    const sent = request(url, { method, headers: [...own, ...headers] as unknown as string[], signal: AbortSignal.timeout(patienceMs) }, response => {
      text(response).then(received => { resolve({ status: response.statusCode!, headers: response.headers, text: received, code: codeOf(received) }) }, reject)
    })
    sent.on('error', reject)
    sent.end(payload)
  })
}

function codeOf (received: string): string {
  return /(?:"code":"|<code>)(PTC_\w+)/.exec(received)?.[1] ?? ''
}

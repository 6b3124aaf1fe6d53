import { Agent, request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'

/** Far beyond any deadline: whoever is not answered by then hangs. */
const patienceMs = 20_000

/** As a browser has them: some connections, kept. */
export function createAgent (): Agent {
  return new Agent({ keepAlive: true, maxSockets: 4 })
}

export interface ToAsk { agent: Agent, method?: string, headers?: Record<string, string>, body?: string }

export interface Answer { status: number, headers: IncomingHttpHeaders, body: string }

export async function ask (url: string, options: ToAsk): Promise<Answer> {
  const response = await open(url, options)
  return { status: response.statusCode!, headers: response.headers, body: await text(response) }
}

/** The answer's head; its body is there to be read, or not. */
export async function open (url: string, { agent, method = 'GET', headers = {}, body }: ToAsk): Promise<IncomingMessage> {
  const own = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)), ...body === '' ? {} : { 'content-type': 'application/json' } }
  return await new Promise((resolve, reject) => {
    const asked = request(url, { agent, method, headers: { ...headers, ...own }, signal: AbortSignal.timeout(patienceMs) }, response => {
      response.on('error', () => {})
      resolve(response)
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

/** The first line of an answer that goes on. */
export async function firstLine (response: IncomingMessage): Promise<string> {
  let received = ''
  return await new Promise((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      received += chunk.toString('latin1')
      const end = received.indexOf('\n')
      if (end === -1) return
      response.off('data', onData)
      resolve(received.slice(0, end))
    }
    response.on('data', onData)
    response.once('close', () => { reject(Object.assign(new Error('cut'), { code: 'ECONNRESET' })) })
  })
}

export function codeOf (error: unknown): string {
  const { code, name } = error as NodeJS.ErrnoException
  return typeof code === 'string' ? code : name
}

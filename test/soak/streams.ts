import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import { bearerProtocol } from '../../lib/proxy/websocket.ts'
import { firstLine, open, type ToAsk } from './ask.ts'
import type { World } from './world.ts'

/**
 * After an acknowledged end, and without a fault for as long, whatever belonged to the session has to be closed: what a gateway has
 * to have heard within 2 s, and as much again to find the store after a fault, and a little. Most pauses between faults are longer.
 */
const closedWithinMs = 5000
/** Nothing can be said of one that faults have followed for so long. */
const giveUpMs = 120_000

/** A WebSocket or an event stream that is open. */
export interface OpenStream {
  what: string
  sid: string
  readonly isOpen: boolean
  close (): void
}

/** Watches what is open of sessions that have ended. */
export class StreamWatch {
  readonly #world: World
  readonly #ended = new Map<OpenStream, number>()
  /** How many a gateway has closed after an end. */
  closed = 0

  constructor (world: World) {
    this.#world = world
  }

  get watched (): number { return this.#ended.size }

  /** The end of its session was acknowledged just now. */
  expectEnd (stream: OpenStream): void {
    this.#ended.set(stream, performance.now())
  }

  look (): void {
    const nowMs = performance.now()
    for (const [stream, endedAtMs] of this.#ended) {
      if (!stream.isOpen) this.closed++
      else if (nowMs - Math.max(endedAtMs, this.#world.quietSinceMs()) > closedWithinMs) this.#world.judge.report(`${stream.what} of ${stream.sid} is open ${Math.round(nowMs - endedAtMs)} ms after its session had been ended`)
      else if (nowMs - endedAtMs < giveUpMs) continue
      stream.close()
      this.#ended.delete(stream)
    }
  }
}

/** Resolves to the status of the handshake, and the stream when there is one. */
export async function openSocket (url: string, sid: string, { cookie, token, nonce }: { cookie: string, token: string | null, nonce: string }): Promise<{ status: number, received: string | null, stream: OpenStream | null }> {
  const socket = new WebSocket(url.replace('http', 'ws'), token === null ? [] : [bearerProtocol(token)], { headers: token === null ? { cookie } : {}, handshakeTimeout: 20_000 })
  let status = 101
  socket.on('unexpected-response', (_request, response) => {
    status = response.statusCode!
    response.resume()
    socket.terminate()
  })
  const failed = new Promise<never>((_resolve, reject) => {
    socket.on('error', reject)
    socket.once('close', () => { reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })) })
  })
  failed.catch(() => {})
  try {
    await Promise.race([once(socket, 'open'), failed])
    socket.send(nonce)
    const [data] = await Promise.race([once(socket, 'message'), failed]) as [Buffer]
    return { status: 200, received: String(data), stream: { what: 'a WebSocket', sid, get isOpen () { return socket.readyState === WebSocket.OPEN }, close: () => { socket.terminate() } } }
  } catch (error) {
    socket.terminate()
    if (status === 101) throw error
    return { status, received: null, stream: null }
  }
}

export async function openEvents (url: string, sid: string, options: ToAsk): Promise<{ status: number, received: string | null, stream: OpenStream | null }> {
  const response = await open(url, options)
  if (response.statusCode !== 200) {
    response.resume()
    return { status: response.statusCode!, received: null, stream: null }
  }
  const received = (await firstLine(response)).replace('data: ', '')
  response.resume()
  return { status: 200, received, stream: { what: 'an event stream', sid, get isOpen () { return isOpen(response) }, close: () => { response.destroy() } } }
}

function isOpen (response: IncomingMessage): boolean {
  return !response.destroyed && !response.complete
}

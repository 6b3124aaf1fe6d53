import { connect, type Socket } from 'node:net'
import { patienceMs } from '../helpers/patience.ts'

/** A request as it goes over the wire. Every text here is one character a byte (latin1): what is sent is never normalized. */
export interface Sent {
  method: string
  target: string
  headers: ReadonlyArray<readonly [name: string, value: string]>
  body: string | null
}

export interface Answer {
  status: number
  /** Lower-case names; several of one name with a line feed between. */
  headers: Record<string, string>
  body: string
}

/** How an exchange went that brought no answer. */
export type Silence = 'ended without an answer' | 'no answer in time' | 'more than one answer'

/** UTF-8, one character a byte. */
export function bytesOf (text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

export function format ({ method, target, headers, body }: Sent, id: string): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const length = body === null ? '' : `Content-Length: ${body.length}\r\n`
  return `${method} ${target} HTTP/1.1\r\nHost: app.example.com\r\nX-Fuzz: ${id}\r\n${length}${lines}\r\n${body ?? ''}`
}

/** The length of everything before the body. */
export function headLength (sent: Sent): number {
  return format({ ...sent, body: null }, '0000000').length
}

/** One keep-alive connection, one exchange at a time; it connects again when the gateway has ended it. */
export class Connection {
  readonly #port: number
  #socket: Socket | null = null
  #received = ''
  #settle: ((outcome: Answer | Silence) => void) | null = null
  #isHead = false
  #timer: NodeJS.Timeout | null = null

  constructor (port: number) {
    this.#port = port
  }

  async exchange (bytes: string, isHead: boolean): Promise<Answer | Silence> {
    if (this.#socket !== null && this.#received !== '') {
      this.#drop()
      return 'more than one answer'
    }
    const socket = this.#socket ??= this.#connect()
    this.#isHead = isHead
    return await new Promise(resolve => {
      this.#settle = resolve
      this.#timer = setTimeout(() => { this.#finish('no answer in time') }, patienceMs)
      socket.write(bytes, 'latin1')
    })
  }

  end (): void {
    this.#drop()
  }

  #connect (): Socket {
    const socket = connect(this.#port, '127.0.0.1').setNoDelay(true).setEncoding('latin1')
    this.#received = ''
    // A reset says no more than the end that follows.
    socket.on('error', () => {})
    socket.on('data', chunk => { if (socket === this.#socket) this.#take(String(chunk)) })
    socket.on('close', () => { if (socket === this.#socket) this.#finish('ended without an answer') })
    return socket
  }

  #take (chunk: string): void {
    this.#received += chunk
    const parsed = this.#settle === null ? null : parseAnswer(this.#received, this.#isHead)
    if (parsed === null) return
    this.#received = this.#received.slice(parsed.length)
    if (parsed.answer.headers['connection'] === 'close') this.#drop()
    this.#finish(parsed.answer)
  }

  #finish (outcome: Answer | Silence): void {
    if (typeof outcome === 'string') this.#drop()
    if (this.#timer !== null) clearTimeout(this.#timer)
    const settle = this.#settle
    this.#settle = null
    settle?.(outcome)
  }

  #drop (): void {
    const socket = this.#socket
    this.#socket = null
    this.#received = ''
    socket?.destroy()
  }
}

/** The first final answer in what came, and how much of it that is; null when it is not all there yet. */
function parseAnswer (received: string, isHead: boolean): { answer: Answer, length: number } | null {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd === -1) return null
  const [statusLine = '', ...lines] = received.slice(0, headEnd).split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1])
  const bodyAt = headEnd + 4
  if (status < 200) {
    const rest = parseAnswer(received.slice(bodyAt), isHead)
    return rest === null ? null : { answer: rest.answer, length: rest.length + bodyAt }
  }
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}\n${value}`
  }
  const body = isHead || status === 204 || status === 304 ? { text: '', length: 0 } : parseBody(received.slice(bodyAt), headers)
  return body === null ? null : { answer: { status, headers, body: body.text }, length: bodyAt + body.length }
}

function parseBody (text: string, headers: Record<string, string>): { text: string, length: number } | null {
  if (headers['transfer-encoding'] !== 'chunked') {
    const length = Number(headers['content-length'] ?? 0)
    return text.length < length ? null : { text: text.slice(0, length), length }
  }
  let body = ''
  for (let at = 0; ;) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd === -1) return null
    const size = parseInt(text.slice(at, lineEnd), 16)
    const end = lineEnd + 2 + size + 2
    if (text.length < end) return null
    if (size === 0) return { text: body, length: end }
    body += text.slice(lineEnd + 2, lineEnd + 2 + size)
    at = end
  }
}

/** Bytes on a connection of their own; resolves to all that came until it ended, or until nothing came for `quietMs`. */
export async function sendAlone (port: number, bytes: string, quietMs: number): Promise<string> {
  let received = ''
  const socket = connect(port, '127.0.0.1').setEncoding('latin1')
  socket.on('error', () => {})
  socket.setTimeout(quietMs, () => { socket.destroy() })
  socket.on('data', chunk => { received += String(chunk) })
  socket.write(bytes, 'latin1')
  return await new Promise(resolve => { socket.on('close', () => { resolve(received) }) })
}

import { randomBytes } from 'node:crypto'
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { connect, type Socket } from 'node:net'
import { cpuTime, serveParent } from './child.ts'
import { HeadReader, requestHead, statusOf } from './raw-http.ts'

/* WebSockets whose messages come back. A library for them would cost more than the proxies that are measured. */

export interface Sockets {
  url: string
  path: string
  /** The headers of the clients, in turn. */
  clients: Array<Record<string, string>>
  count: number
}

export interface Exchanged { messages: number, seconds: number, cpuUs: number, p50Ms: number, p99Ms: number }

const atOnce = 100
const payload = Buffer.from(JSON.stringify({ type: 'moved', id: 42, x: 1017, y: 388, at: 1755000000 }))
const key = randomBytes(4)
const sent = Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), key, payload.map((byte, at) => byte ^ key[at % 4]!)])
const returned = Buffer.concat([Buffer.from([0x81, payload.length]), payload])
/** The buffer that all connections read into: what was read is used before the next read. */
const readTo = Buffer.alloc(1 << 16)

class Client {
  readonly #socket: Socket
  readonly #heads = new HeadReader()
  #isOpen = false
  #rest: Buffer = Buffer.alloc(0)
  #settle: (error: Error | null) => void = () => {}
  readonly open: Promise<void>

  constructor (url: URL, path: string, headers: Record<string, string>) {
    this.#socket = connect({ port: Number(url.port), host: url.hostname, noDelay: true, onread: { buffer: readTo, callback: (length, buffer) => this.#read(Buffer.from(buffer.buffer, buffer.byteOffset, length)) } })
    this.#socket.on('error', error => { this.#settle(error) })
    this.#socket.on('close', () => { this.#settle(new Error('a WebSocket was closed')) })
    this.#socket.write(requestHead('GET', path, { host: url.host, ...headers, connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': randomBytes(16).toString('base64') }))
    this.open = this.#next()
  }

  /** Sends a message. Resolves when it has come back, and rejects if something else comes. */
  async exchange (): Promise<void> {
    const answered = this.#next()
    this.#socket.write(sent)
    await answered
  }

  end (): void {
    this.#settle = () => {}
    this.#socket.destroy()
  }

  async #next (): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#settle = error => {
        if (error === null) resolve()
        else reject(error)
      }
    })
  }

  #read (piece: Buffer): boolean {
    if (this.#isOpen) this.#readMessage(piece)
    else this.#readHead(piece)
    return true
  }

  #readHead (piece: Buffer): void {
    const read = this.#heads.read(piece)
    if (read === null) return
    this.#isOpen = true
    this.#settle(statusOf(read.head) === 101 ? null : new Error(`the handshake is answered ${read.head}`))
  }

  #readMessage (piece: Buffer): void {
    const message = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece])
    const isComplete = message.length >= returned.length
    this.#rest = isComplete ? Buffer.alloc(0) : Buffer.from(message)
    if (isComplete) this.#settle(message.equals(returned) ? null : new Error('another message comes back than was sent'))
  }
}

let clients: Client[] = []

/** Opens WebSockets in groups, and sends one message on each, so that all are in use. */
async function open ({ url, path, clients: all, count }: Sockets): Promise<void> {
  end()
  for (let from = 0; from < count; from += atOnce) {
    const group = Array.from({ length: Math.min(atOnce, count - from) }, (_, index) => new Client(new URL(url), path, all[(from + index) % all.length]!))
    clients.push(...group)
    await Promise.all(group.map(async client => {
      await client.open
      await client.exchange()
    }))
  }
}

/** Sends the next message on each WebSocket when the last one has come back. */
async function exchange ({ seconds }: { seconds: number }): Promise<Exchanged> {
  const latencies: RecordableHistogram = createHistogram()
  const before = cpuTime()
  const endMs = performance.now() + seconds * 1000
  await Promise.all(clients.map(async client => {
    for (let nowMs = performance.now(); nowMs < endMs;) {
      await client.exchange()
      const sentMs = nowMs
      nowMs = performance.now()
      latencies.record(Math.max(1, Math.round((nowMs - sentMs) * 1000)))
    }
  }))
  const { cpuUs, atUs } = cpuTime()
  return { messages: latencies.count, seconds: (atUs - before.atUs) / 1e6, cpuUs: cpuUs - before.cpuUs, p50Ms: latencies.percentile(50) / 1000, p99Ms: latencies.percentile(99) / 1000 }
}

function end (): void {
  for (const client of clients) client.end()
  clients = []
}

serveParent({}, { cpu: cpuTime, open, exchange, end })

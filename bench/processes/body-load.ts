import { connect, type Socket } from 'node:net'
import { cpuTime, serveParent } from './child.ts'
import { contentLength, HeadReader, requestHead, statusOf, writeBody } from './raw-http.ts'

/* Big bodies in a closed loop. An HTTP library would cost more than the proxies that are measured. */

export interface Transfers {
  url: string
  path: string
  headers: Record<string, string>
  direction: 'download' | 'upload'
  /** The size of each body. */
  bytes: number
  connections: number
  seconds: number
}

export interface Transferred { transfers: number, seconds: number, cpuUs: number }

/** The buffer that all connections read into: what was read is counted before the next read. */
const readTo = Buffer.alloc(1 << 18)

class Connection {
  readonly #transfers: Transfers
  readonly #socket: Socket
  readonly #heads = new HeadReader()
  readonly #head: string
  #bodyLeft = 0
  #done: (error: Error | null) => void = () => {}

  constructor (transfers: Transfers) {
    const { url, path, headers, direction, bytes } = transfers
    const { hostname, port, host } = new URL(url)
    this.#transfers = transfers
    this.#head = requestHead(direction === 'upload' ? 'POST' : 'GET', path, { host, ...headers, ...direction === 'upload' ? { 'content-type': 'application/octet-stream', 'content-length': String(bytes) } : {} })
    this.#socket = connect({ port: Number(port), host: hostname, onread: { buffer: readTo, callback: (length, buffer) => this.#read(Buffer.from(buffer.buffer, buffer.byteOffset, length)) } })
    this.#socket.on('error', error => { this.#done(error) })
    this.#socket.on('close', () => { this.#done(new Error('the connection ended in the middle of an exchange')) })
  }

  /** Rejects for an answer other than 200, and for a body of another size. */
  async transfer (): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#done = error => {
        if (error === null) resolve()
        else reject(error)
      }
      this.#socket.write(this.#head)
      if (this.#transfers.direction === 'upload') writeBody(this.#socket, this.#transfers.bytes)
    })
  }

  end (): void {
    this.#done = () => {}
    this.#socket.destroy()
  }

  #read (piece: Buffer): boolean {
    const length = this.#bodyLeft > 0 ? 0 : this.#readHead(piece)
    if (length === null) return true
    this.#bodyLeft -= piece.length - length
    if (this.#bodyLeft === 0) this.#done(null)
    return true
  }

  /** Returns how many bytes of the piece belong to the head; null if more of the head is to come. */
  #readHead (piece: Buffer): number | null {
    const read = this.#heads.read(piece)
    if (read === null) return null
    const { direction, bytes } = this.#transfers
    const length = contentLength(read.head)
    if (statusOf(read.head) !== 200) this.#done(new Error(`the answer is ${read.head}`))
    else if (direction === 'download' ? length !== bytes : Number.isNaN(length)) this.#done(new Error(`the length of the body is not stated, or wrong: ${read.head}`))
    this.#bodyLeft = length
    return read.length
  }
}

/** Sends the next request on each connection when the answer has arrived, until the time is over; then all finish. */
async function run (transfers: Transfers): Promise<Transferred> {
  const connections = Array.from({ length: transfers.connections }, () => new Connection(transfers))
  const before = cpuTime()
  let done = 0
  async function repeat (connection: Connection): Promise<void> {
    do {
      await connection.transfer()
      done++
    } while (cpuTime().atUs - before.atUs < transfers.seconds * 1e6)
  }
  try {
    await Promise.all(connections.map(repeat))
    const { cpuUs, atUs } = cpuTime()
    return { transfers: done, seconds: (atUs - before.atUs) / 1e6, cpuUs: cpuUs - before.cpuUs }
  } finally {
    for (const connection of connections) connection.end()
  }
}

serveParent({}, { run })

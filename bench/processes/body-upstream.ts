import { createHash, type Hash } from 'node:crypto'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { cpuTime, serveParent } from './child.ts'
import { contentLength, HeadReader, writeBody } from './raw-http.ts'

/**
 * A connection to the upstream of big bodies. A path that ends with a number is answered with as many bytes. Anything else is read to its end, and then
 * answered; under `/digest` with the digest of its body.
 */
class Connection {
  readonly #socket: Socket
  readonly #heads = new HeadReader()
  #bodyLeft = 0
  #path = ''
  #digest: Hash | null = null

  constructor (socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {}).on('data', (piece: Buffer) => { this.#read(piece) })
  }

  #read (piece: Buffer): void {
    if (this.#bodyLeft > 0) return this.#readBody(piece)
    const read = this.#heads.read(piece)
    if (read === null) return
    this.#path = /^\w+ (\S+)/.exec(read.head)?.[1] ?? ''
    const bytes = /\/(\d+)$/.exec(this.#path)?.[1]
    if (bytes !== undefined) return this.#download(Number(bytes))
    this.#bodyLeft = contentLength(read.head)
    if (Number.isNaN(this.#bodyLeft)) return this.#answer('411 Length Required', 'the length is missing')
    this.#digest = this.#path.endsWith('/digest') ? createHash('sha256') : null
    this.#readBody(piece.subarray(read.length))
  }

  #readBody (piece: Buffer): void {
    this.#bodyLeft -= piece.length
    this.#digest?.update(piece)
    if (this.#bodyLeft === 0) this.#answer('200 OK', this.#digest?.digest('hex') ?? 'all of it')
  }

  #download (bytes: number): void {
    this.#socket.write(`HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: ${bytes}\r\n\r\n`)
    writeBody(this.#socket, bytes)
  }

  #answer (status: string, text: string): void {
    this.#socket.write(`HTTP/1.1 ${status}\r\ncontent-type: text/plain\r\ncontent-length: ${text.length}\r\n\r\n${text}`)
  }
}

const server = createServer(socket => new Connection(socket))
server.listen(0, '127.0.0.1', () => {
  serveParent({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, { cpu: cpuTime })
})

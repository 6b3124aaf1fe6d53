import type { Socket } from 'node:net'

/* The parts of HTTP/1.1 that load generators and upstreams need where a library would cost more than the measured process. */

/** The bytes that every big body repeats: a megabyte. */
export const bodyChunk = Buffer.alloc(1_000_000, 'a body of the bench ')

/** Reads the head of a message, which may arrive in pieces. */
export class HeadReader {
  #pieces = Buffer.alloc(0)

  /** Returns the head, and how many bytes of this piece belong to it; null until the head is complete. */
  read (piece: Buffer): { head: string, length: number } | null {
    const before = this.#pieces.length
    this.#pieces = Buffer.concat([this.#pieces, piece])
    const end = this.#pieces.indexOf('\r\n\r\n') + 4
    if (end === 3) return null
    const head = this.#pieces.toString('latin1', 0, end)
    this.#pieces = Buffer.alloc(0)
    return { head, length: end - before }
  }
}

export function requestHead (method: 'GET' | 'POST', path: string, headers: Record<string, string>): string {
  return `${method} ${path} HTTP/1.1\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

export function statusOf (head: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1])
}

/** Returns the length of the body; NaN if the head does not state it. */
export function contentLength (head: string): number {
  return Number(/^content-length: *(\d+)\r$/im.exec(head)?.[1])
}

/** Writes a body of this size, no faster than the other side accepts it. */
export function writeBody (socket: Socket, bytes: number): void {
  let left = bytes
  function writeMore (): void {
    for (let takesMore = true; left > 0 && takesMore;) {
      const part = left < bodyChunk.length ? bodyChunk.subarray(0, left) : bodyChunk
      left -= part.length
      takesMore = socket.write(part)
    }
    if (left > 0) socket.once('drain', writeMore)
  }
  writeMore()
}

import type { Socket } from 'node:net'

/* The little of HTTP/1.1 that generators and upstreams need which must cost less than what they measure. */

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

/** Writes as many bytes as a body has, the chunk again and again, no faster than they are taken. */
export function writeBody (socket: Socket, bytes: number, chunk: Buffer): void {
  let left = bytes
  function writeMore (): void {
    for (let takesMore = true; left > 0 && takesMore;) {
      const part = left < chunk.length ? chunk.subarray(0, left) : chunk
      left -= part.length
      takesMore = socket.write(part)
    }
    if (left > 0) socket.once('drain', writeMore)
  }
  writeMore()
}

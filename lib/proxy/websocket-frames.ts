const isKnownOpcode = (opcode: number): boolean => opcode <= 2 || (opcode >= 8 && opcode <= 10)
const close = 8

/** Returns the length of a frame's head, as far as its first `have` bytes determine it (RFC 6455, Base Framing Protocol). */
function headLength (head: Buffer, have: number): number {
  if (have < 2) return 2
  const length = head[1]! & 0x7f
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (head[1]! >= 0x80 ? 4 : 0)
}

function payloadLength (head: Buffer): number {
  const length = head[1]! & 0x7f
  if (length < 126) return length
  return length === 126 ? head.readUInt16BE(2) : Number(head.readBigUInt64BE(2))
}

function isFrameHead (head: Buffer, isMasked: boolean): boolean {
  const opcode = head[0]! & 0x0f
  if (!isKnownOpcode(opcode) || (head[1]! >= 0x80) !== isMasked) return false
  // Control frames are short and not fragmented.
  return opcode < close || (head[0]! >= 0x80 && (head[1]! & 0x7f) < 126)
}

/** Finds the frame boundaries of a WebSocket in the bytes that pass by. It stores no bytes except an unfinished head. */
export class FrameReader {
  readonly #isMasked: boolean
  readonly #head = Buffer.alloc(14)
  #have = 0
  #left = 0
  #hasClosed = false

  /** `isMasked` is true for frames from clients, and false for frames from servers. */
  constructor (isMasked: boolean) {
    this.#isMasked = isMasked
  }

  /** True if a Close frame has begun. */
  get hasClosed (): boolean { return this.#hasClosed }

  /** True if another frame could begin here. */
  get isBetween (): boolean { return this.#have === 0 && this.#left === 0 }

  /**
   * Reads a chunk. Returns how many of its bytes belong to frames, up to the next boundary if `once`; -1 if they are not those of a
   * WebSocket.
   */
  read (chunk: Buffer, once: boolean): number {
    let at = 0
    while (at < chunk.length) {
      if (once && this.isBetween) break
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at)
        this.#left -= taken
        at += taken
        continue
      }
      this.#head[this.#have++] = chunk[at++]!
      if (this.#have === headLength(this.#head, this.#have) && !this.#begin()) return -1
    }
    return at
  }

  #begin (): boolean {
    if (!isFrameHead(this.#head, this.#isMasked)) return false
    if ((this.#head[0]! & 0x0f) === close) this.#hasClosed = true
    this.#left = payloadLength(this.#head)
    this.#have = 0
    return Number.isSafeInteger(this.#left)
  }
}

/** Returns a Close frame with a code and without a reason. */
export function closeFrame (code: number, isMasked: boolean): Buffer {
  // A mask of zeros leaves the payload unchanged. The payload contains no secret that a mask would have to hide.
  return Buffer.from([0x88, isMasked ? 0x82 : 0x02, ...isMasked ? [0, 0, 0, 0] : [], code >> 8, code & 0xff])
}

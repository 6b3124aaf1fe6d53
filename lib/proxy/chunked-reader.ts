import { checkTrailer } from './response-head.ts'
import { ResponseInvalid } from './response-invalid.ts'

/** Maximum length of the extensions of a chunk. */
const longestExtensions = 1024

/** Extensions without blanks: names, and values that are words or quoted texts. */
const extensions = /^(?:;[\w!#$%&'*+.^`|~-]+(?:=(?:[\w!#$%&'*+.^`|~-]+|"(?:[^"\\]|\\.)*"))?)+$/

/** More digits could not be a number of bytes that a program can count. */
const mostDigits = 12

type State = 'size' | 'extension' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | 'trailer' | 'trailer-lf' | 'ended'

/** Reads a chunked body (RFC 9112, section 7.1), strictly. Extensions and trailers are checked and discarded. */
export class ChunkedReader {
  readonly #mostTrailerBytes: number
  #state: State = 'ended'
  #size = 0
  #digits = 0
  #trailerBytes = 0
  #line = ''
  /** Part of the buffer that holds the data after `read`. */
  dataFrom = 0
  dataTo = 0

  constructor (mostTrailerBytes: number) {
    this.#mostTrailerBytes = mostTrailerBytes
  }

  get hasEnded (): boolean { return this.#state === 'ended' }

  start (): void {
    this.#trailerBytes = 0
    this.#startChunk()
  }

  /**
   * Reads up to the end of the body or of the bytes, and returns where it stopped. The data of all chunks is moved together in `bytes`, from
   * `dataFrom` to `dataTo`. Throws a ResponseInvalid.
   */
  read (bytes: Buffer, from: number): number {
    this.dataFrom = this.dataTo = from
    let at = from
    while (at < bytes.length && this.#state !== 'ended') {
      if (this.#state === 'data') at = this.#readData(bytes, at)
      else this.#readByte(bytes[at++]!)
    }
    return at
  }

  #startChunk (): void {
    this.#state = 'size'
    this.#size = this.#digits = 0
  }

  #readData (bytes: Buffer, from: number): number {
    const end = Math.min(bytes.length, from + this.#size)
    if (this.dataTo === this.dataFrom) this.dataFrom = this.dataTo = from
    else if (this.dataTo !== from) bytes.copyWithin(this.dataTo, from, end)
    this.dataTo += end - from
    this.#size -= end - from
    if (this.#size === 0) this.#state = 'data-cr'
    return end
  }

  #readByte (byte: number): void {
    switch (this.#state) {
      case 'size': this.#readSize(byte); break
      case 'extension': this.#readExtension(byte); break
      case 'size-lf':
        expect(byte, 0x0a)
        this.#state = this.#size === 0 ? 'trailer' : 'data'
        break
      case 'data-cr':
        expect(byte, 0x0d)
        this.#state = 'data-lf'
        break
      case 'data-lf':
        expect(byte, 0x0a)
        this.#startChunk()
        break
      case 'trailer': this.#readTrailer(byte); break
      case 'trailer-lf':
        expect(byte, 0x0a)
        this.#endTrailer()
        break
      case 'data':
      case 'ended': throw new TypeError('not a byte of the framing')
    }
  }

  #readSize (byte: number): void {
    const digit = digitOf(byte)
    if (digit !== -1) {
      if (++this.#digits > mostDigits) throw new ResponseInvalid('the size of a chunk is too large')
      this.#size = this.#size * 16 + digit
    } else if (this.#digits === 0) throw new ResponseInvalid('the size of a chunk is not a number')
    else if (byte === 0x0d) this.#state = 'size-lf'
    else if (byte === 0x3b) {
      this.#state = 'extension'
      this.#line = ';'
    } else throw new ResponseInvalid('the size of a chunk is not a number')
  }

  #readExtension (byte: number): void {
    if (byte === 0x0d) {
      if (!extensions.test(this.#line)) throw new ResponseInvalid('the extensions of a chunk are malformed')
      this.#line = ''
      this.#state = 'size-lf'
    } else if (!isText(byte)) throw new ResponseInvalid('the extensions of a chunk have a control character')
    else if (this.#line.length === longestExtensions) throw new ResponseInvalid('the extensions of a chunk are too long')
    else this.#line += String.fromCharCode(byte)
  }

  #readTrailer (byte: number): void {
    if (++this.#trailerBytes > this.#mostTrailerBytes) throw new ResponseInvalid('its trailers are too long')
    if (byte === 0x0d) this.#state = 'trailer-lf'
    else if (isText(byte)) this.#line += String.fromCharCode(byte)
    else throw new ResponseInvalid('its trailers have a control character')
  }

  #endTrailer (): void {
    const line = this.#line
    this.#line = ''
    if (line !== '') checkTrailer(line)
    this.#state = line === '' ? 'ended' : 'trailer'
  }
}

function expect (byte: number, expected: number): void {
  if (byte !== expected) throw new ResponseInvalid('a chunk does not end where its size says')
}

function isText (byte: number): boolean {
  return byte > 0x1f ? byte !== 0x7f : byte === 0x09
}

function digitOf (byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

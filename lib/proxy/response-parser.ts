import { ChunkedReader } from './chunked-reader.ts'
import { readHead, type Head } from './response-head.ts'
import { ResponseInvalid } from './response-invalid.ts'

/** Receives a response while it is parsed: one head, its data, and its end. */
export interface ResponseReceiver {
  /**
   * `headers` are name, value, name, value…, as they arrived, with names in lower case; `length` is Content-Length. Informational responses
   * are not reported.
   */
  onHead (status: number, headers: string[], length: number | null): void
  /** The bytes are valid only during the call. */
  onData (bytes: Buffer): void
  onEnd (): void
}

export interface ExpectedResponse {
  /** Method of the request. */
  readonly method: string
  /** True if the request asks for a change of protocols, so that 101 is a final response. */
  readonly isUpgrade: boolean
}

/** Maximum number of informational responses before the final one. */
const mostInformational = 64

type State = 'idle' | 'head' | 'length' | 'chunked' | 'close' | 'upgraded'

/**
 * Parses the responses of one connection of HTTP/1.1 (RFC 9112), one after another. It is strict: what two parsers could read in different
 * ways is a ResponseInvalid, after which the connection must be destroyed.
 */
export class ResponseParser {
  readonly #receiver: ResponseReceiver
  readonly #mostHeadBytes: number
  readonly #chunked: ChunkedReader
  #state: State = 'idle'
  #expected: ExpectedResponse = { method: 'GET', isUpgrade: false }
  #informational = 0
  /** Bytes of the body that are missing. */
  #missing = 0
  #isReusable = false
  #isTouched = false
  /** Value of the last response's Keep-Alive; empty if it was absent. */
  keepAlive = ''
  /** Parts of an incomplete head, and how far its last bytes are into the empty line that ends it. */
  #parts: Buffer[] = []
  #headBytes = 0
  #ending = 0

  constructor (receiver: ResponseReceiver, mostHeadBytes: number) {
    this.#receiver = receiver
    this.#mostHeadBytes = mostHeadBytes
    this.#chunked = new ChunkedReader(mostHeadBytes)
  }

  /** True if the response has ended and the connection can be used for another request. */
  get isReusable (): boolean { return this.#state === 'idle' && this.#isReusable }

  /** Prepares for the response to a request. */
  expect (expected: ExpectedResponse): void {
    this.#expected = expected
    this.#state = 'head'
    this.#informational = 0
    this.#isReusable = false
    this.#isTouched = false
  }

  /**
   * Parses the next bytes of the connection. Returns how many belong to HTTP; the rest follows a change of protocols. Throws a
   * ResponseInvalid.
   */
  execute (bytes: Buffer): number {
    this.#isTouched = true
    let at = 0
    while (at < bytes.length) {
      switch (this.#state) {
        case 'head': at = this.#readHead(bytes, at); break
        case 'length': at = this.#readLength(bytes, at); break
        case 'chunked': at = this.#readChunked(bytes, at); break
        case 'close':
          this.#receiver.onData(at === 0 ? bytes : bytes.subarray(at))
          at = bytes.length
          break
        case 'upgraded': return at
        case 'idle':
          // Bytes that belong to no request could be read as a response to the next.
          this.#isReusable = false
          return bytes.length
      }
    }
    return at
  }

  /** Ends the response with its connection, which was closed in order. Throws a ResponseInvalid if the response is incomplete. */
  finish (): void {
    if (this.#state === 'close') this.#end()
    else if (this.#state !== 'idle' && this.#state !== 'upgraded') throw new ResponseInvalid('the connection ends before its end')
  }

  /** True if no byte of the expected response has arrived. */
  get isUntouched (): boolean { return !this.#isTouched }

  /** Number of informational responses before the final one. */
  get informational (): number { return this.#informational }

  /** True while the head of the response is incomplete. */
  get isInHead (): boolean { return this.#state === 'head' }

  #readHead (bytes: Buffer, from: number): number {
    const end = this.#findHeadEnd(bytes, from)
    const part = end === -1 ? bytes.length : end
    this.#headBytes += part - from
    if (this.#headBytes > this.#mostHeadBytes) throw new ResponseInvalid(`its head has more than ${this.#mostHeadBytes} bytes (responseHeaders)`)
    if (end === -1) {
      this.#parts.push(Buffer.from(bytes.subarray(from)))
      return bytes.length
    }
    const head = readHead(this.#parts.length === 0 ? bytes.toString('latin1', from, end) : this.#join(bytes, from, end))
    this.#headBytes = 0
    this.#begin(head)
    return end
  }

  #join (bytes: Buffer, from: number, end: number): string {
    const text = Buffer.concat([...this.#parts, bytes.subarray(from, end)]).toString('latin1')
    this.#parts = []
    return text
  }

  /** Returns the index behind the empty line that ends the head; -1 if it is not there yet. Rejects characters that no head has. */
  #findHeadEnd (bytes: Buffer, from: number): number {
    let ending = this.#ending
    for (let i = from; i < bytes.length; i++) {
      const byte = bytes[i]!
      if (byte === 0x0a) {
        if (ending !== 1 && ending !== 3) throw new ResponseInvalid('its head has a line feed without a carriage return')
        if (++ending === 4) {
          this.#ending = 0
          return i + 1
        }
      } else if (ending === 1 || ending === 3) throw new ResponseInvalid('its head has a carriage return without a line feed')
      else if (byte === 0x0d) ending++
      else if (byte > 0x1f ? byte !== 0x7f : byte === 0x09) ending = 0
      else throw new ResponseInvalid('its head has a control character')
    }
    this.#ending = ending
    return -1
  }

  #begin (head: Head): void {
    const { status } = head
    if (status === 101) this.#upgrade(head)
    else if (status < 200) {
      if (head.length !== null || head.isChunked || !head.keepsAlive) throw new ResponseInvalid('an informational response has a body, or ends the connection')
      if (++this.#informational > mostInformational) throw new ResponseInvalid('too many informational responses')
    } else this.#beginBody(head)
  }

  #upgrade ({ status, headers }: Head): void {
    if (!this.#expected.isUpgrade) throw new ResponseInvalid('it changes the protocol, which was not requested')
    this.#state = 'upgraded'
    this.#receiver.onHead(status, headers, null)
  }

  #beginBody ({ status, headers, length, isChunked, keepsAlive, keepAlive }: Head): void {
    this.#isReusable = keepsAlive
    this.keepAlive = keepAlive
    if (status === 204 || status === 304 || this.#expected.method === 'HEAD') {
      // A server that believes that there is a body may send it.
      if (status === 204 && (isChunked || (length !== null && length > 0))) this.#isReusable = false
      this.#receiver.onHead(status, headers, length)
      this.#end()
      return
    }
    if (isChunked) this.#chunked.start()
    this.#missing = length ?? 0
    this.#state = isChunked ? 'chunked' : length === null ? 'close' : 'length'
    if (this.#state === 'close') this.#isReusable = false
    this.#receiver.onHead(status, headers, length)
    if (length === 0) this.#end()
  }

  #readLength (bytes: Buffer, from: number): number {
    const end = Math.min(bytes.length, from + this.#missing)
    this.#missing -= end - from
    this.#receiver.onData(bytes.subarray(from, end))
    if (this.#missing === 0) this.#end()
    return end
  }

  #readChunked (bytes: Buffer, from: number): number {
    const end = this.#chunked.read(bytes, from)
    const { dataFrom, dataTo } = this.#chunked
    if (dataTo > dataFrom) this.#receiver.onData(bytes.subarray(dataFrom, dataTo))
    if (this.#chunked.hasEnded) this.#end()
    return end
  }

  #end (): void {
    this.#state = 'idle'
    this.#receiver.onEnd()
  }
}

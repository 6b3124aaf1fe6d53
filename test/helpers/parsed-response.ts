import { ResponseInvalid } from '../../lib/proxy/response-invalid.ts'
import { ResponseParser, type ExpectedResponse } from '../../lib/proxy/response-parser.ts'

export interface ParsedResponse {
  /** `complete`, `open` if more bytes can follow, `cut` if the connection ended too early, or why the response is invalid. */
  outcome: string
  status: number | null
  headers: string[]
  body: string
  isReusable: boolean
  /** Bytes that follow a change of protocols. */
  rest: string
}

export interface ParseOptions extends Partial<ExpectedResponse> {
  /** Number of bytes in each part that the parser receives. Default: all. */
  partBytes?: number | ((at: number) => number)
  /** Whether the connection ends after the bytes. Default true. */
  ends?: boolean
  mostHeadBytes?: number
}

/** Parses the bytes of a connection as the response to one request. */
export function parseResponse (bytes: Buffer, { method = 'GET', isUpgrade = false, partBytes = bytes.length, ends = true, mostHeadBytes = 65_536 }: ParseOptions = {}): ParsedResponse {
  const parsed: ParsedResponse = { outcome: 'open', status: null, headers: [], body: '', isReusable: false, rest: '' }
  const parser = new ResponseParser({
    onHead (status, headers) { Object.assign(parsed, { status, headers }) },
    onData (data) { parsed.body += data.toString('latin1') },
    onEnd () { parsed.outcome = 'complete' }
  }, mostHeadBytes)
  parser.expect({ method, isUpgrade })
  try {
    for (let at = 0; at < bytes.length;) {
      const size = Math.max(1, typeof partBytes === 'number' ? partBytes : partBytes(at))
      // The parser may move data together, as in the buffer of a connection.
      const part = Buffer.from(bytes.subarray(at, at + size))
      const used = parser.execute(part)
      if (parsed.status === 101) {
        parsed.outcome = 'complete'
        parsed.rest = bytes.subarray(at + used).toString('latin1')
        break
      }
      at += size
    }
    if (ends && parsed.outcome === 'open') parser.finish()
  } catch (error) {
    if (!(error instanceof ResponseInvalid)) throw error
    if (parsed.outcome === 'open') parsed.outcome = error.message
  }
  return { ...parsed, isReusable: parser.isReusable }
}

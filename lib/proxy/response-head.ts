import type { IncomingHttpHeaders } from 'node:http'
import { ResponseInvalid } from './response-invalid.ts'

/** The head of a response (RFC 9112, sections 4 to 6). */
export interface Head {
  status: number
  /** Name, value, name, value…, as they arrived, with names in lower case and values without surrounding blanks. */
  headers: string[]
  /** Content-Length; null if it is absent. */
  length: number | null
  /** True if the transfer coding is `chunked`. */
  isChunked: boolean
  /** Value of Connection, all lines of it; empty if it is absent. */
  connection: string
  /** True if the connection persists after the response. */
  keepsAlive: boolean
  /** Value of Keep-Alive; empty if it is absent. */
  keepAlive: string
}

const statusLine = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [^\r\n]*)?\r\n/
const token = /^[\w!#$%&'*+.^`|~-]+$/

/** Names in lower case, by the spelling in which they arrived. A lookup costs less than a check and a conversion. */
const knownNames = new Map<string, string>()
const mostKnownNames = 512
const longestKnownName = 64

/**
 * Reads a head in Latin-1, with its status line and the empty line at its end. The caller has checked that it has no control characters
 * except tabs, and no line ends except CR LF. Throws a ResponseInvalid.
 */
export function readHead (text: string): Head {
  const match = statusLine.exec(text)
  if (match === null) throw new ResponseInvalid('its status line is not one of HTTP/1.0 or HTTP/1.1')
  const head: Head = { status: Number(match[2]), headers: [], length: null, isChunked: false, connection: '', keepsAlive: false, keepAlive: '' }
  const end = text.length - 2
  for (let at = match[0].length; at < end;) {
    const lineEnd = text.indexOf('\r\n', at)
    readLine(head, text, at, lineEnd)
    at = lineEnd + 2
  }
  head.keepsAlive = keepsAlive(head.connection, match[1]!)
  if (head.isChunked) checkChunked(head, match[1]!)
  return head
}

/** Checks a trailer of a chunked body. Throws a ResponseInvalid if it is not a header. */
export function checkTrailer (line: string): void {
  const name = nameOf(line.slice(0, Math.max(0, line.indexOf(':'))))
  if (name === 'content-length' || name === 'transfer-encoding') throw new ResponseInvalid('its trailers have a header of the framing')
}

function readLine (head: Head, text: string, from: number, to: number): void {
  const colon = text.indexOf(':', from)
  if (colon === -1 || colon > to) throw new ResponseInvalid('a header has no colon')
  const name = nameOf(text.slice(from, colon))
  const value = trimmed(text, colon + 1, to)
  // With a tab behind it, Node's parser does not read `chunked` as such.
  if (text.charCodeAt(to - 1) === 0x09 && (name === 'content-length' || name === 'transfer-encoding')) throw new ResponseInvalid('a tab is behind the value of a header of the framing')
  head.headers.push(name, value)
  switch (name) {
    case 'content-length': head.length = lengthOf(value, head.length); break
    case 'transfer-encoding': head.isChunked = isChunkedAlone(value, head.isChunked); break
    case 'keep-alive': head.keepAlive = value; break
    case 'connection': head.connection = head.connection === '' ? value : `${head.connection},${value}`; break
  }
}

function nameOf (given: string): string {
  const known = knownNames.get(given)
  if (known !== undefined) return known
  // A blank before the colon and a folded line are refused too, because neither is part of a name.
  if (!token.test(given)) throw new ResponseInvalid('the name of a header is malformed')
  const name = given.toLowerCase()
  if (knownNames.size < mostKnownNames && given.length <= longestKnownName) knownNames.set(given, name)
  return name
}

function trimmed (text: string, from: number, to: number): string {
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}

function isBlank (code: number): boolean {
  return code === 0x20 || code === 0x09
}

function lengthOf (value: string, before: number | null): number {
  if (before !== null) throw new ResponseInvalid('it has more than one Content-Length')
  if (!/^\d{1,15}$/.test(value)) throw new ResponseInvalid('its Content-Length is not a number of bytes')
  return Number(value)
}

function isChunkedAlone (value: string, isAnother: boolean): true {
  if (isAnother || value.toLowerCase() !== 'chunked') throw new ResponseInvalid('its transfer coding is not chunked alone')
  return true
}

function keepsAlive (connection: string, minor: string): boolean {
  if (connection === '' || connection === 'keep-alive') return minor === '1' || connection !== ''
  const options = connection.toLowerCase().split(',').map(option => option.trim())
  return !options.includes('close') && (minor === '1' || options.includes('keep-alive'))
}

function checkChunked ({ length }: Head, minor: string): void {
  if (length !== null) throw new ResponseInvalid('it has both Content-Length and Transfer-Encoding')
  if (minor === '0') throw new ResponseInvalid('HTTP/1.0 has no transfer codings')
}

/** Returns headers by their names. A name that occurs several times has all its values, in their order. */
export function collectHeaders (headers: readonly string[]): IncomingHttpHeaders {
  const collected = Object.create(null) as Record<string, string | string[]>
  for (let i = 0; i < headers.length; i += 2) {
    const [name, value] = [headers[i]!, headers[i + 1]!]
    const before = collected[name]
    if (before === undefined) collected[name] = value
    else if (typeof before === 'string') collected[name] = [before, value]
    else before.push(value)
  }
  return collected
}

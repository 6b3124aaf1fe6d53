import fc, { type Arbitrary } from 'fast-check'
import type { Outcome, Phase, Target } from './campaign.ts'
import { bytesOf, sendAlone } from './wire.ts'

/*
 * Where one request ends and the next begins: Content-Length and Transfer-Encoding in every combination and spelling, line ends,
 * chunks. Behind each stands a canary that may arrive at the upstream only if, read by the letter of RFC 9112, it is a request
 * of its own.
 */

export interface Framed { first: string, lines: string[], lineEnd: string, body: string }

const lengths = ['0', '4', '5', '04', '+4', '-4', '0x4', '4 4', '4, 4', '4,5', '', ' 4', '4 ', '4.0', '4e0', bytesOf('١'), '99999999999999999999', '1844674407370955161', '2147483648', '\x0b4', '4\0', '"4"']
const codings = ['chunked', 'Chunked', 'CHUNKED', 'chunked, chunked', 'gzip, chunked', 'chunked, gzip', 'gzip', 'identity', 'identity, chunked', 'x', '', ' chunked', 'chunked ', '\tchunked', '\x0bchunked', '"chunked"', 'chunked;q=1', 'chunked,', ',chunked', 'chun ked', 'chunked\0', '\xa0chunked']
const lengthNames = ['Content-Length', 'content-length', 'CONTENT-LENGTH', 'Content-Length ', 'Content_Length', ' Content-Length', 'Content-Length\t', 'Content-Length\0', 'X-Content-Length']
const codingNames = ['Transfer-Encoding', 'transfer-encoding', 'Transfer-Encoding ', 'Transfer_Encoding', ' Transfer-Encoding', '\tTransfer-Encoding', 'Transfer-Encoding\0', 'Transfer\rEncoding', 'X:\nTransfer-Encoding', 'X: a\rTransfer-Encoding']

const line = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom(...lengthNames, 'Content-Length', 'Content-Length', 'Content-Length'), fc.constantFrom(...lengths)).map(([name, value]) => `${name}: ${value}`) },
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom(...codingNames, 'Transfer-Encoding', 'Transfer-Encoding', 'Transfer-Encoding'), fc.constantFrom(...codings)).map(([name, value]) => `${name}: ${value}`) },
  { weight: 1, arbitrary: fc.constantFrom('Connection: close', 'Connection: keep-alive', 'Connection: Content-Length', 'Connection: Transfer-Encoding', 'Expect: 100-continue', 'Upgrade: websocket', 'X: a', 'X:', ': a', 'no colon', 'X: a\0b', 'X: a\rb', 'Trailer: X', 'TE: trailers', 'Host: b') }
)

const chunk = fc.constantFrom('4\r\nbody\r\n', '04\r\nbody\r\n', '4;a=b\r\nbody\r\n', '4;a="\n"\r\nbody\r\n', '4 \r\nbody\r\n', ' 4\r\nbody\r\n', '0x4\r\nbody\r\n', '+4\r\nbody\r\n', '-4\r\nbody\r\n', '4\nbody\r\n', '4\rbody\r\n', '4\r\nbody\n', '4\r\nbodyxx', '4\r\nbody', 'ffffffffffffffff4\r\nbody\r\n', 'g\r\nbody\r\n', '\r\n')
const last = fc.constantFrom('0\r\n\r\n', '0\r\n\r\n', '0\r\n\r\n', '00\r\n\r\n', '0;a\r\n\r\n', '0\n\n', '0\r\n', '0\r\nX: a\r\n\r\n', '0\r\nContent-Length: 9\r\n\r\n', '0\r\n : a\r\n\r\n', '0x0\r\n\r\n', '-0\r\n\r\n', '')

const body = fc.oneof(fc.constantFrom('', 'body', 'bod', 'body!'), fc.tuple(fc.array(chunk, { maxLength: 2 }), last).map(([chunks, end]) => chunks.join('') + end))

const first = fc.oneof({ weight: 8, arbitrary: fc.constantFrom('POST /pub/first HTTP/1.1', 'GET /pub/first HTTP/1.1', 'POST /orders/first HTTP/1.1', 'POST /auth/logout HTTP/1.1') }, fc.constantFrom('POST /pub/first HTTP/1.0', 'POST  /pub/first HTTP/1.1', 'POST /pub/first HTTP/1.1 ', 'POST\t/pub/first HTTP/1.1', 'POST /pub/first', 'POST /pub/first HTTP/2.0', 'POST /pub/fi\0rst HTTP/1.1', '\r\nPOST /pub/first HTTP/1.1', 'HEAD /pub/first HTTP/1.1', 'CONNECT /pub/first HTTP/1.1', 'TRACE /pub/first HTTP/1.1'))

const framed = fc.record({ first, lines: fc.array(line, { minLength: 1, maxLength: 3 }), lineEnd: fc.oneof({ weight: 9, arbitrary: fc.constant('\r\n') }, fc.constantFrom('\n', '\r', '\n\r')), body }).map((parts): Framed => parts)

/** Where the body ends in what comes behind the head, by the letter; null where the letter is broken. */
function bodyLength ({ first, lines, lineEnd, body }: Framed): number | null {
  // More than one space between its parts moves no end.
  const request = /^(?:\r\n)*[A-Z]+ +[!-~]+ +HTTP\/1\.([01])$/.exec(first)
  if (request === null || lineEnd !== '\r\n' || !lines.every(line => /^[!#$%&'*+.^`|~\w-]+:[\t\x20-\x7e\x80-\xff]*$/.test(line))) return null
  const fields = lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).replace(/^[ \t]+|[ \t]+$/g, '')] as const)
  const valuesOf = (name: string): string[] => fields.filter(([given]) => given === name).map(([, value]) => value)
  const [length, coding] = [valuesOf('content-length'), valuesOf('transfer-encoding')]
  if ((length.length > 0 && coding.length > 0) || length.length > 1 || coding.length > 1) return null
  if (coding[0] !== undefined) return request[1] === '1' && coding[0].toLowerCase() === 'chunked' ? chunksLength(body) : null
  if (length[0] === undefined) return 0
  return /^\d{1,15}$/.test(length[0]) ? Number(length[0]) : null
}

function chunksLength (body: string): number | null {
  for (let at = 0; ;) {
    const head = /^([0-9A-Fa-f]{1,8})(?:;[\t\x20-\x7e]*)?\r\n/.exec(body.slice(at))
    if (head === null) return null
    at += head[0].length
    const size = parseInt(head[1]!, 16)
    if (size === 0) {
      const trailers = /^(?:[!#$%&'*+.^`|~\w-]+:[\t\x20-\x7e]*\r\n)*\r\n/.exec(body.slice(at))
      return trailers === null ? null : at + trailers[0].length
    }
    at += size
    if (body.slice(at, at + 2) !== '\r\n') return null
    at += 2
  }
}

/** Nothing comes after this long: both sides wait, the gateway for the rest of a request, we for an answer. */
const quietMs = 150

let sentSoFar = 0

async function probe (input: Framed, { port, upstreams }: Target): Promise<Outcome> {
  const { first, lines, lineEnd, body } = input
  const id = `f${sentSoFar++}`
  const canary = `GET /pub/canary HTTP/1.1\r\nHost: a\r\nX-Fuzz: ${id}c\r\nConnection: close\r\n\r\n`
  const head = [first, 'Host: a', `X-Fuzz: ${id}`, ...lines].join(lineEnd) + lineEnd + lineEnd
  const received = await sendAlone(port, head + body + canary, quietMs)
  const [seen, arrived] = [upstreams.take(id), upstreams.take(`${id}c`)]
  const statuses = [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status!)
  const status = statuses.length === 0 ? 'ended without an answer' : statuses.join(' ')
  const length = bodyLength(input)
  // Empty lines in front of a request are no part of it.
  const isOwnRequest = length !== null && length <= body.length && /^[\r\n]*$/.test(body.slice(length)) && !first.startsWith('CONNECT') && (!first.endsWith(' HTTP/1.0') || lines.includes('Connection: keep-alive'))
  if (arrived.length > 0 && !isOwnRequest) return { status, violation: 'what stands behind it is taken for a request' }
  if (seen.some(({ upstream }) => upstream === 'orders')) return { status, violation: 'reaches orders without a credential' }
  if (seen.length > 1 || arrived.length > 1) return { status, violation: 'arrives more than once' }
  if (statuses.some(one => one.startsWith('5'))) return { status, violation: `is answered ${status}` }
  const refusals = received.split(/(?=HTTP\/1\.1 4\d\d )/).filter(text => /^HTTP\/1\.1 4/.test(text))
  const isPlain = refusals.some(text => !/^content-type: application\/problem\+json/im.test(text))
  return { status, violation: isPlain ? 'is refused with what is no problem' : null }
}

export const framing: Phase<Framed> = { name: 'framing', share: 0.03, parallel: 32, arbitrary: (): Arbitrary<Framed> => framed, probe, end: () => {} }

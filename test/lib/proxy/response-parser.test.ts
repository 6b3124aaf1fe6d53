import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { parseResponse, type ParseOptions } from '../../helpers/parsed-response.ts'

const parse = (text: string, options?: ParseOptions) => parseResponse(Buffer.from(text, 'latin1'), options)
const complete = { outcome: 'complete' }

/** Valid responses, each with what it is. */
const valid: Array<[what: string, text: string, expected: object, options?: ParseOptions]> = [
  ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', { status: 200, headers: ['content-length', '2'], body: 'ok', isReusable: true }],
  ['a length of none', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', { body: '', isReusable: true }],
  ['a length with leading zeros', 'HTTP/1.1 200 OK\r\nContent-Length: 002\r\n\r\nok', { body: 'ok' }],
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n00a\r\n0123456789\r\n0\r\n\r\n', { body: 'ab0123456789', isReusable: true }],
  ['chunks with extensions and trailers', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\nA;a=b;c="d"\r\n0123456789\r\n0;x\r\nX-Sum: 1\r\nY:\r\n\r\n', { body: '0123456789', isReusable: true, headers: ['transfer-encoding', 'Chunked'] }],
  ['a body that ends with the connection', 'HTTP/1.1 200 OK\r\n\r\nok', { body: 'ok', isReusable: false }],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', { body: 'ok', isReusable: false }],
  ['HTTP/1.0 that persists', 'HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok', { body: 'ok', isReusable: true }],
  ['a connection that closes', 'HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok', { body: 'ok', isReusable: false }],
  ['a close beside a keep-alive', 'HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok', { body: 'ok', isReusable: false }],
  ['no reason', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n', { status: 200 }],
  ['no reason and no blank', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', { status: 200 }],
  ['a reason in Latin-1', 'HTTP/1.1 200 \xe9\t!\r\nContent-Length: 0\r\n\r\n', { status: 200 }],
  ['any bytes above ASCII in a value', 'HTTP/1.1 200 OK\r\nX-Name: \x80\xff \xe9\r\nContent-Length: 0\r\n\r\n', { headers: ['x-name', '\x80\xff \xe9', 'content-length', '0'] }],
  ['blanks around a value', 'HTTP/1.1 200 OK\r\nA: \t b c \t\r\nB:\r\nC: \r\nContent-Length: 0\r\n\r\n', { headers: ['a', 'b c', 'b', '', 'c', '', 'content-length', '0'] }],
  ['headers in their order, repeated ones too', 'HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nConstructor: x\r\nset-cookie: b\r\n__proto__: y\r\nContent-Length: 0\r\n\r\n', { headers: ['set-cookie', 'a', 'constructor', 'x', 'set-cookie', 'b', '__proto__', 'y', 'content-length', '0'] }],
  ['every character of a name', 'HTTP/1.1 200 OK\r\n!#$%&\'*+-.^_`|~09aZ: 1\r\nContent-Length: 0\r\n\r\n', { headers: ['!#$%&\'*+-.^_`|~09az', '1', 'content-length', '0'] }],
  ['204 without a body', 'HTTP/1.1 204 No Content\r\n\r\n', { status: 204, body: '', isReusable: true }],
  ['304 with the length of another', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', { status: 304, body: '', isReusable: true }],
  ['the length of what HEAD does not get', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', { body: '', isReusable: true }, { method: 'HEAD' }],
  ['the chunks that HEAD does not get', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', { body: '', isReusable: true }, { method: 'HEAD' }],
  ['204 with a length', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nabcde', { body: '', isReusable: false }],
  ['205 with a length', 'HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n', { status: 205, isReusable: true }],
  ['informational responses before it', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', { status: 200, headers: ['content-length', '2'], body: 'ok', isReusable: true }],
  ['bytes behind the end', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n', { body: 'ok', isReusable: false }],
  ['a line end behind the end', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n', { body: 'ok', isReusable: false }],
  ['bytes behind the last chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx', { body: '', isReusable: false }],
  ['a body for HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', { body: '', isReusable: false }, { method: 'HEAD' }],
  ['a status that nobody knows', 'HTTP/1.1 599 ?\r\nContent-Length: 0\r\n\r\n', { status: 599 }],
  ['a change of protocols that was asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x00', { status: 101, headers: ['upgrade', 'websocket'], rest: '\x81\x00' }, { isUpgrade: true }],
  ['a refusal of a change of protocols', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno', { status: 403, body: 'no' }, { isUpgrade: true }]
]

const ok = 'HTTP/1.1 200 OK\r\n'
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`

/** Responses that two parsers could read in different ways, each with the words of the refusal. */
const invalid: Array<[what: string, text: string, outcome: RegExp, options?: ParseOptions]> = [
  ['length and chunks', `${ok}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`, /both/],
  ['chunks and length', `${ok}Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n`, /both/],
  ['length and chunks for HEAD', `${ok}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`, /both/, { method: 'HEAD' }],
  ['lengths that differ', `${ok}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`, /more than one/],
  ['one length twice', `${ok}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`, /more than one/],
  ...['1, 1', '1,2', '+1', '-1', '1.0', '0x1', '1 ', 'a', '', '1e3', '１', '9'.repeat(16)].filter(length => length !== '1 ').map(length => [`the length ${length}`, `${ok}Content-Length: ${Buffer.from(length).toString('latin1')}\r\n\r\na`, /not a number/] as [string, string, RegExp]),
  ...['gzip, chunked', 'chunked, gzip', 'gzip', 'identity', 'chunked, chunked', 'chunked;q=1', 'xchunked', 'chunked x', ''].map(coding => [`the coding "${coding}"`, `${ok}Transfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n`, /not chunked alone/] as [string, string, RegExp]),
  ['two codings', `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, /not chunked alone/],
  ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', /HTTP\/1\.0/],
  ['a tab behind the coding', `${ok}Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n`, /a tab/],
  ['a tab behind the length', `${ok}Content-Length: 1 \t\r\n\r\na`, /a tab/],
  ['a folded line', `${ok}A: b\r\n c\r\n\r\n`, /malformed|no colon/],
  ['a folded line with a colon', `${ok}A: b\r\n c: d\r\n\r\n`, /malformed/],
  ['a folded line after the status', `${ok} A: b\r\n\r\n`, /malformed/],
  ['a folded line with a tab', `${ok}A: b\r\n\tc: d\r\n\r\n`, /malformed/],
  ['a bare line feed', 'HTTP/1.1 200 OK\nA: b\r\n\r\n', /line feed/],
  ['line feeds alone', 'HTTP/1.1 200 OK\nA: b\n\n', /line feed/],
  ['a line feed at the end of the head', `${ok}A: b\r\n\n`, /line feed/],
  ['a bare carriage return', `${ok}A: b\rC: d\r\n\r\n`, /carriage return/],
  ['two carriage returns', `${ok}A: b\r\r\n\r\n`, /carriage return/],
  ['a bare carriage return before the empty line', `${ok}A: b\r\n\rC`, /carriage return/],
  ...['\0', '\x01', '\x08', '\x0b', '\x0c', '\x1f', '\x7f'].flatMap(character => [
    [`${JSON.stringify(character)} in a value`, `${ok}A: b${character}c\r\n\r\n`, /control/], [`${JSON.stringify(character)} in a name`, `${ok}A${character}: b\r\n\r\n`, /control/], [`${JSON.stringify(character)} in the reason`, `HTTP/1.1 200 O${character}K\r\n\r\n`, /control/]
  ] as Array<[string, string, RegExp]>),
  ['a blank before the colon', `${ok}A : b\r\n\r\n`, /malformed/],
  ['a tab before the colon', `${ok}A\t: b\r\n\r\n`, /malformed/],
  ['a blank in a name', `${ok}A b: c\r\n\r\n`, /malformed/],
  ['no name', `${ok}: b\r\n\r\n`, /malformed/],
  ['a name outside ASCII', `${ok}\xe9: b\r\n\r\n`, /malformed/],
  ...['(', ')', '<', '>', '@', ',', ';', '\\', '"', '/', '[', ']', '?', '=', '{', '}'].map(character => [`${character} in a name`, `${ok}A${character}: b\r\n\r\n`, /malformed/] as [string, string, RegExp]),
  ['a line without a colon', `${ok}A\r\n\r\n`, /no colon/],
  ['a colon in the next line alone', `${ok}A\r\nB: c\r\n\r\n`, /no colon/],
  ...['HTTP/2.0 200 OK', 'HTTP/1.2 200 OK', 'HTTP/0.9 200 OK', 'HTTP/1 200 OK', 'http/1.1 200 OK', 'HTTP/1.1  200 OK', ' HTTP/1.1 200 OK', 'HTTP/1.1 20 OK', 'HTTP/1.1 2000 OK', 'HTTP/1.1 099 OK', 'HTTP/1.1 200OK', 'HTTP/1.1 2x0 OK', 'HTTP/1.1 -20 OK', 'HTTP/1.1\t200 OK', 'ICY 200 OK', 'HTTP/1.1', '', 'RTSP/1.0 200 OK', 'HTTP/11 200 OK', '\xef\xbb\xbfHTTP/1.1 200 OK']
    .map(line => [`the status line "${line}"`, `${line}\r\nContent-Length: 0\r\n\r\n`, /status line/] as [string, string, RegExp]),
  ['an empty line before it', `\r\n${ok}Content-Length: 0\r\n\r\n`, /status line|carriage|line feed/],
  ['a request', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', /status line/],
  ['a protocol that was not asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n', /not requested/],
  ['an informational response with a length', `HTTP/1.1 103 Early Hints\r\nContent-Length: 1\r\n\r\n${ok}\r\n`, /informational/],
  ['an informational response that ends the connection', `HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n${ok}\r\n`, /informational/],
  ['an informational response of HTTP/1.0', `HTTP/1.0 100 Continue\r\n\r\n${ok}\r\n`, /informational/],
  ['informational responses without end', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(65), /too many informational/],
  ...['g', '', ' 1', '-1', '+1', '0x1', '1 ', '1h', '1,1', '1\t', '1234567890123'].map(size => [`the chunk size "${size}"`, `${chunked}${size}\r\na\r\n0\r\n\r\n`, /size of a chunk/] as [string, string, RegExp]),
  ['a chunk longer than its size', `${chunked}1\r\nab\r\n0\r\n\r\n`, /does not end/],
  ['a chunk shorter than its size', `${chunked}3\r\nab\r\n0\r\n\r\n`, /does not end/],
  ['a chunk that ends with a line feed', `${chunked}1\r\na\n0\r\n\r\n`, /does not end/],
  ['a size that ends with a line feed', `${chunked}1\na\r\n0\r\n\r\n`, /size of a chunk/],
  ['a size that ends with a carriage return alone', `${chunked}1\ra\r\n0\r\n\r\n`, /does not end/],
  ['an extension with a line feed', `${chunked}1;a\nb\r\na\r\n0\r\n\r\n`, /control/],
  ['an extension with a NUL', `${chunked}1;a\0\r\na\r\n0\r\n\r\n`, /control/],
  ...[';', ';a=', ';=b', ';a b', ';a="b', ';a=b"c"', ';\xe9', ';a;', ';a,b', '; a', ';a =b', ';a= b'].map(extension => [`the extension "${extension}"`, `${chunked}1${extension}\r\na\r\n0\r\n\r\n`, /extensions of a chunk are malformed/] as [string, string, RegExp]),
  ['an extension without end', `${chunked}1;${'a'.repeat(2000)}`, /too long/],
  ['a trailer without a colon', `${chunked}0\r\nA\r\n\r\n`, /malformed/],
  ['a trailer with a blank before the colon', `${chunked}0\r\nA : b\r\n\r\n`, /malformed/],
  ['a length among the trailers', `${chunked}0\r\nContent-Length: 5\r\n\r\n`, /framing/],
  ['a coding among the trailers', `${chunked}0\r\nA: b\r\nTRANSFER-ENCODING: chunked\r\n\r\n`, /framing/],
  ['a folded trailer', `${chunked}0\r\nA: b\r\n c\r\n\r\n`, /malformed/],
  ['a trailer with a control character', `${chunked}0\r\nA: \x01\r\n\r\n`, /control/],
  ['a trailer with a line feed', `${chunked}0\r\nA: b\n\r\n`, /control/],
  ['a last chunk that ends with line feeds', `${chunked}0\n\n`, /size of a chunk/],
  ['trailers without end', `${chunked}0\r\n${'A: b\r\n'.repeat(1000)}`, /too long/, { mostHeadBytes: 1024 }],
  ['a head above the limit', `${ok}A: ${'b'.repeat(1024)}\r\n\r\n`, /more than 1024 bytes/, { mostHeadBytes: 1024 }],
  ['a head above the limit that does not end', `${ok}A: ${'b'.repeat(1024)}`, /more than 1024 bytes/, { mostHeadBytes: 1024 }],
  ['a cut body', `${ok}Content-Length: 3\r\n\r\nab`, /ends before/],
  ['cut chunks', `${chunked}3\r\nab`, /ends before/],
  ['chunks without the last', `${chunked}2\r\nab\r\n`, /ends before/],
  ['chunks without the last line', `${chunked}2\r\nab\r\n0\r\n`, /ends before/],
  ['a cut head', `${ok}A: b\r\n`, /ends before/],
  ['nothing', '', /ends before/],
  ['an informational response alone', 'HTTP/1.1 100 Continue\r\n\r\n', /ends before/]
]

t.test('a valid response is read as it is, however its bytes arrive', async t => {
  for (const [what, text, expected, options] of valid) {
    const whole = parse(text, options)
    t.match(whole, { ...complete, ...expected }, what)
    for (let cut = 1; cut < text.length; cut++) t.strictSame(parse(text, { ...options, partBytes: at => at === 0 ? cut : text.length }), whole, `${what}, cut at ${cut}`)
    t.strictSame(parse(text, { ...options, partBytes: 1 }), whole, `${what}, byte by byte`)
  }
})

t.test('a response that can be read in two ways is refused, however its bytes arrive', async t => {
  for (const [what, text, outcome, options] of invalid) {
    const whole = parse(text, options)
    t.match(whole.outcome, outcome, what)
    for (let cut = 1; cut < Math.min(text.length, 200); cut++) t.equal(parse(text, { ...options, partBytes: at => at === 0 ? cut : text.length }).outcome, whole.outcome, `${what}, cut at ${cut}`)
    t.equal(parse(text, { ...options, partBytes: 1 }).outcome, whole.outcome, `${what}, byte by byte`)
  }
})

t.test('a body without a length goes on until the connection ends', async t => {
  t.match(parse('HTTP/1.1 200 OK\r\n\r\nok', { ends: false }), { outcome: 'open', body: 'ok' })
  t.match(parse('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok', { ends: false }), { outcome: 'open', body: 'ok' })
})

t.test('the response of a request is never read for the next one', async t => {
  const second = parse('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno')
  t.match(second, { status: 200, body: 'ok', isReusable: false })
})

interface Vector { kind: string, name: string, input: string }

const vectors = new URL('../../../../shared/vectors/llhttp-responses.json', import.meta.url)

t.test('the vectors of llhttp are read as it reads them, or refused', { skip: existsSync(vectors) ? false : 'the vectors are not here' }, async t => {
  for (const { kind, name, input } of JSON.parse(readFileSync(vectors, 'utf8')) as Vector[]) {
    const { outcome, isReusable } = parse(input)
    const isTaken = outcome === 'complete'
    // Bytes behind a response make it no error here, but its connection is closed.
    if (!kind.endsWith('ok')) t.notOk(isTaken && isReusable, `${kind} ${name}: ${outcome}`)
    else t.ok(isTaken || refusedOnPurpose.test(outcome), `${kind} ${name}: ${outcome}`)
  }
})

/** Reasons for which this parser refuses what llhttp accepts. */
const refusedOnPurpose = /line feed|carriage return|not chunked alone|status line|not requested|ends before|malformed|no colon|HTTP\/1\.0|informational/

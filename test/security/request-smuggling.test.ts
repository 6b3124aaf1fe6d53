import t, { type Test } from 'tap'
import { startGateway } from '../helpers/build-gateway.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { startUpstream, type Upstream } from '../helpers/upstream.ts'

/*
 * The attack: a request whose end the gateway and a service see in different places. What one takes for the body of the first
 * request, the other takes for a second one: it arrives at the service behind the gateway's back, unauthenticated, or is put
 * before the next client's request on the same connection.
 *
 * So every malformed request below has a canary behind it on the same connection. The canary must never arrive. The request is
 * answered 400, once, and the connection ends, because nobody can tell any more where the next request would begin.
 */

const canary = 'GET /pub/canary HTTP/1.1\r\nHost: a\r\n\r\n'
const post = 'POST /pub/first HTTP/1.1\r\nHost: a\r\n'
const chunked = `${post}Transfer-Encoding: chunked\r\n`
const ended = '0\r\n\r\n'

const malformed: Array<[what: string, bytes: string]> = [
  // Two lengths
  ['a length and chunks', `${chunked}Content-Length: 5\r\n\r\n${ended}`],
  ['chunks and a length', `${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n${ended}`],
  ['a length that is right and chunks', `${post}Content-Length: ${ended.length}\r\nTransfer-Encoding: chunked\r\n\r\n${ended}`],
  ['chunks and a length of nothing', `${post}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n${ended}`],
  ['a length and an unknown coding', `${post}Content-Length: 0\r\nTransfer-Encoding: xchunked\r\n\r\n`],
  ['two lengths that differ', `${post}Content-Length: 0\r\nContent-Length: 5\r\n\r\n`],
  ['two lengths that agree', `${post}Content-Length: 0\r\nContent-Length: 0\r\n\r\n`],
  ['two lengths in different case', `${post}Content-Length: 0\r\ncontent-length: 5\r\n\r\n`],

  // Lengths that are no number to everyone
  ['a length with a plus', `${post}Content-Length: +0\r\n\r\n`],
  ['a length with a minus', `${post}Content-Length: -0\r\n\r\n`],
  ['a negative length', `${post}Content-Length: -1\r\n\r\n`],
  ['a hexadecimal length', `${post}Content-Length: 0x0\r\n\r\n`],
  ['a length with a letter', `${post}Content-Length: 0a\r\n\r\n`],
  ['a length with a space in it', `${post}Content-Length: 0 0\r\n\r\n`],
  ['a length with a tab in it', `${post}Content-Length: 0\t0\r\n\r\n`],
  ['a list of lengths', `${post}Content-Length: 0, 0\r\n\r\n`],
  ['a list of lengths without a space', `${post}Content-Length: 0,5\r\n\r\n`],
  ['a length with a fraction', `${post}Content-Length: 0.0\r\n\r\n`],
  ['a length with an exponent', `${post}Content-Length: 0e1\r\n\r\n`],
  ['a length with an underscore', `${post}Content-Length: 0_0\r\n\r\n`],
  ['a length in quotes', `${post}Content-Length: "0"\r\n\r\n`],
  ['a length that says nothing', `${post}Content-Length: \r\n\r\n`],
  ['a length beyond 64 bits', `${post}Content-Length: 18446744073709551616\r\n\r\n`],
  ['a length that wraps to nothing', `${post}Content-Length: 340282366920938463463374607431768211456\r\n\r\n`],
  ['a length with a NUL', `${post}Content-Length: 0\0\r\n\r\n`],
  ['a length on a folded line', `${post}Content-Length:\r\n 0\r\n\r\n`],

  // Codings
  ['an unknown coding', `${post}Transfer-Encoding: xchunked\r\n\r\n${ended}`],
  ['a coding that begins like chunked', `${post}Transfer-Encoding: chunkedx\r\n\r\n${ended}`],
  ['chunked that is not the last', `${post}Transfer-Encoding: chunked, identity\r\n\r\n${ended}`],
  ['chunked after another coding', `${post}Transfer-Encoding: gzip, chunked\r\n\r\n${ended}`],
  ['chunked after identity', `${post}Transfer-Encoding: identity, chunked\r\n\r\n${ended}`],
  ['chunked twice in a line', `${post}Transfer-Encoding: chunked, chunked\r\n\r\n${ended}`],
  ['chunked on two lines', `${chunked}Transfer-Encoding: chunked\r\n\r\n${ended}`],
  ['chunked, and identity on a second line', `${chunked}Transfer-Encoding: identity\r\n\r\n${ended}`],
  ['chunked with a comma', `${post}Transfer-Encoding: chunked,\r\n\r\n${ended}`],
  ['chunked with a comma before', `${post}Transfer-Encoding: ,chunked\r\n\r\n${ended}`],
  ['chunked with a parameter', `${post}Transfer-Encoding: chunked;q=1\r\n\r\n${ended}`],
  ['chunked in quotes', `${post}Transfer-Encoding: "chunked"\r\n\r\n${ended}`],
  ['chunked behind a vertical tab', `${post}Transfer-Encoding: \x0bchunked\r\n\r\n${ended}`],
  ['chunked behind a NUL', `${post}Transfer-Encoding: chunked\0\r\n\r\n${ended}`],
  ['a coding of nothing', `${post}Transfer-Encoding: \r\n\r\n${ended}`],
  ['chunked on a folded line', `${post}Transfer-Encoding:\r\n chunked\r\n\r\n${ended}`],
  ['chunked with a folded end', `${post}Transfer-Encoding: chunked\r\n , identity\r\n\r\n${ended}`],
  ['chunks in HTTP/1.0', `POST /pub/first HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n${ended}`],

  // Chunks
  ['a chunk size with a sign', `${chunked}\r\n+1\r\na\r\n${ended}`],
  ['a negative chunk size', `${chunked}\r\n-1\r\na\r\n${ended}`],
  ['a chunk size with a prefix', `${chunked}\r\n0x1\r\na\r\n${ended}`],
  ['a chunk size with a space before', `${chunked}\r\n 1\r\na\r\n${ended}`],
  ['a chunk size with an underscore', `${chunked}\r\n1_0\r\na\r\n${ended}`],
  ['a chunk size that is no number', `${chunked}\r\nzz\r\na\r\n${ended}`],
  ['a chunk size of nothing', `${chunked}\r\n\r\na\r\n${ended}`],
  ['a chunk size beyond 64 bits', `${chunked}\r\n10000000000000001\r\na\r\n${ended}`],
  ['a chunk size behind a NUL', `${chunked}\r\n1\0\r\na\r\n${ended}`],
  ['a chunk size that ends in a bare line feed', `${chunked}\r\n1\na\r\n${ended}`],
  ['a chunk size that ends in a bare carriage return', `${chunked}\r\n1\ra\r\n${ended}`],
  ['a chunk that is longer than its size', `${chunked}\r\n1\r\nabc\r\n${ended}`],
  ['a chunk that ends in a bare line feed', `${chunked}\r\n1\r\na\n${ended}`],
  ['a chunk that ends in a bare carriage return', `${chunked}\r\n1\r\na\r${ended}`],
  ['a chunk extension with a bare line feed', `${chunked}\r\n1;x\na\r\n${ended}`],
  ['a chunk extension with a bare carriage return', `${chunked}\r\n1;x\ry\r\na\r\n${ended}`],
  ['a chunk extension with a NUL', `${chunked}\r\n1;x=\0\r\na\r\n${ended}`],
  ['a trailer without a colon', `${chunked}\r\n0\r\nnonsense\r\n\r\n`],
  ['a trailer with a bare line feed', `${chunked}\r\n0\r\nX: a\nContent-Length: 9\r\n\r\n`],
  ['a trailer with a space before its colon', `${chunked}\r\n0\r\nX : a\r\n\r\n`],
  ['a length in a trailer', `${chunked}\r\n0\r\nContent-Length: 9\r\n\r\n`],
  ['a trailer with a NUL', `${chunked}\r\n0\r\nX: \0\r\n\r\n`],

  // Lines
  ['a space before a colon', `${post}Content-Length : 5\r\n\r\n`],
  ['a tab before a colon', `${post}Transfer-Encoding\t: chunked\r\n\r\n${ended}`],
  ['a space before a name', 'POST /pub/first HTTP/1.1\r\n Host: a\r\nContent-Length: 0\r\n\r\n'],
  ['a space before a name behind another', `${post} Content-Length: 5\r\n\r\n`],
  ['a name without a colon', `${post}Content-Length\r\n\r\n`],
  ['a colon without a name', `${post}: 5\r\n\r\n`],
  ['a name with a NUL', `${post}Content\0Length: 5\r\n\r\n`],
  ['a name with a space in it', `${post}Content Length: 5\r\n\r\n`],
  ['a name with other letters than ASCII', `${post}Content-L\xe9ngth: 5\r\n\r\n`],
  ['a value with a NUL', `${post}X: a\0b\r\nContent-Length: 0\r\n\r\n`],
  ['a value with a control character', `${post}X: a\x01b\r\nContent-Length: 0\r\n\r\n`],
  ['a value with a bare line feed', `${post}X: a\nContent-Length: 5\r\n\r\n`],
  ['a value with a bare carriage return', `${post}X: a\rContent-Length: 5\r\n\r\n`],
  ['a value that ends in two carriage returns', `${post}X: a\r\r\nContent-Length: 0\r\n\r\n`],
  ['a folded value', `${post}X: a\r\n b\r\nContent-Length: 0\r\n\r\n`],
  ['a value that is folded with a tab', `${post}X: a\r\n\tContent-Length: 5\r\n\r\n`],
  ['a head that ends in bare line feeds', 'POST /pub/first HTTP/1.1\nHost: a\nContent-Length: 0\n\n'],
  ['a head that ends in one bare line feed', `${post}Content-Length: 0\r\n\n`],

  // The first line
  ['a space before the method', ' GET /pub/first HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a tab in place of a space', 'GET\t/pub/first HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a space behind the version', 'GET /pub/first HTTP/1.1 \r\nHost: a\r\n\r\n'],
  ['a bare carriage return behind the version', 'GET /pub/first HTTP/1.1\rHost: a\r\n\r\n'],
  ['a bare line feed behind the version', 'GET /pub/first HTTP/1.1\nHost: a\r\n\r\n'],
  ['a space at the beginning of the first header line', 'GET /pub/first HTTP/1.1\r\n \r\nHost: a\r\n\r\n'],
  ['a NUL in the target', 'GET /pub/fi\0rst HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a second target', 'GET /pub/first /pub/canary HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['no version', 'GET /pub/first\r\n\r\n'],
  ['no version, and headers', 'GET /pub/first\r\nHost: a\r\n\r\n'],
  ['no version, headers and a body', 'POST /pub/first\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde'],
  ['a version that does not exist', 'GET /pub/first HTTP/1.9\r\nHost: a\r\n\r\n'],
  ['HTTP/2 in the clear', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a version of another protocol', 'POST /pub/first HTTP/2.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n'],
  ['a version before the first', 'GET /pub/first HTTP/0.9\r\nHost: a\r\nConnection: keep-alive\r\n\r\n'],
  ['a version in small letters', 'GET /pub/first http/1.1\r\nHost: a\r\n\r\n'],
  ['a method in small letters', 'get /pub/first HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a method that does not exist', 'ZEBRA /pub/first HTTP/1.1\r\nHost: a\r\n\r\n']
]

const wellFormed: Array<[what: string, bytes: string]> = [
  ['a length', `${post}Content-Length: 4\r\n\r\nbody`],
  ['a length with zeros before and space around', `${post}Content-Length:  0004 \r\n\r\nbody`],
  ['a body that looks like a request', `${post}Content-Length: ${canary.length}\r\n\r\n${canary}`],
  ['chunks', `${chunked}\r\n4\r\nbody\r\n${ended}`],
  ['chunked in capitals', `${post}Transfer-Encoding: CHUNKED\r\n\r\n${ended}`],
  ['chunked with space around', `${post}Transfer-Encoding: \tchunked \r\n\r\n${ended}`],
  ['a chunk extension', `${chunked}\r\n4;name=value\r\nbody\r\n${ended}`],
  ['a trailer', `${chunked}\r\n4\r\nbody\r\n0\r\nX: a\r\n\r\n`],
  ['empty lines before', `\r\n\r\n${post}Content-Length: 0\r\n\r\n`],
  ['GET with a body', `GET /pub/first HTTP/1.1\r\nHost: a\r\nContent-Length: ${canary.length}\r\n\r\n${canary}`],
  // The parser is lenient there; the upstream sees one.
  ['two spaces before the version', 'GET /pub/first  HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['neither length nor chunks', `${post}\r\n`]
]

async function start (t: Test): Promise<{ port: number, upstream: Upstream }> {
  const upstream = await startUpstream(t)
  const { url } = await startGateway(t, { limits: { headersTimeout: '500ms' }, upstreams: [{ prefix: '/pub', target: upstream.url, access: 'public' }] })
  return { port: Number(new URL(url).port), upstream }
}

t.test('what follows a malformed request is never a request', async t => {
  const { port, upstream } = await start(t)

  for (const [what, bytes] of malformed) {
    const answer = await sendRaw(t, port, bytes + canary).ended

    t.match(answer, /^HTTP\/1\.1 400 [^]*PTC_ERR_REQUEST_INVALID/, what)
    t.match(answer, /^connection: close\r$/im, what)
    t.equal(answer.split('HTTP/1.1 ').length, 2, what)
  }
  t.notMatch(JSON.stringify(upstream.requests), 'canary')
})

t.test('what follows a well-formed request is one request, and its body is none', async t => {
  const { port, upstream } = await start(t)
  const last = canary.replace('Host', 'Connection: close\r\nHost')

  for (const [what, bytes] of wellFormed) {
    const answer = await sendRaw(t, port, bytes + last).ended

    t.match(answer, /^HTTP\/1\.1 200 [^]*HTTP\/1\.1 200 /, what)
    t.same(upstream.requests.splice(0).map(({ url }) => url).sort(), ['/pub/canary', '/pub/first'], what)
  }
})

// Node's parser keeps errors to itself from a request for another protocol until the head of the next one is there.
t.test('what is malformed behind a request for another protocol is never a request, and waited for no longer than for a head', async t => {
  const { port, upstream } = await start(t)

  await Promise.all(malformed.map(async ([what, bytes]) => {
    const client = sendRaw(t, port, 'GET /pub/first HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n')
    await client.until(/HTTP\/1\.1 200 [^]*ok/)
    client.socket.write(bytes + canary, 'latin1')

    t.match(await client.ended, /^HTTP\/1\.1 200 [^]*HTTP\/1\.1 4\d\d [^]*PTC_ERR_REQUEST_/, what)
  }))
  t.notMatch(JSON.stringify(upstream.requests), 'canary')
})

t.test('a service sees one length or chunks, whatever the client sent', async t => {
  const { port, upstream } = await start(t)

  for (const [what, bytes] of wellFormed) {
    const client = sendRaw(t, port, bytes)
    await client.until(/HTTP\/1\.1 200 /)

    const names = upstream.requests.splice(0).flatMap(({ rawHeaders }) => rawHeaders.filter((_, index) => index % 2 === 0).map(name => name.toLowerCase()))
    t.ok(names.filter(name => name === 'content-length' || name === 'transfer-encoding').length <= 1, what)
    t.notOk(names.includes('x'), 'no trailer becomes a header')
  }
})

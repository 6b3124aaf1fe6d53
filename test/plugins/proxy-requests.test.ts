import t from 'tap'
import { sendRaw, startProxy } from '../helpers/proxy.ts'
import { startUpstream, startRawUpstream } from '../helpers/upstream.ts'

/*
 * What arrives is read once and in one way. A request that an upstream could take for two, or for one to another path,
 * is answered 400 before any route, hook or upstream sees it.
 */

t.test('a path that can be read in two ways is refused before routing', async t => {
  const upstream = await startUpstream(t)
  let hooks = 0
  const { port } = await startProxy(t, [{ target: upstream.url, onRequest: [(_request, _reply, done) => { hooks++; done() }] }])

  for (const target of [
    '/pub/..%2fadm', '/pub/..;/adm', '//adm', '/pub//adm', '/adm;x', '/adm%3bx', '/adm#', '/pub/../adm', '/pub/%2e%2e/adm', '/pub/.%2E/adm', '/./adm', '/adm/.', '/adm/..',
    '/%2561dm', '/%25%36%31dm', '/adm%', '/adm%2', '/adm%zz', '/adm%00', '/adm%0d%0a', '/adm%7f', '/adm%2f', '/adm%5c', '/\\adm', '/adm\\', '/%c0%ae%c0%ae/adm', '/adm%ff',
    '/caf\xe9', 'http://evil.example/adm', 'https://evil.example', '*', 'adm', '?x'
  ]) {
    const answer = await sendRaw(t, port, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`).ended
    t.match(answer, /^HTTP\/1\.1 400 [^]*PTC_ERR_(PATH_REFUSED|REQUEST_INVALID)/, target)
    t.match(answer, /cache-control: no-store/i, target)
  }
  t.equal(upstream.requests.length, 0)
  t.equal(hooks, 0)
})

t.test('a target in absolute form is one of this server, if it names it', async t => {
  const upstream = await startUpstream(t)
  const { port } = await startProxy(t, [{ target: upstream.url }], { origin: 'https://app.example.com' })
  const ask = async (target: string): Promise<string> => await sendRaw(t, port, `GET ${target} HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n\r\n`).ended

  for (const [target, path] of [['http://app.example.com/a?b', '/a?b'], ['HTTPS://APP.example.com/', '/'], ['http://app.example.com', '/'], ['http://app.example.com?q', '/?q'], ['http://app.example.com/%61', '/a'], ['https://app.example.com:443/a', '/a'], ['http://app.example.com:80/a', '/a']] as const) {
    t.match(await ask(target), /^HTTP\/1\.1 200 /, target)
    t.equal(upstream.requests.at(-1)!.url, path, target)
  }
  const served = upstream.requests.length
  for (const target of ['http://other.example/a', 'http://app.example.com:81/a', 'http://a@app.example.com/a', 'ftp://app.example.com/a', 'http://app.example.com/../a', 'http://app.example.com//a', 'http:///a', 'http://app.example.com\\@other.example/', 'app.example.com/a', '*']) {
    t.match(await ask(target), /^HTTP\/1\.1 400 /, target)
  }
  t.equal(upstream.requests.length, served)
})

t.test('OPTIONS * is about the server, and no service receives it', async t => {
  const upstream = await startUpstream(t)
  const { port } = await startProxy(t, [{ target: upstream.url }])

  for (const [lines, status] of [['', 400], ['Host: a\r\nHost: b\r\n', 400], ['Host: a\r\nTransfer-Encoding: gzip, chunked\r\n', 400], ['Host: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n', 204]] as const) {
    t.match(await sendRaw(t, port, `OPTIONS * HTTP/1.1\r\n${lines}Connection: close\r\n\r\n`).ended, new RegExp(`^HTTP/1\\.1 ${status} `), lines)
  }
  t.match(await sendRaw(t, port, 'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').ended, /^HTTP\/1\.1 204 [^]*allow: GET, HEAD/)
  t.equal(upstream.requests.length, 0)
})

t.test('missing, empty and repeated Host are refused, but HTTP/1.0 may go without', async t => {
  const upstream = await startUpstream(t)
  const { port } = await startProxy(t, [{ target: upstream.url }])

  for (const hosts of ['', 'Host:\r\n', 'Host: a\r\nHost: a\r\n', 'Host: a\r\nhOSt: b\r\n']) {
    const answer = await sendRaw(t, port, `GET / HTTP/1.1\r\n${hosts}Connection: close\r\n\r\n`).ended
    t.match(answer, /^HTTP\/1\.1 400 [^]*PTC_ERR_REQUEST_INVALID/, hosts)
  }
  t.equal(upstream.requests.length, 0)
  t.match(await sendRaw(t, port, 'GET / HTTP/1.0\r\n\r\n').ended, /^HTTP\/1\.1 200 /)
})

t.test('one request is never two upstream', async t => {
  const upstream = await startRawUpstream(t, (socket, sent) => { if (sent.includes('\r\n\r\n')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n') })
  const { port } = await startProxy(t, [{ target: upstream.url }])
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'

  for (const [name, head, body] of [
    ['length and chunks', 'Content-Length: 4\r\nTransfer-Encoding: chunked', `0\r\n\r\n${smuggled}`],
    ['chunks and length', 'Transfer-Encoding: chunked\r\nContent-Length: 4', `0\r\n\r\n${smuggled}`],
    ['two lengths', 'Content-Length: 0\r\nContent-Length: 40', smuggled],
    ['a list of lengths', 'Content-Length: 0, 0', smuggled],
    ['a signed length', 'Content-Length: +4', smuggled],
    ['a hexadecimal length', 'Content-Length: 0x4', smuggled],
    ['another coding', 'Transfer-Encoding: gzip, chunked', `0\r\n\r\n${smuggled}`],
    ['chunked before the end', 'Transfer-Encoding: chunked, identity', `0\r\n\r\n${smuggled}`],
    ['chunked twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', `0\r\n\r\n${smuggled}`],
    ['an unknown coding', 'Transfer-Encoding: xchunked', `0\r\n\r\n${smuggled}`],
    ['a space before the colon', 'Transfer-Encoding : chunked', `0\r\n\r\n${smuggled}`],
    ['a folded line', 'X: a\r\n Transfer-Encoding: chunked', smuggled],
    ['a bare line feed', 'X: a\nTransfer-Encoding: chunked', smuggled],
    ['a bare carriage return', 'X: a\rTransfer-Encoding: chunked', smuggled],
    ['a chunk size with a sign', 'Transfer-Encoding: chunked', `+1\r\na\r\n0\r\n\r\n${smuggled}`],
    ['a chunk size with a prefix', 'Transfer-Encoding: chunked', `0x1\r\na\r\n0\r\n\r\n${smuggled}`],
    ['a chunk without its end', 'Transfer-Encoding: chunked', `1\r\nabc\r\n0\r\n\r\n${smuggled}`]
  ] as const) {
    const answer = await sendRaw(t, port, `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${head}\r\n\r\n${body}`).ended
    t.match(answer, /^HTTP\/1\.1 400 /, name)
    t.equal(answer.split('HTTP/1.1 ').length, 2, name)
  }
  t.notMatch(upstream.connections.join(''), /smuggled/)
})

t.test('chunks in HTTP/1.0 end the connection', async t => {
  const upstream = await startUpstream(t)
  const { port } = await startProxy(t, [{ target: upstream.url }])

  const answer = await sendRaw(t, port, 'POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.0\r\n\r\n').ended

  t.match(answer, /^HTTP\/1\.1 400 /)
  t.same(upstream.requests, [])
})

t.test('100-continue waits for the decision, and its refusal ends the connection', async t => {
  const upstream = await startUpstream(t)
  const refused = Object.assign(new Error('no'), { statusCode: 401, code: 'PTC_ERR_TOKEN_INVALID' })
  const { port } = await startProxy(t, [
    { prefix: '/open', target: upstream.url },
    { prefix: '/shut', target: upstream.url, identityHeaders: () => { throw refused } }
  ])
  const head = 'Host: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n'

  const open = sendRaw(t, port, `POST /open HTTP/1.1\r\n${head}`)
  await open.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
  open.socket.write('body')
  const answer = await open.until(/200 OK[^]*ok/)
  const shut = await sendRaw(t, port, `POST /shut HTTP/1.1\r\n${head}`).ended

  t.equal(upstream.requests[0]!.body, 'body')
  t.equal(upstream.requests[0]!.headers.expect, undefined)
  t.notMatch(answer, /connection: close/i)
  t.match(shut, /^HTTP\/1\.1 401 /)
  t.notMatch(shut, /100 Continue/)
})

t.test('an expectation that nobody knows is ignored', async t => {
  const upstream = await startUpstream(t)
  const { port } = await startProxy(t, [{ target: upstream.url }])

  const answer = await sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nConnection: close\r\n\r\n').ended

  t.match(answer, /^HTTP\/1\.1 200 /)
  t.equal(upstream.requests[0]!.headers.expect, undefined)
})

t.test('an Upgrade that nobody serves goes on as HTTP, without it', async t => {
  const upstream = await startUpstream(t)
  const { app, port } = await startProxy(t, [{ target: upstream.url }])
  app.server.on('upgrade', (_request, socket) => { socket.destroy() })

  const answer = await sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n').ended

  t.match(answer, /^HTTP\/1\.1 200 /)
  t.notOk('upgrade' in upstream.requests[0]!.headers)
  t.notOk('http2-settings' in upstream.requests[0]!.headers)
})

t.test('what the parser refuses is a problem too', async t => {
  const upstream = await startUpstream(t)
  const { port } = await startProxy(t, [{ target: upstream.url }], { headersBytes: 4096, headersTimeoutMs: 100, origin: 'https://app.example.com' })

  for (const [bytes, status, code] of [
    [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(5000)}\r\n\r\n`, 431, 'PTC_ERR_HEADERS_TOO_LARGE'],
    [`GET /${'x'.repeat(5000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 431, 'PTC_ERR_HEADERS_TOO_LARGE'],
    ['GET / HTTP/1.1\r\nHost: a\r\n', 408, 'PTC_ERR_REQUEST_TIMEOUT'],
    ['nonsense\r\n\r\n', 400, 'PTC_ERR_REQUEST_INVALID'],
    ['GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n', 400, 'PTC_ERR_REQUEST_INVALID']
  ] as const) {
    const answer = await sendRaw(t, port, bytes).ended
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    t.match(head, new RegExp(`^HTTP/1\\.1 ${status} `), code)
    t.match(head, /connection: close/i)
    t.match(head, /content-type: application\/problem\+json/i)
    t.match(head, /strict-transport-security: /i)
    t.equal(Number(/content-length: (\d+)/i.exec(head)?.[1]), Buffer.byteLength(body))
    t.match(JSON.parse(body), { status, code })
  }
})

t.test('a parser error behind a response that has begun only ends the connection', async t => {
  const upstream = await startUpstream(t, (_request, response) => { response.write('some') })
  const { port } = await startProxy(t, [{ target: upstream.url }])
  const client = sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until(/some/)

  client.socket.write('nonsense\r\n\r\n')

  t.notMatch(await client.ended, /400|PTC_ERR/)
})

t.test('nothing in an answer names the software', async t => {
  const upstream = await startUpstream(t)
  const { port } = await startProxy(t, [{ prefix: '/x', target: upstream.url }])

  for (const path of ['/x', '/none', '//']) {
    t.notMatch(await sendRaw(t, port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`).ended, /fastify|undici|node|x-powered-by|^server:/im)
  }
})

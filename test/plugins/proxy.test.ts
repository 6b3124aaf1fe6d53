import Fastify from 'fastify'
import { request as send, METHODS } from 'node:http'
import t from 'tap'
import errors from '../../plugins/errors.ts'
import proxy, { type ProxyOptions } from '../../plugins/proxy.ts'
import { serverOptions } from '../../plugins/server-options.ts'
import { sendRaw, startProxy } from '../helpers/proxy.ts'
import { startUpstream } from '../helpers/upstream.ts'

function ask (url: string, options: { method?: string, headers?: Record<string, string | string[]>, body?: string } = {}): Promise<{ status: number, headers: Record<string, unknown>, rawHeaders: string[], body: string }> {
  return new Promise((resolve, reject) => {
    const request = send(url, { method: options.method ?? 'GET', headers: options.headers ?? {}, agent: false }, response => {
      let body = ''
      response.on('data', chunk => { body += String(chunk) })
      response.on('end', () => { resolve({ status: response.statusCode!, headers: response.headers, rawHeaders: response.rawHeaders, body }) })
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(options.body)
  })
}

t.test('a server without our server options is refused at registration', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(errors)

  await t.rejects(async () => { await app.register(proxy, { prefix: '/', target: 'http://127.0.0.1:1', origin: 'https://app.example.com' }) },
    { code: 'PTC_ERR_CONFIG_INVALID', message: /Fastify\(serverOptions\(/ })
})

t.test('the error handler is a dependency', async t => {
  const app = Fastify(serverOptions())
  t.teardown(() => app.close())

  await t.rejects(async () => { await app.register(proxy, { prefix: '/', target: 'http://127.0.0.1:1', origin: 'https://app.example.com' }) },
    { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' })
})

t.test('wrong options are refused by name', async t => {
  for (const [options, message] of [
    [{ target: 'http://127.0.0.1:1/base' }, /target/],
    [{ target: 'ftp://127.0.0.1' }, /target/],
    [{ target: 'http://user:secret@127.0.0.1:1' }, /target/],
    [{ target: 'http://127.0.0.1:1', prefix: '/a/' }, /prefix/],
    [{ target: 'http://127.0.0.1:1', prefix: '/:id' }, /prefix/],
    [{ target: 'http://127.0.0.1:1', origin: 'app.example.com' }, /origin/],
    [{ target: 'http://127.0.0.1:1', timeout: 'soon' }, /timeout/],
    [{ target: 'http://127.0.0.1:1', rewritePrefix: 'x' }, /rewritePrefix/],
    [{ target: 'http://127.0.0.1:1', unknown: 1 }, /unknown/]
  ] as const) {
    const app = Fastify(serverOptions())
    await app.register(errors)
    await t.rejects(async () => { await app.register(proxy, { prefix: '/a', origin: 'https://app.example.com', ...options } as unknown as ProxyOptions) }, { code: 'PTC_ERR_CONFIG_INVALID', message })
    await app.close()
  }
})

t.test('whole segments of the path choose the upstream', async t => {
  const [orders, rest] = [await startUpstream(t), await startUpstream(t)]
  const { url } = await startProxy(t, [{ prefix: '/orders', target: orders.url }, { prefix: '/', target: rest.url }])

  for (const path of ['/orders', '/orders/', '/orders/1?a=b', '/orders?x', '/%6frders/%41']) await ask(url + path)
  for (const path of ['/', '/ordersx', '/Orders', '/x/orders', '/?/orders']) await ask(url + path)

  t.same(orders.requests.map(request => request.url), ['/orders', '/orders/', '/orders/1?a=b', '/orders?x', '/orders/A'])
  t.same(rest.requests.map(request => request.url), ['/', '/ordersx', '/Orders', '/x/orders', '/?/orders'])
})

t.test('another prefix can stand in the place of ours', async t => {
  const upstream = await startUpstream(t)
  const { url } = await startProxy(t, [
    { prefix: '/orders', target: upstream.url, rewritePrefix: '/' },
    { prefix: '/shop', target: upstream.url, rewritePrefix: '/api/v1/' }
  ])

  for (const path of ['/orders', '/orders/1', '/orders?a=/orders', '/orders/orders/x', '/shop', '/shop/', '/shop/1?q']) await ask(url + path)

  t.same(upstream.requests.map(request => request.url), ['/1', '/orders/x', '/api/v1/', '/api/v1/1?q'])
  t.equal(upstream.requests[0]!.headers['x-forwarded-prefix'], '/orders')
})

t.test('a page at a replaced prefix gets the slash without which its relative links lead elsewhere', async t => {
  const upstream = await startUpstream(t)
  const { url } = await startProxy(t, [{ prefix: '/orders', target: upstream.url, rewritePrefix: '/' }, { prefix: '/same', target: upstream.url }])

  for (const method of ['GET', 'HEAD']) {
    t.match(await ask(`${url}/orders`, { method }), { status: 308, headers: { location: '/orders/' } }, method)
    t.match(await ask(`${url}/orders?a=//b`, { method }), { status: 308, headers: { location: '/orders/?a=//b' } }, method)
  }
  t.equal(upstream.requests.length, 0)
  for (const [method, path] of [['POST', '/orders'], ['OPTIONS', '/orders'], ['GET', '/orders/'], ['GET', '/same']] as const) t.equal((await ask(url + path, { method })).status, 200, `${method} ${path}`)
})

t.test('a prefix counts from the scope that the proxy is registered in', async t => {
  const upstream = await startUpstream(t)
  const app = Fastify(serverOptions())
  t.teardown(() => app.close())
  await app.register(errors)
  await app.register(async scope => { await scope.register(proxy, { prefix: '/orders', target: upstream.url, rewritePrefix: '/', origin: 'https://app.example.com' }) }, { prefix: '/api' })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })

  await ask(`${url}/api/orders/1`)
  const other = await ask(`${url}/orders/1`)

  t.same(upstream.requests.map(request => request.url), ['/1'])
  t.equal(other.status, 404)
})

t.test('every method is forwarded except TRACE, which could show our token to the client', async t => {
  const upstream = await startUpstream(t)
  const { url } = await startProxy(t, [{ target: upstream.url }])
  const methods = METHODS.filter(method => method !== 'CONNECT' && method !== 'TRACE')

  for (const method of methods) t.equal((await ask(url, { method })).status, 200, method)
  const trace = await ask(url, { method: 'TRACE' })

  t.same(upstream.requests.map(request => request.method), methods)
  t.equal(trace.status, 405)
  t.match(JSON.parse(trace.body), { code: 'PTC_ERR_METHOD_NOT_ALLOWED' })
  t.match(trace.headers.allow, /PROPFIND/)
})

t.test('bodies are forwarded as they are, whatever they claim to be', async t => {
  const upstream = await startUpstream(t)
  const { url } = await startProxy(t, [{ target: upstream.url }])
  const json = 'application/json'

  for (const [method, type, body] of [
    ['POST', json, '{ not json'], ['POST', 'nonsense', 'a'], ['PUT', 'application/x-www-form-urlencoded', 'a=%zz'], ['DELETE', json, ''],
    ['GET', 'text/plain', 'a body with GET'], ['REPORT', 'text/xml', '<x/>'], ['QUERY', '', 'no type'], ['POST', json, '{"__proto__":1}']
  ] as const) {
    const headers = { 'content-length': String(body.length), ...(type === '' ? {} : { 'content-type': type }) }
    t.equal((await ask(url, { method, headers, body })).status, 200, `${method} ${type}`)
    t.match(upstream.requests.at(-1), { method, body }, `${method} ${type}`)
  }
})

t.test('a length is kept, and a body without one goes in chunks', async t => {
  const upstream = await startUpstream(t)
  const { url } = await startProxy(t, [{ target: upstream.url }])

  await ask(url, { method: 'POST', headers: { 'content-length': '3' }, body: 'abc' })
  await ask(url, { method: 'POST', headers: { 'transfer-encoding': 'chunked' }, body: 'abc' })
  await ask(url, { method: 'POST', headers: { 'content-length': '0' } })

  t.same(upstream.requests.map(({ body, headers }) => [body, headers['content-length']]), [['abc', '3'], ['abc', upstream.requests[1]!.headers['content-length']], ['', '0']])
  t.ok(upstream.requests[1]!.headers['transfer-encoding'] === 'chunked' || upstream.requests[1]!.headers['content-length'] === '3')
})

t.test('a synchronous, an asynchronous and a failing identity', async t => {
  const upstream = await startUpstream(t)
  const refused = Object.assign(new Error('no'), { statusCode: 401, code: 'PTC_ERR_TOKEN_INVALID' })
  const { url } = await startProxy(t, [
    { prefix: '/now', target: upstream.url, identityHeaders: () => ['authorization', 'Bearer now'] },
    { prefix: '/later', target: upstream.url, identityHeaders: async () => ['authorization', 'Bearer later'] },
    { prefix: '/throws', target: upstream.url, identityHeaders: () => { throw refused } },
    { prefix: '/rejects', target: upstream.url, identityHeaders: async () => { throw refused } },
    { prefix: '/hook', target: upstream.url, onRequest: [(_request, _reply, done) => { done(refused) }] },
    { prefix: '/illegal', target: upstream.url, identityHeaders: () => ['authorization', 'a\r\nb: c'] }
  ])

  await ask(`${url}/now`, { headers: { authorization: 'Bearer client' } })
  await ask(`${url}/later`, { headers: { authorization: 'Bearer client' } })
  for (const path of ['/throws', '/rejects', '/hook']) t.match(await ask(url + path), { status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } }, path)
  const illegal = await ask(`${url}/illegal`)

  t.equal(illegal.status, 502)
  t.same(upstream.requests.map(request => request.headers.authorization), ['Bearer now', 'Bearer later'])
})

t.test('the upstream is told who asks and where, and nothing that the client says of that', async t => {
  const upstream = await startUpstream(t)
  const { url } = await startProxy(t, [{ target: upstream.url, identityHeaders: () => ['authorization', 'Bearer ours', 'x-auth-subject', 'alice'] }])

  await ask(url, {
    headers: {
      Connection: 'close, X-Forwarded-For, AUTHORIZATION, x-auth-subject, X-Request-Id, X-Private, Cookie',
      Cookie: 'a=1',
      Authorization: 'Bearer client',
      'X-Auth-Subject': 'mallory',
      X_Auth_Subject: 'mallory',
      'x-auth_scope': 'admin',
      'X-Forwarded-For': '1.2.3.4',
      X_Forwarded_Host: 'evil.example',
      'X-Forwarded-Port': '1',
      Forwarded: 'for=1.2.3.4',
      'X-Real-IP': '1.2.3.4',
      'X-Request-Id': 'mine',
      'X-Private': 'secret',
      TE: 'trailers',
      'Keep-Alive': 'timeout=5',
      'Proxy-Authorization': 'Basic x',
      'X-Kept': 'yes',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    }
  })

  const { headers, rawHeaders } = upstream.requests[0]!
  t.same(new Set(Object.keys(headers)), new Set(['host', 'connection', 'x-kept', 'traceparent', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'x-request-id', 'cdn-loop', 'authorization', 'x-auth-subject']))
  t.match(headers, { host: 'app.example.com', 'x-forwarded-port': '443', authorization: 'Bearer ours', 'x-auth-subject': 'alice', 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'app.example.com', 'x-request-id': /^[0-9a-f-]{36}$/ })
  t.equal(rawHeaders.filter(name => name.toLowerCase() === 'x-auth-subject').length, 1)
})

t.test('Authorization is kept where the upstream is the one to judge it', async t => {
  const upstream = await startUpstream(t)
  const { url } = await startProxy(t, [{ target: upstream.url, authorization: 'keep' }])

  await ask(url, { headers: { authorization: 'Basic abc' } })

  t.equal(upstream.requests[0]!.headers.authorization, 'Basic abc')
})

t.test('a trusted proxy is believed about the client, an untrusted one is not', async t => {
  const upstream = await startUpstream(t)
  const trusting = await startProxy(t, [{ target: upstream.url }], { trustProxy: ['127.0.0.0/8', '10.0.0.0/8'] })
  const distrusting = await startProxy(t, [{ target: upstream.url }], { trustProxy: ['10.0.0.0/8'] })
  const headers = { 'x-forwarded-for': '6.6.6.6, 1.2.3.4, 10.0.0.1', 'x-request-id': 'theirs' }

  await ask(trusting.url, { headers })
  await ask(distrusting.url, { headers })

  t.match(upstream.requests[0]!.headers, { 'x-forwarded-for': '1.2.3.4, 10.0.0.1, 127.0.0.1', 'x-request-id': 'theirs' })
  t.equal(upstream.requests[1]!.headers['x-forwarded-for'], '127.0.0.1')
  t.not(upstream.requests[1]!.headers['x-request-id'], 'theirs')
})

t.test('Portcullis cookies stay here, in both directions', async t => {
  const upstream = await startUpstream(t, (_request, response) => {
    response.setHeader('set-cookie', ['a=1; Path=/', '__Host-Http-portcullis=evil; Secure; Path=/', 'PORTCULLIS-refresh=; Max-Age=0', 'b=2', '=portcullis=x', ' __secure-Portcullis-Refresh=; Domain=example.com'])
    response.setHeader('clear-site-data', '"cache", "cookies", "storage"')
    response.end()
  })
  const { url } = await startProxy(t, [{ target: upstream.url }])

  const { headers } = await ask(url, { headers: { cookie: 'first=1; __Host-Http-portcullis=secret; second="2"; PORTCULLIS=x; portcullis-refresh=y; portcullisx=3' } })

  t.equal(upstream.requests[0]!.headers.cookie, 'first=1; second="2"; portcullisx=3')
  t.same(headers['set-cookie'], ['a=1; Path=/', 'b=2'])
  t.equal(headers['clear-site-data'], '"cache", "storage"')
})

t.test('responses come back as they are but for what concerns one connection', async t => {
  const upstream = await startUpstream(t, (_request, response) => {
    response.writeHead(418, ['Connection', 'close, X-Hop', 'X-Hop', '1', 'Keep-Alive', 'timeout=1', 'Proxy-Authenticate', 'Basic', 'X-Kept', 'caf\xe9', 'Vary', 'Accept', 'X-Two', '1', 'X-Two', '2', 'Location', 'http://elsewhere.example/'])
    response.end('teapot')
  })
  const { url } = await startProxy(t, [{ target: upstream.url, onRequest: [(_request, reply, done) => { reply.headers({ 'x-ours': '1', vary: 'Origin', 'x-kept': 'ours' }); done() }] }])

  const { status, headers, body } = await ask(url)

  t.equal(status, 418)
  t.equal(body, 'teapot')
  t.match(headers, { 'x-kept': 'ours', 'x-ours': '1', vary: 'Accept, Origin', 'x-two': '1, 2', location: 'http://elsewhere.example/' })
  for (const name of ['x-hop', 'proxy-authenticate', 'content-security-policy', 'cache-control']) t.notOk(name in headers)
})

t.test('HEAD, 204 and 304 have no body and keep their headers', async t => {
  const upstream = await startUpstream(t, (request, response) => {
    const status = Number(request.url!.slice(1))
    response.writeHead(status, { 'content-length': '5', etag: '"x"' })
    response.end(status === 200 ? 'hello' : undefined)
  })
  const { url, port } = await startProxy(t, [{ target: upstream.url }])

  t.match(await ask(`${url}/200`, { method: 'HEAD' }), { status: 200, body: '', headers: { 'content-length': '5', etag: '"x"' } })
  t.match(await ask(`${url}/304`), { status: 304, body: '', headers: { 'content-length': '5', etag: '"x"' } })
  const none = await sendRaw(t, port, 'GET /204 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').ended
  t.match(none, /^HTTP\/1\.1 204 /)
  t.notMatch(none, /content-length|transfer-encoding/i)
})

t.test('headers that are already on the raw response are sent with the upstream\'s', async t => {
  const upstream = await startUpstream(t)
  const { port } = await startProxy(t, [{ target: upstream.url, onRequest: [(_request, reply, done) => { reply.raw.setHeader('connection', 'close'); done() }] }])

  const answer = await sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n').ended

  t.match(answer, /^HTTP\/1\.1 200 OK[^]*connection: close[^]*ok/i)
  t.equal(answer.match(/^connection:/gim)?.length, 1)
})

t.test('informational responses of the upstream end here', async t => {
  const upstream = await startUpstream(t, (_request, response) => {
    response.writeEarlyHints({ link: '</a.css>; rel=preload' })
    response.writeProcessing()
    response.end('done')
  })
  const { port } = await startProxy(t, [{ target: upstream.url }])

  const answer = await sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').ended

  t.match(answer, /^HTTP\/1\.1 200 OK[^]*done/)
  t.notMatch(answer, /103|102/)
})

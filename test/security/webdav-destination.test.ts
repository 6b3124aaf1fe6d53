import t, { type Test } from 'tap'
import { sendRaw, startProxy } from '../helpers/proxy.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * The attack: COPY and MOVE name a second path in Destination, which the service writes to, and for which another upstream has requirements.
 */

const origin = 'https://app.example.com'

async function start (t: Test, options: object = {}) {
  const upstream = await startUpstream(t)
  const { port } = await startProxy(t, [
    { prefix: '/dav', rewritePrefix: '/', target: upstream.url, origin, ...options },
    { prefix: '/dav/secret', rewritePrefix: '/secret', target: upstream.url, origin, onRequest: [(_request, _reply, done) => { done(Object.assign(new Error('no'), { statusCode: 401, code: 'PTC_ERR_CREDENTIALS_MISSING' })) }] },
    { prefix: '/', target: upstream.url, origin }
  ])
  return { upstream, copy: async (destination: string, path = '/dav/a', method = 'COPY') => await sendRaw(t, port, `${method} ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nDestination: ${destination}\r\n\r\n`).ended }
}

t.test('a destination is one of the same service, by the rules for paths of requests', async t => {
  const { upstream, copy } = await start(t)
  const paths = ['/dav/secret/x', '/dav/secret', '/dav/%73ecret/x', '/dav/SECRET/x', '/dav/..;/x', '/dav/../x', '/dav/%2e%2e/secret', '/dav/a//b', '/dav/a%2fb', '/secret/x', '/davy/x', '/other', '/', '/dav\\..\\x',
    '/dav/Secret./x', '/dav/secret%20/x', '/dav/secret::$DATA', '/dav/secret:x/y', '/dav/%C5%BFecret/x', '/dav/SECRET~1/x', '/dav/SE1A2B~1', '/dav/x?/../../secret/y', '/dav/x?a=%2e%2e/secret']
  for (const path of paths) for (const address of [path, `${origin}${path}`]) t.match(await copy(address), /^HTTP\/1\.1 400 /, address)
  for (const address of ['http://app.example.com/dav/b', 'https://other.example/dav/b', `${upstream.url}/b`, '//app.example.com/dav/b', 'b', '', 'https://a@app.example.com/dav/b', 'https://app.example.com:444/dav/b', 'file:///dav/b']) t.match(await copy(address), /^HTTP\/1\.1 400 /, address)
  for (const method of ['MOVE', 'BIND', 'REBIND', 'LINK', 'LOCK']) t.match(await copy('/dav/secret/x', '/dav/a', method), /^HTTP\/1\.1 400 /, method)
  t.match(await copy('/dav/b', '/a'), /^HTTP\/1\.1 400 /, 'of the outer service')
  t.equal(upstream.requests.length, 0)

  for (const [address, seen] of [['/dav/b', '/b'], [`${origin}/dav/b%c3%a4`, 'http://app.example.com/b%C3%A4'], ['/dav/secrets', '/secrets'], ['/dav/a?b', '/a?b']] as const) {
    t.match(await copy(address), /^HTTP\/1\.1 200 /, address)
    t.equal(upstream.requests.at(-1)!.headers.destination, seen, address)
  }
})

t.test('the rules hold also where addresses are not mapped', async t => {
  const { upstream, copy } = await start(t, { redirects: 'keep' })
  for (const address of ['/dav/secret/x', '/other', `${origin}/dav/%73ecret/x`]) t.match(await copy(address), /^HTTP\/1\.1 400 /, address)
  t.equal(upstream.requests.length, 0)
})

t.test('a Destination of other methods is a header as any other', async t => {
  const { upstream, copy } = await start(t)
  for (const [method, address] of [['GET', 'Paris'], ['PUT', '/other'], ['POST', '/other']] as const) {
    t.match(await copy(address, '/dav/a', method), /^HTTP\/1\.1 200 /, method)
    t.equal(upstream.requests.at(-1)!.headers.destination, address, method)
  }
})

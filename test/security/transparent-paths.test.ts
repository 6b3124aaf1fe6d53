import t from 'tap'
import { sendRaw, startProxy } from '../helpers/proxy.ts'
import { startUpstream } from '../helpers/upstream.ts'

t.test('paths under a transparent prefix arrive byte for byte', async t => {
  const upstream = await startUpstream(t)
  const { port } = await startProxy(t, [{ prefix: '/dav', target: upstream.url, paths: 'transparent' }, { prefix: '/moved', target: upstream.url, rewritePrefix: '/', paths: 'transparent' }])
  const ask = async (path: string): Promise<string> => (await sendRaw(t, port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`).ended).slice(0, 12)

  for (const path of ['/heroes;id=15', '//img.png', '/100%2520off.txt', '/a%2Fb', '/%41%61', '/%e9t%E9', '/100%', '/%zz/x', '/a%25%32%35b', '/.hidden/...', '/a;b/c;d?x=..;/y&z=/../', '/@scope%2fname', '/%7e~', '/%c3%a5..', '/%c3%a0', '/%c2%a5', '/%e2%80%a6', '/', '']) {
    t.equal(await ask(`/dav${path}`), 'HTTP/1.1 200', path)
    t.equal(upstream.requests.at(-1)!.url, `/dav${path}`, path)
    if (path === '') continue
    t.equal(await ask(`/moved${path}`), 'HTTP/1.1 200', path)
    t.equal(upstream.requests.at(-1)!.url, path, path)
  }
})

t.test('no path under a transparent prefix leads out of it, however it is encoded', async t => {
  const upstream = await startUpstream(t)
  const { port } = await startProxy(t, [{ prefix: '/dav', target: upstream.url, paths: 'transparent' }])
  const dots = ['..', '.', '..;', '..;a=b', '.;', '%2e%2e', '.%2e', '%2E.', '%252e%252e', '%25252e%25252e', '%2e%2e;x', '%2e%2e%3b', '..%2f', '..%2Fx', 'a%2f..', 'a%252f%252e%252e%252fb', '..\\', '%5c..', 'a\\b', 'a%5Cb', 'a%255cb', '%00', 'a%00b', '%2500', '..%3f', '%2e%2e%3f', '..%23', '..%253f', '..%c0%af', '%c0%ae%c0%ae', '%c1%9c', '%e0%80%ae', '%u002e%u002e', '..%u2215', '.%09.', '.%0a.', '%09..', '..%09', '..%20', '..%01', '%ef%bc%8e%ef%bc%8e%ef%bc%8f', '..%e2%88%95x', '%e2%80%a4%e2%80%a4',
    '%e2%80%a5', '%ef%b9%92%ef%b9%92', '..%ef%b9%a8x', '..%c2%a5x', '..%e2%82%a9x', '..%e2%a7%b5x', '..%c2%a0', '.%e2%80%8b.', '%25e2%2580%25a5']
  const attempts = dots.flatMap(dot => [`/dav/${dot}/admin`, `/dav/${dot}`, `/dav/a/${dot}/b`, `/dav//${dot}/x`, `/dav/${dot}?q`])

  for (const path of attempts) t.match(await sendRaw(t, port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`).ended, /^HTTP\/1\.1 400 /, path)
  t.equal(upstream.requests.length, 0)
})

t.test('other prefixes of the server stay strict', async t => {
  const upstream = await startUpstream(t)
  const { port } = await startProxy(t, [{ prefix: '/dav', target: upstream.url, paths: 'transparent' }, { prefix: '/davy', target: upstream.url }, { prefix: '/x', target: upstream.url }])

  for (const path of ['/davy/a;b', '/davy//a', '/x/a%2fb', '/x;/dav/a;b', '/x/../dav/a;b', '/dav;/a', '/dav%2fa;b']) t.match(await sendRaw(t, port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`).ended, /^HTTP\/1\.1 40[04] /, path)
  t.equal(upstream.requests.length, 0)
})

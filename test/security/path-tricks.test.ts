import t from 'tap'
import { signIn, startGateway } from '../helpers/build-gateway.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * The gateway decides by one reading of the path and the upstream acts on another: `/public/..%2fadmin` is public here and admin
 * there. Dot segments, encoded slashes, backslashes, parameters, double encoding, absolute targets and case are tried to get a
 * protected path through an open door, or to get to the gateway's own routes around their checks.
 */

const tricks = [
  '/open/../closed/secret', '/open/./../closed/secret', '/open/%2e%2e/closed/secret', '/open/%2E%2e/closed/secret', '/open/.%2e/closed/secret', '/open/..%2fclosed/secret', '/open/..%2Fclosed%2Fsecret', '/open/..%5cclosed/secret',
  '/open/..\\closed\\secret', '/open\\..\\closed/secret', '/open//../closed/secret', '/open/..;/closed/secret', '/open;/../closed/secret', '/open/;/../closed/secret', '/open/%252e%252e/closed/secret', '/open/%25%32%65%2e/closed/secret',
  '/open/%c0%ae%c0%ae/closed/secret', '/open/%u002e%u002e/closed/secret', '/open/..%00/closed/secret', '/open/..%0d%0a/closed/secret', '/open/../../../closed/secret', '/open/x/../../closed/secret', '/open%2f..%2fclosed/secret',
  '//closed/secret', '///closed/secret', '/open/..//closed/secret', '/closed//secret', '/./closed/secret', '/closed/./secret', '/closed/x/../secret', '/%2e/closed/secret', '/closed%2fsecret', '/closed\\secret', '/closed;x=1/secret', '/closed/secret;x=1', '/closed/secret%00',
  'http://app.example.com/closed/secret', 'https://app.example.com//closed/secret', '/closed/secret#', '/open/#/../closed/secret', '/open?/../closed/secret#', '/closed/secret%', '/%63losed%2fsecret', '/ closed/secret', '/closed\t/secret'
]

t.test('no spelling of a protected path gets through an open door', async t => {
  const upstream = await startUpstream(t)
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/open', target: upstream.url, access: 'public' }, { prefix: '/closed', target: upstream.url, audience: 'closed' }] })
  const port = Number(new URL(url).port)
  for (const target of tricks) {
    for (const method of ['GET', 'POST']) {
      const answer = await sendRaw(t, port, `${method} ${target} HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`).ended
      t.match(answer, /^HTTP\/1\.1 40[014] /, `${method} ${target}`)
    }
  }
  t.same(upstream.requests.map(request => request.url), [])
})

t.test('with a catch-all beside it a protected path is reached with a credential alone', async t => {
  const [all, closed] = [await startUpstream(t), await startUpstream(t)]
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/', target: all.url, access: 'public' }, { prefix: '/closed', target: closed.url, audience: 'closed' }] })
  const port = Number(new URL(url).port)
  for (const target of [...tricks, '/%63losed/secret', '/clos%65d/secret', '/closed', '/closed/', '/closed?x', '/closed%3fx']) await sendRaw(t, port, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`).ended

  t.same(closed.requests, [])
  const canonical = all.requests.map(request => decodeURIComponent(request.url.split('?')[0]!))
  t.same(canonical.filter(path => /^\/+closed(\/|$)|\.\.|\/\/|;|\\/.test(path)), [])
})

t.test('an upstream sees the path that was judged, in one spelling', async t => {
  const upstream = await startUpstream(t)
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/up', target: upstream.url, audience: 'up' }] })
  const { cookie } = await signIn(url)
  const port = Number(new URL(url).port)
  for (const [sent, seen] of [
    ['/up/%61%2Db', '/up/a-b'],
    ['/%75p/x', '/up/x'],
    ['/up/caf%c3%a9', '/up/caf%C3%A9'],
    ['/up/a%20b?q=%2e%2e%2f&r=a/../b', '/up/a%20b?q=%2e%2e%2f&r=a/../b'],
    ['/up/...', '/up/...'],
    ['/up/.hidden', '/up/.hidden'],
    ['/up/a@b:c', '/up/a@b:c']
  ] as const) {
    const answer = await sendRaw(t, port, `GET ${sent} HTTP/1.1\r\nHost: a\r\nCookie: ${cookie}\r\nConnection: close\r\n\r\n`).ended
    t.match(answer, /^HTTP\/1\.1 200 /, sent)
    t.equal(upstream.requests.at(-1)?.url, seen)
  }
})

t.test('headers that override the path or the method are not believed', async t => {
  const { url, orders } = await startGateway(t)
  const headers = { 'x-original-url': '/auth/session', 'x-rewrite-url': '/orders', 'x-forwarded-prefix': '/orders', 'x-forwarded-path': '/orders', 'x-forwarded-uri': '/orders', 'x-http-method-override': 'DELETE' }
  t.equal((await fetch(`${url}/nowhere`, { headers })).status, 404)
  t.equal((await fetch(`${url}/orders`, { headers })).status, 401)
  t.same(orders.requests, [])
})

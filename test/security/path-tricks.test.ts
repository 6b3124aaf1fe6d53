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

/** How a careless service reads a path: decoded as often as it goes, without parameters, dots resolved, in any case. */
function readCarelessly (target: string): string {
  let path = target.split(/[?#]/)[0]!
  for (let time = 0; time < 3; time++) {
    try {
      path = decodeURIComponent(path)
    } catch {
      break
    }
  }
  const segments: string[] = []
  for (const segment of path.replaceAll('\\', '/').split('/').map(part => part.split(/[;\0]/)[0]!.toLowerCase())) {
    if (segment === '..') segments.pop()
    else if (segment !== '' && segment !== '.') segments.push(segment)
  }
  return `/${segments.join('/')}`
}

/** Spellings of the way to `/app/admin/x`, and ways to it from `/app/pub`. */
const ways = [
  '/app/admin/x', '/app/admin', '/app/admin/', '/app/admin?x', '/app/ADMIN/x', '/APP/ADMIN/x', '/App/admin/x', '/app/aDmin', '/app/%61dmin/x', '/app/%41DMIN/x', '/%61%70%70/%61%64%6d%69%6e/x', '/app/%2561dmin/x', '/app/admi%6E/x',
  '/app//admin/x', '//app/admin/x', '/app/./admin/x', '/app/%2e/admin/x', '/app/pub/../admin/x', '/app/pub/%2e%2e/admin/x', '/app/pub/.%2E/admin/x', '/app/pub/..%2fadmin/x', '/app/pub/..%5cadmin/x', '/app/pub/..\\admin/x', '/app/pub/..;/admin/x', '/app/pub/..;a=b/admin/x',
  '/app/pub/%252e%252e/admin/x', '/app/pub/%c0%ae%c0%ae/admin/x', '/app/admin;/x', '/app/admin;a=b', '/app/;/admin/x', '/app;/admin/x', '/app/admin%2fx', '/app%2fadmin/x', '/app%2Fadmin%2Fx', '/app/admin%5cx', '/app\\admin\\x', '/app/admin%00', '/app/admin%00/x', '/app/admin%', '/app/admin%/x', '/app/admin%zz',
  '/app/admin#', '/app/admin#/x', '/app/pub#/../admin', '/app/pub?/../admin/x', '/app/pub?x=/app/admin', '/app/pub/x', '/x/../app/admin/x', '/app/x/../../app/admin/x', 'http://a/app/admin/x', 'https://a//app/admin/x', 'app/admin/x', '*', '/app/admin\t/x', '/app/admin /x'
]

interface Place { prefix: string, rewritePrefix?: string }

const layouts: Array<[what: string, open: Place, shut: Place]> = [
  ['/ around it', { prefix: '/' }, { prefix: '/app/admin' }],
  ['/app around it', { prefix: '/app' }, { prefix: '/app/admin' }],
  ['/app around it, both rewritten', { prefix: '/app', rewritePrefix: '/' }, { prefix: '/app/admin', rewritePrefix: '/admin' }],
  ['/ around it, one rewritten', { prefix: '/', rewritePrefix: '/v1' }, { prefix: '/app/admin', rewritePrefix: '/v1/app/admin' }],
  ['/app/pub beside it', { prefix: '/app/pub' }, { prefix: '/app' }],
  ['/app/pub inside what is rewritten', { prefix: '/app/pub', rewritePrefix: '/pub' }, { prefix: '/app', rewritePrefix: '/' }]
]

t.test('no spelling gets into a protected prefix beside an open one of the same service', async t => {
  for (const [what, open, shut] of layouts) {
    const upstream = await startUpstream(t)
    const { url } = await startGateway(t, { upstreams: [{ ...open, target: upstream.url, access: 'public' }, { ...shut, target: upstream.url, audience: 'up' }] })
    const port = Number(new URL(url).port)

    let passed = 0
    for (const request of ways.flatMap(target => ['GET', 'POST', 'PROPFIND'].map(method => `${method} ${target}`))) {
      const answer = await sendRaw(t, port, `${request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`).ended
      const reached = upstream.requests.splice(0).map(({ url: seen }) => seen)
      passed += reached.length
      if (/^HTTP\/1\.1 (?:40[014]|308) /.test(answer) !== (reached.length === 0)) t.fail(`${what}, ${request}: ${answer.slice(0, 12)} and ${reached.join()}`)
      if (reached.some(seen => /^(\/v1)?(\/app)?\/admin(\/|$)/.test(readCarelessly(seen)))) t.fail(`${what}, ${request} reached ${reached.join()}`)
    }
    t.ok(passed > 0, `${what}: harmless ones pass`)
    t.equal(/^HTTP\/1\.1 (\d+)/.exec(await sendRaw(t, port, 'GET /app/admin/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').ended)?.[1], '401', what)
  }
})

t.test('no character that Unicode takes for a letter of a protected prefix gets around it', async t => {
  const upstream = await startUpstream(t)
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/', target: upstream.url, access: 'public' }, { prefix: '/keys/admin', target: upstream.url, audience: 'up' }, { prefix: '/iris', target: upstream.url, audience: 'iris' }] })
  const spellings = ['%E2%84%AAeys/admin', '%E2%84%AAEYS/ADMIN/x', 'KEY%C5%BF/admin', 'key%c5%bf/admin/', '%EF%BC%ABeys/admin', 'keys%EF%BC%8Fadmin', '%E2%93%9Aeys/admin', 'ke%C2%ADys/admin', 'keys/adm%C4%B0n', 'keys/adm%C4%B1n/x', '%C4%B0R%C4%B0S', '%C4%B1ris/x']
  for (const path of spellings) {
    const answer = await fetch(`${url}/${path}`)
    t.match([answer.status, await answer.json()], [400, { code: 'PTC_ERR_PATH_REFUSED' }], path)
  }
  t.strictSame(upstream.requests, [])

  const harmless = ['/keys/%C3%A0dmin', '/%D0%BAeys/admin', '/k%C3%A9ys', '/%E2%84%AAeys', '/keysadmin', '/%F0%9F%94%91']
  for (const path of harmless) t.equal((await fetch(`${url}${path}`)).status, 200, path)
  t.strictSame(upstream.requests.map(request => request.url), harmless)
})

t.test('no name that a service on Windows reads as a protected prefix gets around it', async t => {
  const upstream = await startUpstream(t)
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/', target: upstream.url, access: 'public' }, { prefix: '/adm1', target: upstream.url, audience: 'up' }, { prefix: '/app/administration.files', target: upstream.url, audience: 'app' }] })
  const port = Number(new URL(url).port)
  const ends = ['.', '%2e', '..', '...', '%20', '%20.', '.%20', '%20%20', '%C2%A0', '%E2%80%A4', '%E2%80%A6', ':', '::$DATA', '::$data', ':$I30:$INDEX_ALLOCATION', '::$INDEX_ALLOCATION', ':x', '%3a%3a$DATA', '.::$DATA', '%20:x', '%EF%BC%9A:$DATA', '~1', '~9', '%7e1', '~1.', '~1::$DATA', '~1.TXT', '%EF%BD%9E1']
  const targets = [
    ...ends.flatMap(end => [`/adm1${end}/x`, `/ADM1${end}`, `/adm1${end}/`, `/app${end}/administration.files/x`, `/app/administration.files${end.startsWith('~') || end.includes('7e') || end.includes('9E') ? '' : end}/x`]).filter(target => target !== '/app/administration.files/x'),
    '/AD3F2C~1/x', '/A3F2C~1/x', '/app/ADMINI~1/x', '/app/admini~1.fil/x', '/app/ADMINI~12.FIL', '/app/AD0A1B~1.FIL/x', '/app/administration.files', '/.../adm1/x', '/%20/adm1/x', '/app/.../administration.files/x', '/app/:x/administration.files'
  ]
  for (const target of targets) {
    const answer = await sendRaw(t, port, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`).ended
    t.match(answer, /^HTTP\/1\.1 40[01] /, target)
  }
  t.strictSame(upstream.requests, [])

  const harmless = ['/adm', '/adm1.txt', '/adm1.x/y', '/adm10.', '/adm1~', '/adm1~x', '/~1', '/~adm1', '/x~1/adm1', '/x/adm1.', '/app/administration', '/app/administration.file.', '/administration.files', '/adm1-x:y', '/a:b/c', '/x.']
  for (const path of harmless) t.equal((await fetch(url + path)).status, 200, path)
})

t.test('no spelling of a path takes a WebSocket to another prefix', async t => {
  const upstream = await startUpstream(t)
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/app', target: upstream.url, access: 'public', websocket: true }, { prefix: '/app/admin', target: upstream.url, audience: 'up', websocket: true }, { prefix: '/plain', target: upstream.url, access: 'public' }] })
  const port = Number(new URL(url).port)
  for (const target of [...ways, '/plain/../app/admin', '/auth/session', '/auth/../app/admin']) {
    await sendRaw(t, port, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`).until(/\r\n\r\n/)
  }
  t.ok(upstream.requests.length > 0)
  t.same(upstream.requests.filter(request => readCarelessly(request.url).startsWith('/app/admin')), [])
})

t.test('another case is refused where another spelling of its host leads to the same service', async t => {
  const upstream = await startUpstream(t)
  const { port } = upstream
  for (const [open, guarded] of [['127.0.0.1', 'localhost'], ['localhost', '127.0.0.1'], ['LOCALHOST', '127.0.0.1'], ['localhost.', '127.0.0.1'], ['app.localhost', '127.0.0.1'], ['127.1', '127.0.0.1'], ['2130706433', 'localhost'], ['0x7f000001', 'localhost'], ['127.8.9.1', '127.0.0.1'], ['0.0.0.0', '127.0.0.1'], ['[::]', '127.0.0.1'], ['127.0.0.1', '[::1]'], ['[::ffff:127.0.0.1]', '127.0.0.1']] as const) {
    const { url } = await startGateway(t, { upstreams: [{ prefix: '/', target: `http://${open}:${port}`, access: 'public' }, { prefix: '/adm2', target: `http://${guarded}:${port}`, audience: 'admin' }] })
    for (const path of ['/ADM2/x', '/Adm2', '/aDM2?x']) t.equal((await fetch(url + path)).status, 400, `${open} ${guarded} ${path}`)
    t.equal((await fetch(`${url}/adm2/x`)).status, 401)
  }
  t.strictSame(upstream.requests, [])
})

t.test('another case leads to a prefix of its own where the service is another', async t => {
  const [all, admin] = [await startUpstream(t), await startUpstream(t)]
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/', target: all.url, access: 'public' }, { prefix: '/admin', target: admin.url, audience: 'admin' }] })

  t.equal((await fetch(`${url}/Admin`)).status, 200)
  t.equal((await fetch(`${url}/Administration`)).status, 200)
  t.same(admin.requests, [])
})

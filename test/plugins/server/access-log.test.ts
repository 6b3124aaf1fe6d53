import t, { type Test } from 'tap'
import { eventually, sendRaw, startProxy, type Gateway } from '../../helpers/proxy.ts'
import { findClosedPort } from '../../helpers/closed-port.ts'
import { startUpstream } from '../../helpers/upstream.ts'

interface Line { level: number, msg: string, method: string, path: string, status: number, complete: boolean, ip: string, durationMs: number, reqId: string }

async function start (t: Test, accessLog = true): Promise<Gateway & { lines: string[], requestIds: () => unknown[] }> {
  const lines: string[] = []
  const upstream = await startUpstream(t)
  const never = await startUpstream(t, () => {})
  const broken = await startUpstream(t, (_request, response) => { response.write('half', () => { response.destroy() }) })
  const gateway = await startProxy(t, [
    { prefix: '/open', target: upstream.url }, { prefix: '/never', target: never.url }, { prefix: '/broken', target: broken.url },
    { prefix: '/gone', target: `http://127.0.0.1:${await findClosedPort()}` }
  ], { accessLog, trustProxy: ['10.0.0.0/8'], logger: { level: 'info', stream: { write: (line: string) => { if (!line.includes('listening')) lines.push(line) } } } })
  // The tests add hooks to every server, which are named at the start.
  lines.length = 0
  return { ...gateway, lines, requestIds: () => upstream.requests.map(({ headers }) => headers['x-request-id']) }
}

const parsed = (lines: string[]): Line[] => lines.map(line => JSON.parse(line) as Line).filter(({ msg }) => msg === 'request')

t.test('every request is one line: proxied, without a route, and refused before routing', async t => {
  const { port, lines, requestIds } = await start(t)

  for (const target of ['/open/1', '/none', '//open', '/gone', 'http://ada:zebra@open/']) {
    await sendRaw(t, port, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`).ended
  }
  await eventually(() => parsed(lines).length >= 5)

  t.match(parsed(lines), [
    { method: 'GET', path: '/open/1', status: 200, complete: true, ip: '127.0.0.1', level: 30, durationMs: Number, reqId: requestIds()[0] },
    { path: '/none', status: 404 },
    { path: '//open', status: 400 },
    { path: '/gone', status: 502 },
    { path: '-', status: 400 }
  ])
})

t.test('a line tells nothing of queries, path parameters, cookies, tokens and bodies', async t => {
  const { port, lines } = await start(t)

  for (const target of ['/open?token=zebra', '/none?zebra', '//?zebra', '/none#zebra', '/open;__Host-Http-portcullis=zebra', '/none/a%3Bjsessionid=zebra/b', '/none%3bzebra']) {
    await sendRaw(t, port, `POST ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer zebra\r\nCookie: __Host-Http-portcullis=zebra\r\nReferer: https://a/?zebra\r\nContent-Length: 5\r\n\r\nzebra`).ended
  }
  await eventually(() => parsed(lines).length >= 7)

  t.notMatch(lines.join(''), 'zebra')
  t.same(parsed(lines).map(({ path }) => path), ['/open', '/none', '//', '/none', '/open', '/none/a', '/none'])
})

t.test('whoever goes away before the answer, and an answer that breaks off, are told as such', async t => {
  const { port, lines } = await start(t)

  const client = sendRaw(t, port, 'GET /never HTTP/1.1\r\nHost: a\r\n\r\n')
  setTimeout(() => { client.socket.destroy() }, 50)
  await sendRaw(t, port, 'GET /broken HTTP/1.1\r\nHost: a\r\n\r\n').ended
  await eventually(() => parsed(lines).length >= 2)

  t.match(parsed(lines).find(({ path }) => path === '/never'), { status: 499, complete: false })
  t.match(parsed(lines).find(({ path }) => path === '/broken'), { status: 200, complete: false })
})

t.test('nothing that a client sends makes a line of its own', async t => {
  const { port, lines } = await start(t)

  await sendRaw(t, port, 'GET /none/%0a{"msg":"request"} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: 1.2.3.4\r\nX-Request-Id: mine\r\n\r\n').ended
  await eventually(() => lines.length >= 1)

  t.equal(lines.length, 1)
  t.equal(lines[0]!.trimEnd().split('\n').length, 1)
  t.match(parsed(lines)[0], { ip: '127.0.0.1', reqId: /^[0-9a-f-]{36}$/ })
})

t.test('without the option there are no lines', async t => {
  const { port, lines } = await start(t, false)

  await sendRaw(t, port, 'GET /open HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').ended

  t.same(lines, [])
})

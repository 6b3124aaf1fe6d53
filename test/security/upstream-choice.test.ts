import t, { type Test } from 'tap'
import { signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { eventually, sendRaw } from '../helpers/proxy.ts'
import { startUpstream, startRawUpstream } from '../helpers/upstream.ts'

/*
 * The attack: a client that chooses where the gateway goes. A target that is put together from a base and a path takes
 * `@evil.example`, `//evil.example` or a port that goes on with digits; a proxy that follows redirects goes wherever a service
 * sends it, with the credentials that it added; one that answers a cache of targets by a joined name takes one for another. What
 * stands behind the gateway (metadata services, neighbours on loopback) is not for clients.
 */

/** A listener that nobody has any business with. */
async function startTrap (t: Test) {
  return await startRawUpstream(t, socket => { socket.end('HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ntrapped') })
}

t.test('no target of a request leads anywhere but to the configured upstream', async t => {
  const trap = await startTrap(t)
  const up = await startUpstream(t)
  const trapHost = new URL(trap.url).host
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/', target: up.url, access: 'public' }, { prefix: '/cut', target: up.url, rewritePrefix: '/', access: 'public' }] })
  const port = Number(new URL(url).port)
  for (const prefix of ['', '/cut', '/cut/']) {
    for (const rest of [`@${trapHost}/`, `//${trapHost}/`, `/\\${trapHost}/`, `/@${trapHost}/`, `:${trapHost}`, `/http://${trapHost}/`, `/http:/${trapHost}/`, `/${trapHost}`, `.${trapHost}`, `?//${trapHost}`, `#@${trapHost}`, `%40${trapHost}`, `/%2f${trapHost}`, `;@${trapHost}`, ` @${trapHost}`, `\t${trapHost}`, '0', '1/x', ':80', ':80/x']) {
      await sendRaw(t, port, `GET ${prefix}${rest} HTTP/1.1\r\nHost: ${trapHost}\r\nConnection: close\r\n\r\n`).ended
    }
  }
  for (const target of [trap.url, `${trap.url}/x`, `//${trapHost}/x`, trapHost, `http://app.example.com@${trapHost}/`]) {
    t.match(await sendRaw(t, port, `GET ${target} HTTP/1.1\r\nHost: ${trapHost}\r\nConnection: close\r\n\r\n`).ended, /^HTTP\/1\.1 400 /, target)
  }
  for (const line of [`X-Forwarded-Host: ${trapHost}`, `Forwarded: host=${trapHost}`, `X-Original-Host: ${trapHost}`, `Destination: ${trap.url}`, `Referer: ${trap.url}`, `X-Forwarded-Server: ${trapHost}`, `Proxy: ${trap.url}`, `Alt-Used: ${trapHost}`, `Upgrade: ${trap.url}`]) {
    await sendRaw(t, port, `GET /x HTTP/1.1\r\nHost: ${trapHost}\r\nConnection: close\r\n${line}\r\n\r\n`).ended
  }
  t.same(trap.connections, [])
  t.ok(up.requests.length > 10)
  for (const { url: seen, headers } of up.requests) {
    t.equal(seen[0], '/', seen)
    t.notMatch(seen.split('?')[0], /^\/\//, seen)
    t.equal(headers.host, 'app.example.com')
  }
})

t.test('targets whose texts run into paths are never taken for each other', async t => {
  const [one, other] = [await startUpstream(t, (_request, response) => { response.end('one') }), await startUpstream(t, (_request, response) => { response.end('other') })]
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/a', target: one.url, rewritePrefix: '/', access: 'public' }, { prefix: '/a1', target: other.url, rewritePrefix: '/', access: 'public' }, { prefix: '/a/1', target: other.url, rewritePrefix: '/', access: 'public' }] })
  for (let time = 0; time < 3; time++) {
    for (const [path, answer] of [['/a/1x', 'one'], ['/a1/x', 'other'], ['/a/1/x', 'other'], ['/a/x', 'one'], ['/a?1/x', 'one'], ['/a/11', 'one']] as const) t.equal(await (await fetch(`${url}${path}`)).text(), answer, path)
  }
})

t.test('a redirect of a service is the client\'s to follow, or not', async t => {
  const trap = await startTrap(t)
  const up = await startUpstream(t, (request, response) => {
    const [, status = '302'] = request.url!.split('/').slice(1)
    response.writeHead(Number(status), { location: `${trap.url}/steal`, refresh: `0; url=${trap.url}`, 'content-location': trap.url, link: `<${trap.url}>; rel=preload`, 'alt-svc': `h2="${new URL(trap.url).host}"` }).end()
  })
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/up', target: up.url, audience: 'up' }] })
  const { cookie } = await signIn(url)
  for (const status of [300, 301, 302, 303, 305, 307, 308]) {
    for (const method of ['GET', 'POST', 'HEAD']) {
      const response = await fetch(`${url}/up/${status}`, { method, redirect: 'manual', headers: { cookie }, ...method === 'POST' ? { body: 'x' } : {} })
      t.equal(response.status, status)
      t.equal(response.headers.get('location'), `${trap.url}/steal`)
    }
  }
  t.same(trap.connections, [])
  t.equal(up.requests.length, 21, 'and no service is asked twice')
})

t.test('an upstream is sent no credential of the gateway but a token for it alone', async t => {
  const up = await startRawUpstream(t, (socket, sent) => { if (sent.endsWith('\r\n\r\n') || sent.endsWith('body')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n') })
  const upstreams = (['mint', 'headers', 'none'] as const).map(forward => ({ prefix: `/${forward}`, target: up.url, audience: forward, forward }))
  const { url } = await startGateway(t, { upstreams: [...upstreams, { prefix: '/public', target: up.url, access: 'public' }, { prefix: '/keep', target: up.url, access: 'session', audience: 'keep', forward: 'none', authorization: 'keep' }] })
  const session = await signIn(url)
  const tokens = await signInForTokens(url)
  const both = `${session.cookie}; ${tokens.cookie}`
  for (const path of ['/mint', '/headers', '/none', '/public', '/keep']) {
    for (const headers of [{ cookie: both }, { authorization: `Bearer ${tokens.token}` }, { cookie: `a=1; ${both};${both.toLowerCase()}; b=2` }] as Array<Record<string, string>>) {
      for (const init of [{}, { method: 'POST', body: 'body' }]) await fetch(`${url}${path}?x`, { ...init, headers })
    }
  }
  const sent = up.connections.join('')
  await eventually(() => sent.length > 0)
  for (const [what, value] of [['session cookie', session.cookie], ['refresh cookie', tokens.cookie], ['secret', session.cookie.split('.')[1]!], ['access token', tokens.token], ['signature', tokens.token.split('.')[2]!]] as const) {
    t.notOk(sent.toLowerCase().includes(value.slice(value.indexOf('=') + 1).toLowerCase()), what)
  }
  t.match(sent, /authorization: Bearer ey/i, 'but there is the minted one')
})

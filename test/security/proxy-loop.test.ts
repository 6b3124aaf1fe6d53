import { connect, createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { startGateway } from '../helpers/build-gateway.ts'
import { assertProblem } from '../helpers/problem.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * The attack: one request that comes back. A target that is the gateway's own address, or that of a load balancer in front of it,
 * makes the gateway its own client: every pass opens one more connection, until there are none left for anybody. It takes a
 * configuration that is wrong, or a service that can be talked into forwarding; then anybody's single request is enough.
 */

/** Connections that it takes from whoever does not stop by itself. */
const limit = 300

/** What stands between: passes on the bytes of every connection to the port that it is told, and counts them. */
async function startRelay (t: Test): Promise<{ url: string, count: () => number, to: (url: string) => void }> {
  let [port, count] = [0, 0]
  const relay = createServer(socket => {
    if (++count > limit) {
      socket.destroy()
      return
    }
    const onward = connect(port, '127.0.0.1')
    for (const [from, into] of [[socket, onward], [onward, socket]] as const) {
      from.pipe(into)
      from.on('error', () => {}).on('close', () => { into.destroy() })
      t.teardown(() => { from.destroy() })
    }
  })
  await new Promise<void>(resolve => { relay.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { relay.close() })
  return { url: `http://127.0.0.1:${(relay.address() as AddressInfo).port}`, count: () => count, to: url => { port = Number(new URL(url).port) } }
}

t.test('a request that comes back is refused at its second pass', async t => {
  const relay = await startRelay(t)
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/loop', target: relay.url, access: 'public' }] })
  relay.to(url)

  for (const [method, body] of [['GET'], ['POST', 'a body'], ['OPTIONS']] as const) {
    const passes = relay.count()
    await assertProblem(t, await fetch(`${url}/loop/x?y`, { method, ...body === undefined ? {} : { body } }), 508, 'PTC_ERR_UPSTREAM_LOOP', method)
    t.ok(relay.count() - passes <= 1, method)
  }
})

t.test('a circle of gateways ends where it began', async t => {
  const [there, back] = [await startRelay(t), await startRelay(t)]
  const one = await startGateway(t, { upstreams: [{ prefix: '/loop', target: there.url, access: 'public' }] })
  const other = await startGateway(t, { upstreams: [{ prefix: '/loop', target: back.url, access: 'public' }] })
  there.to(other.url)
  back.to(one.url)

  await assertProblem(t, await fetch(`${one.url}/loop`), 508, 'PTC_ERR_UPSTREAM_LOOP')

  t.same([there.count(), back.count()], [1, 1])
})

t.test('nothing that a client sends hides a loop, and nothing that it invents is one', async t => {
  const relay = await startRelay(t)
  const upstream = await startUpstream(t)
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/loop', target: relay.url, access: 'public' }, { prefix: '/up', target: upstream.url, access: 'public' }] })
  relay.to(url)

  for (const header of ['another', '', ', , ', 'portcullis', 'portcullis-0123456789abcdef', 'a; b="c, d"', 'x'.repeat(8000)]) {
    for (const [path, status] of [['/loop', 508], ['/up', 200]] as const) {
      const answer = await sendRaw(t, Number(new URL(url).port), `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close, CDN-Loop\r\nCDN_Loop: ${header}\r\nCDN-Loop: ${header}\r\ncdn-loop: b\r\n\r\n`).ended
      t.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), `${path} ${header}`)
    }
  }
  t.equal(upstream.requests.length, 7)
})

t.test('a service may call the gateway again, for another service', async t => {
  const relay = await startRelay(t)
  const upstream = await startUpstream(t)
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/outer', target: relay.url, rewritePrefix: '/inner', access: 'public' }, { prefix: '/inner', target: upstream.url, access: 'public' }] })
  relay.to(url)

  t.equal((await fetch(`${url}/outer`, { headers: { 'cdn-loop': 'a-cdn; x=1' } })).status, 200)
  t.match(upstream.requests[0]?.headers['cdn-loop'], /^a-cdn; x=1, portcullis-[\da-f]{16}, portcullis-[\da-f]{16}$/)
})

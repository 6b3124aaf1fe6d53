import t, { type Test } from 'tap'
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import errors from '../../plugins/errors.ts'
import { serverOptions } from '../../plugins/server-options.ts'
import { acceptJsonAlone } from '../../routes/json-api.ts'
import { eventually, sendRaw } from '../helpers/proxy.ts'

const withinMs = 100

async function start (t: Test, bodyWithinMs = withinMs, bodyBytes = 64 * 1_048_576): Promise<{ port: number, bodies: unknown[], lines: string[] }> {
  const bodies: unknown[] = []
  const lines: string[] = []
  const app = Fastify(serverOptions({ bodyBytes, logger: { level: 'warn', stream: { write: line => { lines.push(line) } } } }))
  await app.register(errors, { shape: 'all' })
  acceptJsonAlone(app, bodyWithinMs)
  app.post('/', async ({ body }) => {
    bodies.push(body)
    return {}
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(async () => {
    app.server.closeAllConnections()
    await app.close()
  })
  return { port: (app.server.address() as AddressInfo).port, bodies, lines }
}

const head = (length: number, more = '') => `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${more}\r\n`

t.test('a body that does not arrive is given up, and its connection with it', async t => {
  const { port, bodies, lines } = await start(t)

  for (const bytes of [head(9), `${head(9)}{"a"`, `${head(9, 'Expect: 100-continue\r\n')}{`, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"']) {
    const answer = await sendRaw(t, port, bytes).ended
    t.match(answer, /HTTP\/1\.1 408 [^]*PTC_ERR_REQUEST_TIMEOUT/, bytes)
    t.match(answer, /^connection: close\r$/im)
  }
  t.same(bodies, [])
  t.same(lines, [], 'and nothing goes wrong afterwards')
})

t.test('a body that trickles in is given up as well', async t => {
  const { port } = await start(t)
  const client = sendRaw(t, port, head(1000))
  const trickle = setInterval(() => { client.socket.write(' ') }, withinMs / 10)
  t.teardown(() => { clearInterval(trickle) })

  t.match(await client.ended, /^HTTP\/1\.1 408 /)
})

t.test('a connection goes on after a body that arrived, and after a request without one', async t => {
  const { port, bodies } = await start(t)
  const client = sendRaw(t, port, `${head(7)}{"a":1}`)
  await client.until(/\r\n\r\n\{\}$/)
  client.socket.write(head(0))
  await client.until(/\{\}[^]*\{\}$/)
  // Longer than a body may take.
  await new Promise(resolve => { setTimeout(resolve, withinMs * 2) })
  client.socket.write(`${head(7, 'Connection: close\r\n')}{"a":2}`)

  t.equal((await client.ended).split('HTTP/1.1 200 ').length, 4)
  t.same(bodies, [{ a: 1 }, undefined, { a: 2 }])
})

t.test('no timer is left behind of a body that is refused unread', async t => {
  const { port } = await start(t, 60_000)
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  const client = sendRaw(t, port, head(100_000_000))
  await client.until(/^HTTP\/1\.1 413 /)
  client.socket.destroy()
  await client.ended

  await eventually(() => timers() <= before)
})

t.test('structure that no body here needs is refused before it is parsed', async t => {
  const { port } = await start(t, 60_000)
  for (const [body, detail] of [
    ['['.repeat(60_000), 'nested too deep'],
    [`[${'[],'.repeat(20_000)}1]`, 'too many parts'],
    [`{${Array.from({ length: 5000 }, (_, index) => `"a${index}":1`).join()}}`, 'too many parts'],
    ['{"a":1,"a":2}', 'a member twice'],
    ['{"a":1', 'is not JSON']
  ] as const) {
    const answer = await sendRaw(t, port, `${head(body.length, 'Connection: close\r\n')}${body}`).ended
    t.match(answer, new RegExp(`^HTTP/1\\.1 400 [^]*${detail}`))
  }
})

t.test('a body that is no UTF-8 is refused: each of its octets would be read as the same character', async t => {
  const { port, bodies } = await start(t, 60_000)
  for (const octets of ['\xff', '\xc0\xa2', '\xed\xa0\x80', '\xc3', '\xf8\x88\x80\x80\x80']) {
    const body = `{"a":"${octets}"}`
    t.match(await sendRaw(t, port, `${head(body.length, 'Connection: close\r\n')}${body}`).ended, /^HTTP\/1\.1 400 [^]*not UTF-8/)
  }
  t.match(await sendRaw(t, port, `${head(10, 'Connection: close\r\n')}{"a":"\xc3\xa9"}`).ended, /^HTTP\/1\.1 200 /)
  t.same(bodies, [{ a: 'é' }])
})

t.test('what is longer than the limit of the server is refused unread', async t => {
  const { port, bodies } = await start(t, 60_000, 1_048_576)
  const longest = `{"a":"${'x'.repeat(1_048_576 - 8)}"}`

  t.match(await sendRaw(t, port, `${head(longest.length, 'Connection: close\r\n')}${longest}`).ended, /^HTTP\/1\.1 200 /)
  t.match(await sendRaw(t, port, head(longest.length + 1)).ended, /^HTTP\/1\.1 413 [^]*PTC_ERR_BODY_TOO_LARGE/)
  const chunks = `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n101000\r\n${'x'.repeat(0x101000)}`
  t.match(await sendRaw(t, port, chunks).ended, /^HTTP\/1\.1 413 /)
  t.equal(bodies.length, 1)
})

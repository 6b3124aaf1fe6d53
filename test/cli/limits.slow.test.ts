import t, { type Test } from 'tap'
import { password, post } from '../helpers/build-gateway.ts'
import { startPortcullis, writeConfig } from '../helpers/portcullis.ts'
import { assertProblem } from '../helpers/problem.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { startUpstream, type Upstream } from '../helpers/upstream.ts'

/** A gateway process with these limits, and an upstream for everybody at /up. */
async function start (t: Test, limits: object): Promise<{ url: string, port: number, up: Upstream }> {
  const up = await startUpstream(t)
  const { config } = await writeConfig(t, { limits, upstreams: [{ prefix: '/up', target: up.url, access: 'public' }] })
  const { url } = await startPortcullis(t, config)
  return { url, port: Number(new URL(url).port), up }
}

const head = (path: string, padding: number) => `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ${'x'.repeat(padding)}\r\n\r\n`

t.test('limits.headers: a larger head is 431, and no upstream hears of it', async t => {
  for (const [headers, fits, tooLarge] of [['1KiB', 900, 1100], ['64KiB', 60_000, 66_000]] as const) {
    const { port, up } = await start(t, { headers })

    t.match(await sendRaw(t, port, head('/.well-known/jwks.json', fits)).ended, /^HTTP\/1\.1 200 /, headers)
    t.match(await sendRaw(t, port, head('/up', tooLarge)).ended, /^HTTP\/1\.1 431 [^]*connection: close[^]*PTC_ERR_HEADERS_TOO_LARGE/, headers)
    t.match(await sendRaw(t, port, `GET /up/${'x'.repeat(tooLarge)} HTTP/1.1\r\nHost: a\r\n\r\n`).ended, /^HTTP\/1\.1 431 /, headers)
    t.match(await sendRaw(t, port, `GET /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${'X: x\r\n'.repeat(tooLarge)}\r\n`).ended, /^HTTP\/1\.1 431 /, headers)
    t.same(up.requests, [])
  }
})

t.test('limits.body: a larger body of an own endpoint is 413, with and without a length; upstreams stream', async t => {
  const { url, port, up } = await start(t, { body: '1KiB' })
  const body = JSON.stringify({ username: 'ada', password: 'x'.repeat(1500) })
  const login = 'POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n'

  await assertProblem(t, await fetch(`${url}/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body }), 413, 'PTC_ERR_BODY_TOO_LARGE')
  for (const bytes of [
    `${login}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    `${login}Transfer-Encoding: chunked\r\n\r\n${[...body].map(letter => `1\r\n${letter}\r\n`).join('')}`,
    `${login}Content-Length: 1000000000000\r\n\r\n{`
  ]) t.match(await sendRaw(t, port, bytes).until(/PTC_ERR/), /^HTTP\/1\.1 413 [^]*PTC_ERR_BODY_TOO_LARGE/)
  t.equal((await post(`${url}/auth/login`, { username: 'ada', password })).status, 200)
  t.equal((await fetch(`${url}/up`, { method: 'POST', body: 'x'.repeat(1_000_000) })).status, 200)
  t.equal(up.requests[0]?.body.length, 1_000_000)
})

t.test('limits.headersTimeout: a head that does not arrive in time is 408, also one that trickles', async t => {
  const { port, up } = await start(t, { headersTimeout: '300ms' })
  const timedOut = /^HTTP\/1\.1 408 [^]*connection: close[^]*PTC_ERR_REQUEST_TIMEOUT/

  t.match(await sendRaw(t, port, 'GET /up HTTP/1.1\r\nHost: a\r\n').ended, timedOut)
  t.match(await sendRaw(t, port, 'GET /u').ended, timedOut)
  const trickle = sendRaw(t, port, 'GET /up HTTP/1.1\r\nHost: a\r\n')
  const trickling = setInterval(() => { trickle.socket.write('X: x\r\n') }, 20)
  t.teardown(() => { clearInterval(trickling) })
  t.match(await trickle.ended, timedOut)
  t.same(up.requests, [])
})

t.test('limits.headersTimeout is for the head alone: a body may take longer', async t => {
  const { port, up } = await start(t, { headersTimeout: '300ms' })
  const body = 'a body that is late'
  const client = sendRaw(t, port, `POST /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`)
  for (const letter of body) {
    await new Promise(resolve => { setTimeout(resolve, 30) })
    client.socket.write(letter)
  }

  t.match(await client.ended, /^HTTP\/1\.1 200 /)
  t.equal(up.requests[0]?.body, body)
})

t.test('limits.keepAlive: a connection is used again, and ends when it was idle for that long', async t => {
  const { port } = await start(t, { keepAlive: '2s' })
  const request = 'GET /up HTTP/1.1\r\nHost: a\r\n\r\n'
  const client = sendRaw(t, port, request)
  t.match(await client.until(/ok\r\n0\r\n\r\n$|ok$/), /^keep-alive: timeout=2\r$/im)
  client.socket.write(request)
  await client.until(/ok[^]*HTTP\/1\.1 200 [^]*ok/)

  const answers = await client.ended

  t.equal(answers.split('HTTP/1.1 200 ').length, 3)
  t.notMatch(answers, / 408 /)
})

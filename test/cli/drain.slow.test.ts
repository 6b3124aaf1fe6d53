import type { ServerResponse } from 'node:http'
import t from 'tap'
import { adminToken } from '../helpers/admin.ts'
import { password, post } from '../helpers/build-gateway.ts'
import { startPortcullis, untilTrue, writeConfig } from '../helpers/portcullis.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { startUpstream } from '../helpers/upstream.ts'

t.test('a draining gateway finishes what is in flight, takes nothing new, and ends with 0', async t => {
  const waiting: ServerResponse[] = []
  const slow = await startUpstream(t, (request, response) => {
    request.resume()
    waiting.push(response)
  })
  const { config } = await writeConfig(t, { upstreams: [{ prefix: '/slow', target: slow.url, access: 'public' }] })
  const gateway = await startPortcullis(t, config)
  const answer = fetch(`${gateway.url}/slow`)
  await untilTrue(async () => slow.requests.length === 1, 5)

  gateway.signal('SIGTERM')
  await untilTrue(async () => await fetch(`${gateway.url}/.well-known/jwks.json`).then(() => false, () => true), 5)
  waiting[0]!.end('finished')

  t.equal(await (await answer).text(), 'finished')
  t.equal((await gateway.ended).code, 0)
})

t.test('during shutdown.delay it is not ready and serves on, new connections too; after it, what is in flight has shutdown.timeout', async t => {
  const waiting: ServerResponse[] = []
  const up = await startUpstream(t, (request, response) => {
    if (request.url === '/up/slow') waiting.push(response)
    else response.end('ok')
  })
  const port = await findClosedPort()
  const { config } = await writeConfig(t, { shutdown: { delay: '3s', timeout: '60s' }, admin: { port, token: adminToken }, upstreams: [{ prefix: '/up', target: up.url, access: 'public' }] })
  const gateway = await startPortcullis(t, config)
  const probe = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status
  const answers = [fetch(`${gateway.url}/up/slow`)]
  await untilTrue(async () => waiting.length === 1, 5)
  t.equal(await probe('/readyz'), 200)

  gateway.signal('SIGTERM')
  await untilTrue(async () => await probe('/readyz') === 503, 2)
  t.equal(await probe('/healthz'), 200)
  // On connections of their own, and signing in as well.
  for (let time = 0; time < 5; time++) t.match(await sendRaw(t, Number(new URL(gateway.url).port), 'GET /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').ended, /^HTTP\/1\.1 200 [^]*ok/)
  t.equal((await post(`${gateway.url}/auth/login`, { username: 'ada', password })).status, 200)
  answers.push(fetch(`${gateway.url}/up/slow`))
  await untilTrue(async () => waiting.length === 2, 5)

  await untilTrue(async () => await fetch(`${gateway.url}/up`).then(() => false, () => true), 5)
  t.equal(await probe('/readyz'), 503, 'until the end')
  for (const response of waiting) response.end('finished')

  t.same(await Promise.all(answers.map(async answer => await (await answer).text())), ['finished', 'finished'])
  t.equal((await gateway.ended).code, 0)
})

t.test('what is in flight for longer than shutdown.timeout is cut', async t => {
  const never = await startUpstream(t, request => { request.resume() })
  const { config } = await writeConfig(t, { shutdown: { timeout: '200ms' }, upstreams: [{ prefix: '/never', target: never.url, access: 'public' }] })
  const gateway = await startPortcullis(t, config)
  const answer = fetch(`${gateway.url}/never`).then(() => 'answered', () => 'cut')
  await untilTrue(async () => never.requests.length === 1, 5)

  t.equal((await gateway.end()).code, 0)
  t.equal(await answer, 'cut')
})

t.test('draining may take longer than Fastify gives a plugin', async t => {
  const { config } = await writeConfig(t, { shutdown: { delay: '10500ms' } })
  const gateway = await startPortcullis(t, config)

  t.match(await gateway.end(), { code: 0, stderr: '' })
})

t.test('a second signal ends it at once', async t => {
  const never = await startUpstream(t, request => { request.resume() })
  const { config } = await writeConfig(t, { shutdown: { timeout: '60s' }, upstreams: [{ prefix: '/never', target: never.url, access: 'public' }] })
  const gateway = await startPortcullis(t, config)
  fetch(`${gateway.url}/never`).catch(() => {})
  await untilTrue(async () => never.requests.length === 1, 5)

  gateway.signal('SIGTERM')
  await untilTrue(async () => await fetch(`${gateway.url}/x`).then(() => false, () => true), 5)
  t.not((await gateway.end('SIGTERM')).code, 0)
})

t.test('the log says which version starts, which signal ends it, what is drained, and how that went', async t => {
  const slow = await startUpstream(t, (_request, response) => { waiting.push(response) })
  const waiting: ServerResponse[] = []
  const { config } = await writeConfig(t, { log: { level: 'info' }, upstreams: [{ prefix: '/slow', target: slow.url, access: 'public' }] })
  const gateway = await startPortcullis(t, config)
  const underWay = fetch(`${gateway.url}/slow`)
  await untilTrue(async () => waiting.length === 1, 5)

  gateway.signal('SIGTERM')
  await untilTrue(async () => gateway.output.stdout.includes('"msg":"draining"'), 5)
  waiting[0]!.end('done')
  t.equal(await (await underWay).text(), 'done')
  const { stdout, code } = await gateway.ended

  t.equal(code, 0)
  const lines = stdout.split('\n').filter(line => line.startsWith('{')).map(line => JSON.parse(line) as Record<string, unknown>)
  t.match(lines.find(({ msg }) => msg === 'portcullis starts'), { level: 30, version: /^\d+\.\d+\.\d+/, node: process.versions.node })
  t.match(lines.filter(({ msg }) => ['told to end', 'draining', 'drained'].includes(String(msg))), [
    { msg: 'told to end', signal: 'SIGTERM' },
    { msg: 'draining', requests: 1, streams: 0, delayMs: 0, timeoutMs: Number },
    { msg: 'drained', cut: 0, ms: Number }
  ])
})

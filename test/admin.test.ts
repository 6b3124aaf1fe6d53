import type { ServerResponse } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import { checkConfig } from '../config/load.ts'
import { composeGateway } from '../gateway/gateway.ts'
import { adminToken, startAdministered } from './helpers/admin.ts'
import { until } from './helpers/build-app.ts'
import { startGateway } from './helpers/build-gateway.ts'
import { createOutage } from './helpers/outage.ts'
import { startPortcullis, runPortcullis, writeConfig } from './helpers/portcullis.ts'
import { findClosedPort } from './helpers/closed-port.ts'
import { startUpstream } from './helpers/upstream.ts'
import { sendRaw } from './helpers/proxy.ts'
import { readAnswer } from './helpers/wire.ts'

t.test('health and metrics need no token, and nobody keeps them', async t => {
  const { admin } = await startAdministered(t)

  for (const path of ['/healthz', '/readyz', '/metrics']) {
    const response = await fetch(`${admin}${path}`)
    t.equal(response.status, 200, path)
    t.equal(response.headers.get('cache-control'), 'no-store', path)
    await response.text()
  }
})

t.test('readiness goes with the store, and comes back with it', async t => {
  const outage = createOutage()
  const { admin } = await startAdministered(t, { revocation: { maxStaleness: '200ms' } }, outage)
  const ready = async () => (await fetch(`${admin}/readyz`)).status
  t.equal(await ready(), 200)

  outage.begin()
  await until(async () => await ready() === 503)
  t.equal((await fetch(`${admin}/healthz`)).status, 200)

  outage.end()
  await until(async () => await ready() === 200)
})

t.test('while the gateway drains, readiness says so, until both are closed', async t => {
  const { app, url, admin } = await startAdministered(t, { shutdown: { delay: '400ms' } })

  const closed = app.close()
  await until(() => !app.portcullis.health.isReady())
  t.equal((await fetch(`${admin}/readyz`)).status, 503)
  t.equal((await fetch(`${admin}/healthz`)).status, 200)
  t.equal((await fetch(`${url}/.well-known/jwks.json`)).status, 200)

  await closed
  await t.rejects(fetch(`${admin}/healthz`))
  await t.rejects(fetch(`${url}/`))
})

t.test('readiness is answered for as long as a request is under way', async t => {
  const waiting: ServerResponse[] = []
  const slow = await startUpstream(t, (_request, response) => { waiting.push(response) })
  const { app, url, admin } = await startAdministered(t, { upstreams: [{ prefix: '/slow', target: slow.url, access: 'public' }] })
  const underWay = fetch(`${url}/slow`)
  await until(() => waiting.length === 1)

  const closed = app.close()
  await until(() => !app.server.listening)
  t.equal((await fetch(`${admin}/readyz`)).status, 503)

  waiting[0]?.end('done')
  t.equal(await (await underWay).text(), 'done')
  await closed
  await t.rejects(fetch(`${admin}/readyz`))
})

t.test('without admin in the configuration there is no such listener', async t => {
  const { app } = await startGateway(t)

  t.equal(app.portcullis.admin, undefined)
  t.equal(app.portcullis.metrics, undefined)
})

t.test('an address that is taken keeps the gateway from starting', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => { taken.close() })
  await until(() => taken.listening)
  const { port } = taken.address() as AddressInfo
  const config = checkConfig({ origin: 'https://app.example.com', admin: { port, token: adminToken }, store: { type: 'sqlite', path: ':memory:' }, identity: async () => null, log: { level: 'silent' } }, { directory: '.', env: {} })

  await t.rejects(composeGateway(config), { message: `admin: 127.0.0.1:${port} cannot be listened on (EADDRINUSE); choose another port, or end what uses it` })
})

t.test('start opens both listeners, prints one line, and closes both', async t => {
  const port = await findClosedPort()
  const { config } = await writeConfig(t, { log: { level: 'error' }, admin: { port, token: '${ADMIN_TOKEN}' } }) // eslint-disable-line no-template-curly-in-string
  const env = { ADMIN_TOKEN: adminToken }
  const gateway = await startPortcullis(t, config, { env })
  t.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200)

  const { code, stdout, stderr } = await gateway.end()

  t.equal(code, 0)
  t.equal(stdout, `portcullis listening on ${gateway.url}\n`)
  t.equal(stderr, '')
  await t.rejects(fetch(`http://127.0.0.1:${port}/healthz`))
  t.match((await runPortcullis(t, ['check', '--config', config], { env })).stdout, new RegExp(`^ {2}admin +127\\.0\\.0\\.1:${port}$`, 'm'))
})

/*
 * A page that an operator opens can send requests to loopback, and after DNS rebinding it can read the answers.
 */
t.test('no page of another site reads metrics or health, and monitoring asks by any name', async t => {
  const { admin } = await startAdministered(t)
  const port = Number(new URL(admin).port)
  const statusOf = async (path: string, host: string, lines: string[]) => {
    return readAnswer(await sendRaw(t, port, [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...lines, '', ''].join('\r\n')).ended).status
  }
  const browser = ['Accept-Language: en', 'User-Agent: Mozilla/5.0 (X11) Firefox/150.0']

  for (const path of ['/metrics', '/healthz', '/readyz', '/nowhere']) {
    const fine = path === '/nowhere' ? 404 : 200
    for (const lines of [['Sec-Fetch-Site: cross-site'], ['Sec-Fetch-Site: same-site'], ['Origin: https://evil.example'], ['Origin: null']]) t.equal(await statusOf(path, '127.0.0.1', lines), 403, `${path} ${lines[0]}`)
    for (const lines of [browser, ['Accept-Language: en', 'User-Agent: Prometheus/3.0'], ['User-Agent: Mozilla/5.0'], ['Cookie: a=b'], ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Mode: cors'], ['Sec-Fetch-Site: same-origin'], ['Sec-Fetch-Dest: empty'], ['Sec-CH-UA: "Chromium"'], ['Sec-GPC: 1'], ['Referer: http://evil.example/'], ['DNT: 1'], ['Upgrade-Insecure-Requests: 1']]) {
      for (const host of ['evil.example', `evil.example:${port}`, 'EVIL.example.', '127.0.0.1.evil.example', 'evil.example:', 'EVIL.example.:', '[::1]evil.example', '[::1].evil.example:', 'localhost:80:evil.example', '[evil.example]:']) t.equal(await statusOf(path, host, lines), 403, `${path} ${host} ${lines[0]}`)
    }
    for (const host of ['127.0.0.1', `127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, 'gateway:9090']) t.equal(await statusOf(path, host, browser), fine, `${path} ${host}`)
    for (const host of ['gateway.monitoring.svc.cluster.local:9090', 'gateway.example.com', '10.0.0.5:9090']) t.equal(await statusOf(path, host, ['User-Agent: Prometheus/3.0', 'Accept-Encoding: gzip']), fine, `${path} ${host}`)
  }
})

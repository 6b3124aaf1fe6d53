import type { ServerResponse } from 'node:http'
import t from 'tap'
import { startPortcullis, untilTrue, writeConfig } from '../helpers/portcullis.ts'
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

import t from 'tap'
import type { StreamRegistry } from '../../../plugins/streams/registry.ts'
import { until } from '../../helpers/build-app.ts'
import { createDevice, deviceCookieOf, refresh, register, signInBound, signInToBind } from '../../helpers/device.ts'
import { ask, closeOf, openSocket, startSocketGateway, startSocketUpstream } from '../../helpers/sockets.ts'

const minute = 60_000

t.test('a WebSocket on a bound session is closed with 1008 when the device cookie that opened it runs out, and not before', async t => {
  const upstream = await startSocketUpstream(t)
  const { ws, url, advance, app } = await startSocketGateway(t, upstream.url, { session: { deviceBound: {} } })
  const { cookie, sid, both, device, next } = await signInBound(url)
  const early = await openSocket(t, `${ws}/live`, [], { cookie: both })
  advance(3 * minute)
  const renewed = await refresh(url, cookie, sid, device.refresh(next))
  const late = await openSocket(t, `${ws}/live`, [], { cookie: `${cookie}; ${deviceCookieOf(renewed)}` })

  const registry = app.portcullis.streams as StreamRegistry
  const look = async (): Promise<void> => {
    await registry.read()
    registry.sweep()
  }
  advance(2 * minute - 1000)
  await look()
  t.equal(await ask(early, 'not yet'), 'not yet')

  const closed = closeOf(early)
  advance(1000)
  t.equal((await closed).code, 1008, 'renewed or not: whoever has the key opens another one')
  await look()
  t.equal(await ask(late, 'still here'), 'still here')

  const last = closeOf(late)
  advance(3 * minute)
  t.equal((await last).code, 1008)
})

t.test('event streams and long downloads end with it too', async t => {
  const upstream = await startSocketUpstream(t, {
    onRequest (request, response) {
      if (request.url!.endsWith('/events')) response.setHeader('content-type', 'text/event-stream')
      response.write('data: 1\n\n')
    }
  })
  const { url, app, advance } = await startSocketGateway(t, upstream.url, { session: { deviceBound: {} } })
  const { both } = await signInBound(url)
  const answers = await Promise.all(['events', 'download'].map(async kind => await fetch(`${url}/live/${kind}`, { headers: { cookie: both } })))
  await until(() => app.portcullis.streams.open === 2)

  advance(5 * minute)

  for (const answer of answers) await t.rejects(answer.text(), 'cut')
})

t.test('what was opened before the binding has as long as the first device cookie', async t => {
  const upstream = await startSocketUpstream(t)
  const { ws, url, advance, app } = await startSocketGateway(t, upstream.url, { session: { idleTimeout: '10s', absoluteTimeout: '1h', deviceBound: { cookieTtl: '3s' } } })
  const { cookie, challenge } = await signInToBind(url)
  const unbound = await signInToBind(url)
  const sockets = [await openSocket(t, `${ws}/live`, [], { cookie }), await openSocket(t, `${ws}/live`, [], { cookie: unbound.cookie })]
  const bound = await register(url, cookie, createDevice().register(challenge))
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie: `${cookie}; ${deviceCookieOf(bound)}` } })).status, 200)

  const registry = app.portcullis.streams as StreamRegistry
  advance(2000)
  await registry.read()
  registry.sweep()
  t.equal(await ask(sockets[0]!, 'not yet'), 'not yet')

  const closed = closeOf(sockets[0]!)
  advance(2000)

  t.equal((await closed).code, 1008)
  t.equal(await ask(sockets[1]!, 'still here'), 'still here')
  t.equal(app.portcullis.streams.open, 1)
})

import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { eventChannel, publish, type SecurityEvent } from '../../lib/events.ts'
import audit from '../../plugins/audit.ts'
import storePlugin from '../../plugins/store.ts'
import { createServer, createStore } from '../helpers/build-app.ts'

/** A server with nothing but the audit log, and the lines that it has written. */
async function build (t: Test, level = 'info') {
  const { store } = await createStore(t)
  const lines: string[] = []
  const app = Fastify({ logger: { level, stream: new Writable({ write (chunk, _encoding, done) { lines.push(String(chunk)); done() } }) } })
  t.teardown(() => app.close())
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(audit)
  await app.ready()
  return { app, lines, written: () => lines.map(line => JSON.parse(line) as Record<string, unknown>) }
}

t.test('an event is one line at level info, with the documented members alone', async t => {
  const { app, written } = await build(t)
  const event: SecurityEvent & { token: string } = { event: 'session.opened', sid: 's', subject: 'ada', ip: '127.0.0.1', outcome: 'session', token: 'a secret' }

  publish(event, app.portcullis)
  publish({ event: 'store.unavailable' }, app.portcullis)

  const [first, second] = written().map(({ time: _, pid: __, hostname: ___, ...line }) => line)
  t.same(first, { level: 30, audit: true, event: 'session.opened', sid: 's', subject: 'ada', ip: '127.0.0.1', outcome: 'session' })
  t.same(second, { level: 30, audit: true, event: 'store.unavailable' })
})

t.test('an event of an identity provider names it', async t => {
  const { app, written } = await build(t)

  publish({ event: 'session.opened', sid: 's', subject: 'corp|ada', provider: 'corp' }, app.portcullis)
  publish({ event: 'login.refused', provider: 'corp', outcome: 'not-allowed' }, app.portcullis)
  publish({ event: 'provider.logout', provider: 'corp', outcome: 'ended', sessions: 2 }, app.portcullis)

  t.match(written(), [
    { event: 'session.opened', subject: 'corp|ada', provider: 'corp' },
    { event: 'login.refused', provider: 'corp', outcome: 'not-allowed' },
    { event: 'provider.logout', provider: 'corp', outcome: 'ended', sessions: 2 }
  ])
})

/*
 * A subject or an address with a line break in it would write lines of its own, and hide what it did or blame somebody else.
 */
t.test('whatever a member holds, an event stays one line', async t => {
  const { app, lines, written } = await build(t)
  const subject = 'ada"}\r\n{"level":30,"audit":true,"event":"session.closed"}\n\u2028\u0000\u001b[2K\ud800'

  publish({ event: 'session.opened', subject, ip: '1\n2', outcome: '\n' }, app.portcullis)

  t.equal(lines.length, 1)
  t.equal(lines[0]?.indexOf('\n'), lines[0]!.length - 1)
  t.notMatch(lines[0], /[\u0000-\u0009\u000b-\u001f]/) // eslint-disable-line no-control-regex
  t.match(written(), [{ event: 'session.opened', ip: '1\n2', outcome: '\n' }])
})

t.test('two servers in one process write each its own events, and none once it is closed', async t => {
  const [one, other] = [await build(t), await build(t)]

  publish({ event: 'login.refused' }, one.app.portcullis)
  publish({ event: 'csrf.refused' }, other.app.portcullis)
  await one.app.close()
  publish({ event: 'login.refused' }, one.app.portcullis)

  t.same(one.written().map(({ event }) => event), ['login.refused'])
  t.same(other.written().map(({ event }) => event), ['csrf.refused'])
  await other.app.close()
  t.notOk(eventChannel.hasSubscribers)
})

t.test('a log that does not want level info has no audit lines', async t => {
  const { app, lines } = await build(t, 'warn')

  publish({ event: 'login.refused' }, app.portcullis)

  t.notOk(lines.some(line => line.includes('"audit":true')))
})

t.test('the plugin does not boot without the store, and refuses what is no option', async t => {
  await t.rejects(async () => { await createServer(t).register(audit) }, { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' })
  const server = createServer(t)
  await server.register(fp(async () => {}, { name: 'portcullis-store' }))

  await t.rejects(async () => { await server.register(audit, { level: 'warn' } as unknown as Parameters<typeof audit>[1]) }, { code: 'PTC_ERR_CONFIG_INVALID', message: 'portcullis-audit: level is not an option' })
})

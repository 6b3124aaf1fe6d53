import { spawnSync } from 'node:child_process'
import Fastify, { type FastifyInstance } from 'fastify'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { Counter, Registry } from 'prom-client'
import t, { type Test } from 'tap'
import { publish } from '../../lib/events.ts'
import audit, { type AuditEvent, type AuditOptions } from '../../plugins/audit.ts'
import blocklist from '../../plugins/blocklist.ts'
import metrics, { type MetricsOptions } from '../../plugins/metrics.ts'
import storePlugin from '../../plugins/store.ts'
import { compileCache } from '../helpers/compile-cache.ts'
import { createStore, until } from '../helpers/build-app.ts'

interface Logged { app: FastifyInstance, lines: string[] }

async function build (t: Test, level: string | false = 'info'): Promise<Logged> {
  const { store } = await createStore(t)
  const lines: string[] = []
  const app = Fastify({ logger: level === false ? false : { level, stream: new Writable({ write (chunk, _encoding, done) { lines.push(String(chunk)); done() } }) } })
  t.teardown(() => app.close())
  await app.register(storePlugin, { type: 'custom', store })
  return { app, lines }
}

async function buildAudit (t: Test, options: AuditOptions, level?: string): Promise<Logged> {
  const built = await build(t, level)
  await built.app.register(audit, options)
  return built
}

t.test('a function receives the documented members of each event, whatever the level of the log', async t => {
  const events: AuditEvent[] = []
  const { app, lines } = await buildAudit(t, { sink: event => events.push(event) }, 'error')

  publish({ event: 'session.opened', subject: 'ada', token: 'a secret' } as AuditEvent, app.portcullis)

  t.match(events, [{ event: 'session.opened', subject: 'ada', at: Number }])
  t.same(Object.keys(events[0]!).sort(), ['at', 'event', 'subject'])
  t.same(lines, [])
})

t.test('an object with write receives one line of JSON for each event', async t => {
  const written: string[] = []
  const stream = new Writable({ decodeStrings: false, write (line: string, _encoding, done) { written.push(line); done() } })
  const { app } = await buildAudit(t, { sink: stream })

  publish({ event: 'login.refused', ip: '1\n2' }, app.portcullis)
  publish({ event: 'csrf.refused' }, app.portcullis)

  t.match(written.map(line => JSON.parse(line) as object), [{ audit: true, event: 'login.refused', ip: '1\n2', at: Number }, { event: 'csrf.refused' }])
  for (const line of written) t.equal(line.indexOf('\n'), line.length - 1)
})

t.test('what a sink throws, rejects with or emits is logged, and nothing else happens', async t => {
  const stream = new PassThrough()
  for (const [sink, message] of [
    [() => { throw new Error('no space') }, /no space/],
    [async () => { throw new Error('no space') }, /no space/],
    [{ write: () => { throw new Error('no space') } }, /no space/],
    [stream, /the file is gone/]
  ] as const) {
    const { app, lines } = await buildAudit(t, { sink })
    publish({ event: 'session.opened' }, app.portcullis)
    if (sink === stream) stream.destroy(new Error('the file is gone'))
    await until(() => lines.length > 0)
    t.match(lines, [message])
    t.match(JSON.parse(lines[0]!), { level: 50, msg: 'an event could not be written to the audit log' })
  }
})

t.test('closing waits until a sink has written', async t => {
  let hasWritten = false
  const { app } = await buildAudit(t, { sink: async () => { await new Promise(resolve => setTimeout(resolve, 20)); hasWritten = true } })
  publish({ event: 'session.opened' }, app.portcullis)

  await app.close()

  t.ok(hasWritten)
})

t.test('a sink that never settles does not keep a server from closing, and is logged', async t => {
  const { app, lines } = await buildAudit(t, { sink: async () => await new Promise(() => {}) })
  publish({ event: 'session.opened' }, app.portcullis)

  await app.close()

  t.match(lines, [/has not settled 1 events/])
})

t.test('a log that would lose the events is named at the start, in the log if that writes warnings', async t => {
  const { lines } = await buildAudit(t, {}, 'warn')
  t.match(lines, [/every security event is lost.*give portcullis-audit a sink/])
  t.equal(lines.length, 1)

  t.same((await buildAudit(t, {}, 'info')).lines, [])
  t.same((await buildAudit(t, { sink: () => {} }, 'warn')).lines, [])
})

t.test('a process whose applications have no logger is warned once', async t => {
  // A program that tap starts prints no warnings itself.
  const program = `
    process.on('warning', ({ code }) => { console.log(code) })
    import Fastify from '${import.meta.resolve('fastify')}'
    import { audit, store } from '${new URL('../../index.ts', import.meta.url).href}'
    for (let twice = 0; twice < 2; twice++) await Fastify().register(store, { path: ':memory:' }).register(audit)
    await new Promise(resolve => setImmediate(resolve))
    process.exit()`
  const { stdout } = spawnSync(process.execPath, [join(t.testdir({ 'program.mjs': program }), 'program.mjs')], { encoding: 'utf8', env: compileCache })

  t.equal(stdout, 'PTC_WARN_AUDIT_LOST\n')
})

t.test('a sink that cannot be written to is refused', async t => {
  for (const sink of ['audit.log', {}, { write: 1 }, null]) {
    const { app } = await build(t)
    await t.rejects(async () => { await app.register(audit, { sink } as unknown as AuditOptions) }, { code: 'PTC_ERR_CONFIG_INVALID', message: 'portcullis-audit: sink must be a function, or an object with write' })
  }
})

async function buildMetrics (t: Test, options: MetricsOptions): Promise<FastifyInstance> {
  const { app } = await build(t)
  await app.register(blocklist)
  await app.register(metrics, options)
  return app
}

t.test('the metrics are in the registry of the application beside its own, under its prefix, and leave with the server', async t => {
  const registry = new Registry()
  new Counter({ name: 'shop_orders_total', help: 'Orders.', registers: [registry] }).inc()

  for (let twice = 0; twice < 2; twice++) {
    const app = await buildMetrics(t, { registry, prefix: 'shop_' })
    publish({ event: 'session.opened' }, app.portcullis)

    t.equal(app.portcullis.metrics.registry, registry)
    const text = await app.portcullis.metrics.text()
    t.match(text, /^shop_orders_total 1$/m)
    t.match(text, /^shop_sessions_opened_total 1$/m)
    t.match(text, /^shop_verification_seconds_count|^# TYPE shop_verification_seconds histogram$/m)
    t.notMatch(text, /^(?:portcullis_|process_cpu)/m)
    await app.close()
    t.same((await registry.getMetricsAsArray()).map(({ name }) => name), ['shop_orders_total'])
  }
})

t.test('metrics of the process are there by default without a registry, and on demand with one', async t => {
  t.match(await (await buildMetrics(t, {})).portcullis.metrics.text(), /^process_cpu/m)
  t.notMatch(await (await buildMetrics(t, { processMetrics: false })).portcullis.metrics.text(), /^process_cpu/m)
  t.match(await (await buildMetrics(t, { registry: new Registry(), processMetrics: true })).portcullis.metrics.text(), /^process_cpu/m)
})

t.test('a metric that the registry has already is named, and keeps its place', async t => {
  const registry = new Registry()
  new Counter({ name: 'portcullis_logins_total', help: 'Mine.', registers: [registry] }).inc()

  await t.rejects(buildMetrics(t, { registry }), { code: 'PTC_ERR_CONFIG_INVALID', message: /^portcullis-metrics: registry has a metric of the same name: .*portcullis_logins_total/ })

  t.equal(await registry.metrics(), '# HELP portcullis_logins_total Mine.\n# TYPE portcullis_logins_total counter\nportcullis_logins_total 1\n')
})

t.test('wrong options of metrics are refused by name', async t => {
  for (const [options, message] of [[{ registry: 1 }, 'portcullis-metrics: registry must be a registry of prom-client'], [{ registry: {} }, /^portcullis-metrics: registry/], [{ prefix: 'a-b' }, 'portcullis-metrics: prefix must be letters, digits and _']] as const) {
    await t.rejects(buildMetrics(t, options as unknown as MetricsOptions), { code: 'PTC_ERR_CONFIG_INVALID', message })
  }
})

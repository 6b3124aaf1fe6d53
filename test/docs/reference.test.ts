import Fastify from 'fastify'
import { execFileSync } from 'node:child_process'
import t from 'tap'
import { usage } from '../../cli/usage.ts'
import { configSchema } from '../../config/schema.ts'
import { parseDurationMs } from '../../lib/units.ts'
import * as exported from '../../index.ts'
import * as errors from '../../lib/errors.ts'
import type { EventName } from '../../lib/events.ts'
import cookies from '../../plugins/cookies.ts'
import { configReference } from '../../scripts/config-reference.ts'
import { startAdministered } from '../helpers/admin.ts'
import { signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { blocksOf, cellsUnder, readDocument } from '../helpers/documents.ts'
import { send } from '../helpers/send.ts'
import { startUpstream } from '../helpers/upstream.ts'

const read = async (name: string): Promise<string> => await readDocument(`docs/reference/${name}`)

/** Every event, once; the type makes the list complete. */
const eventNames: Record<EventName, true> = {
  'session.opened': true,
  'session.closed': true,
  'session.expired': true,
  'login.refused': true,
  'provider.logout': true,
  'login.started': true,
  'refresh.rotated': true,
  'refresh.repeated': true,
  'refresh.held': true,
  'refresh.reused': true,
  'refresh.recovered': true,
  'refresh.refused': true,
  'revocation.added': true,
  'sessions.listed': true,
  'keys.rotated': true,
  'keys.revoked': true,
  'step_up.done': true,
  'second_factor.required': true,
  'second_factor.refused': true,
  'device.bound': true,
  'device.renewed': true,
  'device.refused': true,
  'csrf.refused': true,
  'rate.limited': true,
  'store.unavailable': true,
  'store.recovered': true
}

t.test('the reference of the configuration is what the schema says: npm run docs', async t => {
  t.equal(await read('configuration.md'), configReference())
})

t.test('the reference of the commands shows the usage of the command line as it is', async t => {
  t.ok(blocksOf(await read('commands.md'), '').includes(usage))
})

t.test('the table of errors has every code with its status, and no other', async t => {
  const documented = cellsUnder(await read('errors.md'), 'Errors', 2).map(([code, status]) => `${code} ${status}`)
  const raised = Object.values(errors).map(ErrorClass => new ErrorClass()).map(({ code, statusCode }) => `${code} ${code === 'PTC_ERR_CONFIG_INVALID' ? 'exit 1' : statusCode}`)

  t.same(documented.sort(), raised.sort())
})

t.test('the tables of endpoints have every operation of the OpenAPI document with its parameters, and no other', async t => {
  const { paths } = JSON.parse(await read('openapi.json')) as { paths: Record<string, Record<string, unknown>> }
  const described = (isAdmin: boolean) => Object.entries(paths).filter(([, { servers }]) => (servers !== undefined) === isAdmin)
    .flatMap(([path, { servers, ...methods }]) => Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`))
  const page = await read('endpoints.md')
  const documented = (heading: string) => cellsUnder(page, heading, 1).map(([request = '']) => request.replace(/^(\w+ [^\s?]+).*$/, '$1').replaceAll(/:(\w+)/g, '{$1}'))

  t.same(documented('Public listener').sort(), described(false).sort())
  t.same(documented('Operators\' listener').sort(), described(true).sort())
})

t.test('each request of the tables of endpoints takes the members that the page names', async t => {
  const { paths, components } = JSON.parse(await read('openapi.json')) as { paths: Record<string, Record<string, object>>, components: object }
  for (const heading of ['Public listener', 'Operators\' listener']) {
    for (const [request = ''] of cellsUnder(await read('endpoints.md'), heading, 1)) {
      const [, method = '', path = '', query = '', members = ''] = /^(\w+) ([^\s?]+)(?:\?(\w+)=\w+)?(.*)$/.exec(request) ?? []
      const operation = JSON.stringify([paths[path.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()], components])
      for (const name of [query, ...members.match(/\w+(?=\??[,} ])/g) ?? []]) t.ok(name === '' || name === 'or' || operation.includes(`"${name}"`), `${request}: ${name}`)
    }
  }
})

t.test('a service receives the headers that the page says, and of the client those that are kept', async t => {
  const page = await read('endpoints.md')
  const up = await startUpstream(t)
  const { url } = await startGateway(t, { upstreams: ['mint', 'headers', 'none'].map(forward => ({ prefix: `/${forward}`, target: up.url, audience: 'up', forward: forward as 'mint' })) })
  const { cookie } = await signIn(url)
  const rows = cellsUnder(page, 'What a service receives', 2).filter(([names = '']) => !names.includes('authorization: keep'))
  const namesIn = (text: string): string[] => text.match(/\b[A-Za-z]+(?:-[A-Za-z]+)+\b|\b(?:Authorization|Host|Cookie|Forwarded|TE)\b/g) ?? []
  const fates = new Map(rows.flatMap(([names = '', fate = '']) => namesIn(names).map(name => [name.toLowerCase(), fate])))
  for (const name of ['true-client-ip', 'via', 'x-http-method-override', 'traceparent']) {
    t.match(page.toLowerCase(), `\`${name}\``)
    fates.set(name, 'kept')
  }
  t.ok(fates.size > 20)

  const lines = [...fates.keys()].filter(name => !['host', 'cookie', 'authorization'].includes(name)).flatMap(name => [name, 'sent-by-client'])
  for (const forward of ['mint', 'headers', 'none']) {
    const { status } = await send('GET', `${url}/${forward}`, { headers: ['cookie', `${cookie}; theme=sent-by-client`, ...lines] })
    t.equal(status, 200)
    const { headers } = up.requests.at(-1)!
    for (const [name, fate] of fates) t.equal(String(headers[name]).includes('sent-by-client'), fate === 'kept', `${forward}: ${name} is ${fate}`)
    t.equal(headers.authorization !== undefined, forward === 'mint')
    for (const name of ['x-auth-subject', 'x-auth-session', 'x-auth-scope']) t.equal(headers[name] !== undefined, forward === 'headers', `${forward}: ${name}`)
    for (const name of ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-request-id', 'cdn-loop', 'host']) t.ok(headers[name], `${forward}: ${name}`)
  }
})

t.test('the table of claims has those of a minted token and of an access token, and no others', async t => {
  const up = await startUpstream(t)
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/up', target: up.url, audience: 'up' }] })
  const { token } = await signInForTokens(url)
  await send('GET', `${url}/up`, { headers: ['authorization', `Bearer ${token}`] })
  const rows = cellsUnder(await read('endpoints.md'), 'Claims of tokens', 3)
  const documented = (column: 1 | 2): string[] => rows.filter(row => row[column] !== 'absent').flatMap(([names = '']) => names.split(', ')).sort()

  t.same(documented(1), Object.keys(claimsOf(up.requests[0]!.headers.authorization!.slice('Bearer '.length))).sort())
  t.same(documented(2), Object.keys(claimsOf(token)).sort())
})

t.test('the pages that the reference names are served, with pages: true alone', async t => {
  const named = [...(await read('endpoints.md')).matchAll(/`GET (\/auth\/(?:sign-in|sign-out|account))/g)].map(([, path = '']) => path)
  const [withPages, without] = [await startGateway(t, { pages: true }), await startGateway(t)]

  t.same(named.sort(), ['/auth/account', '/auth/sign-in', '/auth/sign-out'])
  for (const path of [...named, '/auth/client/index.js']) {
    t.not((await fetch(`${withPages.url}${path}`, { redirect: 'manual' })).status, 404, path)
    t.equal((await fetch(`${without.url}${path}`, { redirect: 'manual' })).status, 404, path)
  }
})

t.test('the table of metrics has every metric with its labels, and no other', async t => {
  const { admin } = await startAdministered(t)
  const text = await (await fetch(`${admin}/metrics`)).text()
  const exported = [...text.matchAll(/^# TYPE (portcullis_\S+)/gm)].map(([, name = '']) => name)
  const rows = cellsUnder(await read('metrics-and-events.md'), 'Metrics', 2)

  // A gateway has these with a users file alone.
  t.same(rows.map(([name]) => name).sort(), [...exported, 'portcullis_users_file_ok', 'portcullis_users_files_agree'].sort())
  for (const [name = '', labels = ''] of rows) {
    const documented = labels.split(';').flatMap(part => part.split(':')[0]!.split(',')).map(label => label.trim()).filter(label => label !== '')
    const series = [...text.matchAll(new RegExp(`^${name}(?:_bucket|_sum|_count)?\\{(.*)\\} `, 'gm'))].map(([, labels = '']) => labels)
    const shown = new Set(series.flatMap(labels => [...labels.matchAll(/(\w+)="/g)].map(([, label]) => label!)).filter(label => label !== 'le'))
    for (const label of shown) t.ok(documented.includes(label), `${name}: ${label}`)
    if (series.length > 0) t.equal(shown.size, documented.length, `${name}: no label is documented that is not there`)
  }
})

t.test('the outcomes that the table of metrics lists are the series that are there', async t => {
  const { admin } = await startAdministered(t)
  const text = await (await fetch(`${admin}/metrics`)).text()

  for (const [name = '', labels = ''] of cellsUnder(await read('metrics-and-events.md'), 'Metrics', 2)) {
    if (!['portcullis_refresh_total', 'portcullis_device_proofs_total', 'portcullis_revocations_total', 'portcullis_logins_total'].includes(name)) continue
    const documented = labels.split(':')[1]!.split(',').map(value => value.trim())
    t.same(documented.sort(), [...text.matchAll(new RegExp(`^${name}\\{\\w+="(\\w+)"`, 'gm'))].map(([, value]) => value).sort(), name)
  }
})

t.test('the table of events has every event, and no other', async t => {
  const documented = cellsUnder(await read('metrics-and-events.md'), 'Security events', 1).map(([event]) => event)

  t.same(documented.sort(), Object.keys(eventNames).sort())
})

t.test('the table of cookies has the names and attributes that are set', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(cookies, { origin: 'https://app.example.com' })
  const kinds = ['session', 'refresh', 'device', 'challenge'] as const
  const attributesOf = (text: string): string[] => text.split(/[;,] */).map(attribute => attribute.trim()).filter(attribute => /^(?:HttpOnly|Secure|SameSite=\w+|Path=\S+)/.test(attribute)).map(attribute => attribute.split(' ')[0]!).sort()

  const documented = cellsUnder(await read('cookies.md'), 'Cookies', 3).map(([name, , attributes = '']) => ({ name, attributes: attributesOf(attributes) }))

  t.same(documented, kinds.map(kind => app.portcullis.cookies.describe(kind)).map(({ name, attributes }) => ({ name, attributes: attributesOf(attributes) })))
})

t.test('the limits that are settings are the defaults', async t => {
  const documented = [...(await read('limits.md')).matchAll(/`([\w.[\]]+)`,? ([\d,]+(?: (?:KiB|MiB|s)\b)?)/g)].map(([, path = '', value = '']) => [path, value] as const)
  t.ok(documented.length >= 8, 'the settings with a figure are found')

  for (const [path, value] of documented) t.equal(comparable(value), comparable(String(defaultOf(path))), path)
})

interface Setting { default?: unknown, properties?: Record<string, Setting>, items?: Setting }

/** The default of a setting, such as `upstreams[].connections`. */
function defaultOf (path: string): unknown {
  const found = path.split('.').reduce<Setting | undefined>((setting, name) => {
    const member = setting?.properties?.[name.replace('[]', '')]
    return name.endsWith('[]') ? member?.items : member
  }, configSchema as unknown as Setting)
  return found?.default
}

/** A number, size or duration in a form that does not depend on its spelling. */
function comparable (value: string): string {
  const plain = value.replaceAll(/[\s,]/g, '')
  return /^\d+(?:s|m|h|d)$/.test(plain) ? `${parseDurationMs(plain)} ms` : plain
}

t.test('the reference of the plugins is what their declarations and schemas say: npm run docs', async t => {
  const { NODE_OPTIONS: _, ...env } = process.env

  t.equal(await read('plugins.md'), execFileSync(process.execPath, ['scripts/plugin-reference.ts'], { cwd: new URL('../../', import.meta.url), env, encoding: 'utf8' }))
})

t.test('the reference of the plugins has a section for every plugin that is exported, and a meaning in every row', async t => {
  const page = await read('plugins.md')
  const meta = Symbol.for('plugin-meta')
  const sections = [...page.matchAll(/^## (\w+)$/gm)].map(([, name]) => name)

  t.same(Object.entries(exported).filter(([, value]) => meta in Object(value)).map(([name]) => name).sort(), sections.filter(name => !['serverOptions', 'Routes', 'Types'].includes(name!)).sort())
  for (const name of Object.keys(exported).filter(name => name.endsWith('Routes'))) t.match(page, `### ${name}\n`)
  t.same(page.split('\n').filter(line => /^\|.*\| \|$/.test(line)), [])
})

import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import { readFile } from 'node:fs/promises'
import { compileFunction } from 'node:vm'
import t, { type Test } from 'tap'
import * as exported from '../../index.ts'
import { Demanded } from '../../plugins/authenticate.ts'
import { blocksOf } from '../helpers/documents.ts'
import { startUpstream } from '../helpers/upstream.ts'

const text = await readFile(new URL('../../docs/guides/composing.md', import.meta.url), 'utf8')

/** The cells of the table whose first column has this name. */
function rows (column: string): string[][] {
  const [, table = ''] = text.split(new RegExp(`^\\| ${column} \\|.*\\n\\| --- .*\\n`, 'm'))
  return table.split('\n\n')[0]!.split('\n').map(row => row.split('|').slice(1, -1).map(cell => cell.trim()))
}

interface Meta { name: string, dependencies?: string[] }
const metaOf = (value: unknown): Meta | undefined => (value as { [key: symbol]: Meta } | undefined)?.[Symbol.for('plugin-meta')]
const camelCase = (name: string): string => name.replace('portcullis-', '').replace(/-(\w)/g, (_dash, letter: string) => letter.toUpperCase())

t.test('the table of plugins has every one that is exported, and what each needs', async t => {
  const documented = Object.fromEntries(rows('plugin').map(([name = '', needs = '']) => [name.replaceAll('`', ''), needs.replace(/, and .*/, '').split(', ').filter(need => need !== '').sort()]))
  const actual = Object.fromEntries(Object.entries(exported).flatMap(([name, value]) => {
    const meta = metaOf(value)
    return meta === undefined ? [] : [[name, (meta.dependencies ?? []).map(camelCase).sort()]]
  }))

  t.same(documented, actual)
})

t.test('whoever registers in the order of the table has what each plugin needs', async t => {
  const names = rows('plugin').map(([name = '']) => name.replaceAll('`', ''))
  for (const name of names) {
    for (const need of metaOf(exported[name as keyof typeof exported])?.dependencies ?? []) t.ok(names.indexOf(camelCase(need)) < names.indexOf(name), `${need} comes before ${name}`)
  }
})

t.test('everything that is exported is mentioned', async t => {
  for (const name of Object.keys(exported)) t.match(text, new RegExp(`\`${name}\\b`), name)
})

t.test('the options of authenticate are those of the table, with their defaults', async t => {
  const documented = rows('option').map(([name = '', value = '']) => [name.replaceAll('`', ''), value.replaceAll('`', '')])
  const actual = Object.entries(Demanded.properties).map(([name, schema]) => [name, schema.default === undefined ? '' : typeof schema.default === 'string' ? schema.default : JSON.stringify(schema.default)])

  t.same(documented, actual)
})

/** A server with the plugins that the snippets of the page rely on. */
async function createApp (t: Test, origin: string): Promise<FastifyInstance> {
  const app = Fastify(exported.serverOptions({ origin }))
  t.teardown(() => app.close())
  await app.register(exported.errors)
  await app.register(exported.store, { path: ':memory:' })
  await app.register(exported.blocklist)
  await app.register(exported.cookies, { origin })
  await app.register(exported.keys, { secret: Buffer.alloc(32, 1).toString('base64url') })
  await app.register(exported.accessToken, { issuer: origin })
  await app.register(exported.session)
  await app.register(exported.authenticate, { origin })
  return app
}

/** Runs the first snippet of the page that contains a text. */
async function runSnippet (phrase: string, names: object, edit = (snippet: string) => snippet): Promise<void> {
  const snippet = edit(blocksOf(text, 'js').find(block => block.includes(phrase))!)
  await compileFunction(`return (async () => { ${snippet} })()`, Object.keys(names))(...Object.values(names))
}

t.test('a service by itself stands behind its demand as the page says', async t => {
  const upstream = await startUpstream(t)
  const origin = 'http://localhost:3000'
  const app = await createApp(t, origin)
  await app.register(exported.mint)
  app.post('/in', async (_request, reply) => await reply.openSession({ subject: 'ada', audiences: ['wiki'] }))
  await runSnippet('prefix: \'/wiki\'', { app, origin, proxy: exported.proxy, createIdentityHeaders: exported.createIdentityHeaders }, snippet => snippet.replace('http://127.0.0.1:3001', upstream.url))
  const url = await app.listen({ host: '127.0.0.1', port: 0 })

  t.equal((await fetch(`${url}/wiki/Home`)).status, 401)
  const [cookie = ''] = (await fetch(`${url}/in`, { method: 'POST' })).headers.getSetCookie()
  t.equal((await fetch(`${url}/wiki/Home`, { headers: { cookie: cookie.split(';')[0]! } })).status, 200)
  t.match(upstream.requests, [{ url: '/wiki/Home', headers: { authorization: /^Bearer / } }])
})

t.test('the hooks of the proxy do what the page says', async t => {
  const upstream = await startUpstream(t)
  const origin = 'http://localhost:3000'
  const app = await createApp(t, origin)
  await app.register(exported.mint)
  for (const subject of ['ada', 'eve']) app.post(`/${subject}`, async (_request, reply) => await reply.openSession({ subject, audiences: ['wiki'] }))
  const isSuspended = async (subject: string): Promise<boolean> => subject === 'eve'
  await runSnippet('preForward', { app, origin, isSuspended, proxy: exported.proxy, createIdentityHeaders: exported.createIdentityHeaders }, snippet => snippet.replace('http://127.0.0.1:3001', upstream.url))
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const get = async (subject: string): Promise<Response> => {
    const [cookie = ''] = (await fetch(`${url}/${subject}`, { method: 'POST' })).headers.getSetCookie()
    return await fetch(`${url}/wiki/Home`, { headers: { cookie: cookie.split(';')[0]! } })
  }

  const forwarded = await get('ada')
  t.equal(forwarded.status, 200)
  t.equal(forwarded.headers.get('x-served-by'), 'wiki')
  t.equal((await get('eve')).status, 403)
  t.equal(upstream.requests.length, 1)
})

t.test('a document of @fastify/swagger has the credentials as the page says', async t => {
  const app = await createApp(t, 'http://localhost:3000')
  await runSnippet('swagger', { app, swagger, securitySchemes: exported.securitySchemes })
  app.get('/orders', { onRequest: app.portcullis.authenticate({ audience: 'orders' }) }, async () => [])
  await app.ready()

  t.match(app.swagger(), { components: { securitySchemes: { sessionCookie: {}, accessToken: {} } }, paths: { '/orders': { get: { security: [{ sessionCookie: [] }, { accessToken: [] }], responses: { 401: {}, 403: {} } } } } })
})

t.test('a scope with cookies of its own has the sessions that the page says, apart from those around it', async t => {
  const origin = 'http://localhost:3000'
  const app = await createApp(t, origin)
  const { blocklist, cookies, session, authenticate } = exported
  await runSnippet('name: \'partner\'', { app, origin, blocklist, cookies, session, authenticate })
  app.get('/me', { onRequest: app.portcullis.authenticate({ audience: 'partner' }) }, async ({ identity }) => ({ subject: identity.subject }))

  const [cookie = ''] = [(await app.inject({ method: 'POST', url: '/partner/sign-in' })).headers['set-cookie'] ?? ''].flat()
  const headers = { cookie: cookie.split(';')[0]! }
  t.match(headers.cookie, /^partner=/)
  t.same((await app.inject({ url: '/partner/me', headers })).json(), { subject: 'pat' })
  t.equal((await app.inject({ url: '/me', headers })).statusCode, 401)
})

t.test('a listener receives the events of its server, with their time, as the page says', async t => {
  const app = await createApp(t, 'http://localhost:3000')
  const written: object[] = []
  const auditLog = { write: async (event: object) => { written.push(event) } }
  await runSnippet('listenTo(', { app, auditLog, listenTo: exported.listenTo, publish: exported.publish })

  t.match(written, [{ event: 'login.refused', account: 'unknown', ip: '192.0.2.1', at: Number }])
})

t.test('the challenge of the page is the one that is sent', async t => {
  const app = Fastify(exported.serverOptions())
  t.teardown(() => app.close())
  await app.register(exported.errors)
  await app.register(exported.store, { path: ':memory:' })
  await app.register(exported.blocklist)
  await app.register(exported.cookies, { origin: 'http://localhost' })
  await app.register(exported.keys, { secret: Buffer.alloc(32, 1).toString('base64url') })
  await app.register(exported.accessToken, { issuer: 'http://localhost' })
  await app.register(exported.session)
  await app.register(exported.authenticate, { origin: 'http://localhost' })
  app.get('/', async () => { app.portcullis.assertRecent(0, 300) })

  const { statusCode, headers } = await app.inject('/')

  t.equal(statusCode, 401)
  t.match(text, `\`WWW-Authenticate: ${String(headers['www-authenticate'])}\``)
})

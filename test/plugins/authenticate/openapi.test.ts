import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { accessToken, authenticate, blocklist, cookies, errors, keys, rateLimit, securitySchemes, session, store } from '../../../index.ts'
import { signedIn } from '../../../plugins/testing/testing.ts'
import { secret } from '../../helpers/build-app.ts'

const origin = 'https://app.example.com'

interface Operation { security?: object[], responses: Record<string, { description: string, content?: Record<string, unknown> }> }
interface Document { components: { securitySchemes: object }, paths: Record<string, Record<string, Operation>> }

async function build (t: Test, register: (app: FastifyInstance) => void | Promise<void>, { hasSwagger = true, hasErrors = true, schemes = (app: FastifyInstance): object => securitySchemes(app.portcullis) } = {}): Promise<{ app: FastifyInstance, document: () => Document }> {
  const app = Fastify()
  t.teardown(() => app.close())
  if (hasErrors) await app.register(errors)
  await app.register(store, { path: ':memory:' })
  await app.register(rateLimit)
  await app.register(blocklist)
  await app.register(cookies, { origin })
  await app.register(keys, { secret })
  await app.register(accessToken, { issuer: origin })
  await app.register(session)
  await app.register(authenticate, { origin })
  if (hasSwagger) await app.register(swagger, { openapi: { openapi: '3.1.0', components: { securitySchemes: { ...schemes(app), mine: { type: 'apiKey', in: 'header', name: 'x-mine' } } } } })
  await register(app)
  await app.ready()
  return { app, document: () => app.swagger() as unknown as Document }
}

const both = [{ sessionCookie: [] }, { accessToken: [] }]

t.test('a guarded route shows its credentials and its refusals, and another route none', async t => {
  const { document } = await build(t, app => {
    const { authenticate: demand, rateLimit } = app.portcullis
    const cookieOnly = demand({ audience: 'shop', access: 'session' })
    app.get('/any', { onRequest: demand({ audience: 'shop' }) }, async () => 'any')
    app.get('/cookie', { onRequest: [cookieOnly] }, async () => 'cookie')
    app.get('/token', { preHandler: demand({ audience: 'shop', access: 'token', stepUp: { maxAge: '5m' } }) }, async () => 'token')
    app.get('/public', { onRequest: demand({ access: 'public' }) }, async () => 'public')
    app.get('/counted', { onRequest: rateLimit.guard('counted', { max: 5, window: '1m' }, cookieOnly) }, async () => 'counted')
    app.get('/own', { onRequest: demand({ audience: 'shop', ignoreBearer: true }) }, async () => 'own')
    app.get('/open', async () => 'open')
  })
  const { components, paths } = document()
  const get = (path: string): Operation => paths[path]!['get']!

  t.match(components.securitySchemes, { sessionCookie: { type: 'apiKey', in: 'cookie', name: '__Host-Http-portcullis' }, accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } })
  t.same(['/any', '/cookie', '/token', '/public', '/counted', '/own', '/open'].map(path => get(path).security), [both, [both[0]], [both[1]], [...both, {}], [both[0]], [both[0]], undefined])
  for (const path of ['/any', '/cookie', '/token', '/counted', '/own']) {
    t.match(Object.keys(get(path).responses), ['200', '401', '403'], path)
    t.match(get(path).responses['401'], { description: /PTC_ERR_CREDENTIALS_MISSING/, content: { 'application/problem+json': { schema: Object } } }, path)
    t.match(get(path).responses['403'], { description: /PTC_ERR_SCOPE_INSUFFICIENT/, content: { 'application/problem+json': {} } }, path)
  }
  t.match(get('/token').responses['401']!.description, 'PTC_ERR_STEP_UP_REQUIRED')
  t.notMatch(get('/token').responses['403']!.description, 'PTC_ERR_CSRF_REFUSED')
  t.notMatch(get('/any').responses['401']!.description, 'PTC_ERR_STEP_UP_REQUIRED')
  t.match(get('/any').responses['403']!.description, 'PTC_ERR_CSRF_REFUSED')
  for (const path of ['/public', '/open']) t.same(Object.keys(get(path).responses), ['200'], path)
})

t.test('a route shows the hooks of its scope, in any order, and what it has written itself stays', async t => {
  const { document } = await build(t, async app => {
    await app.register(async scope => {
      scope.get('/before', async () => 'before')
      scope.addHook('onRequest', scope.portcullis.authenticate({ audience: 'shop' }))
      scope.get('/after', { schema: { summary: 'After' } }, async () => 'after')
      scope.get('/narrow', { onRequest: scope.portcullis.authenticate({ audience: 'shop', access: 'token' }) }, async () => 'narrow')
      scope.get('/written', { schema: { security: [{ mine: [] }], response: { 200: { type: 'string', description: 'Yes' }, 401: { type: 'null', description: 'No' } } } }, async () => 'written')
      scope.get('/ranges', { schema: { response: { '4xx': { type: 'null', description: 'No' } } } }, async () => 'ranges')
      scope.get('/hidden', { schema: { hide: true } }, async () => 'hidden')
    }, { prefix: '/in' })
    app.get('/outside', async () => 'outside')
  })
  const { paths } = document()
  const get = (path: string): Operation | undefined => paths[path]?.['get']

  t.match(get('/in/before'), { security: both, responses: { 401: {}, 403: {} } })
  t.match(get('/in/after'), { summary: 'After', security: both, responses: { 401: {}, 403: {} } })
  t.same(get('/in/narrow')?.security, [both[1]])
  t.match(get('/in/written'), { security: [{ mine: [] }], responses: { 200: { description: 'Yes' }, 401: { description: 'No' }, 403: { description: /SCOPE/ } } })
  t.same(Object.keys(get('/in/ranges')!.responses), ['4XX'])
  t.equal(get('/in/hidden'), undefined)
  t.equal(get('/outside')?.security, undefined)
})

t.test('what a document says changes no response', async t => {
  for (const hasSwagger of [true, false]) {
    const { app } = await build(t, app => {
      app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => reply.code(error.statusCode ?? 500).send({ mine: error.message, more: [1] }))
      app.get('/any', { onRequest: app.portcullis.authenticate({ audience: 'shop' }) }, async () => ({ a: 1 }))
    }, { hasSwagger, hasErrors: false })

    t.match((await app.inject('/any')).json(), { mine: /credentials/i, more: [1] })
    t.same((await app.inject({ url: '/any', headers: await signedIn(app, { subject: 'ada', audiences: ['shop'] }) })).json(), { a: 1 })
  }
})

t.test('an application that writes its errors itself does not show problem documents', async t => {
  const { document } = await build(t, app => { app.get('/any', { onRequest: app.portcullis.authenticate({ audience: 'shop' }) }, async () => 'any') }, { hasErrors: false })

  t.notOk('application/problem+json' in (document().paths['/any']!['get']!.responses['401']!.content ?? {}))
})

t.test('a document without the security schemes still has the refusals, and names no scheme that it does not define', async t => {
  const { document } = await build(t, app => { app.get('/any', { onRequest: app.portcullis.authenticate({ audience: 'shop' }) }, async () => 'any') }, { schemes: () => ({}) })

  t.match(document().paths['/any']!['get'], { security: undefined, responses: { 200: {}, 401: {}, 403: {} } })
})

t.test('a document of Swagger 2 has the refusals too', async t => {
  const { app } = await build(t, async app => {
    await app.register(swagger, { swagger: {} })
    app.get('/any', { onRequest: app.portcullis.authenticate({ audience: 'shop' }) }, async () => 'any')
  }, { hasSwagger: false })

  t.match(app.swagger(), { swagger: '2.0', paths: { '/any': { get: { responses: { 200: {}, 401: { description: /PTC_ERR/ }, 403: {} } } } } })
})

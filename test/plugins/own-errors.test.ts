import Fastify, { type FastifyError, type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { StoreUnavailableError, TokenInvalidError } from '../../lib/errors.ts'
import errors, { type ErrorsOptions } from '../../plugins/errors.ts'
import { hidden } from '../../lib/http/route-schema.ts'

class TeapotError extends Error {
  readonly statusCode = 418
  readonly code = 'APP_TEAPOT'
}

function addRoutes (app: FastifyInstance): void {
  app.get('/ours', async () => { throw new TokenInvalidError({ cause: new Error('expired') }) })
  app.get('/theirs', async () => { throw new TeapotError('short and stout') })
  app.post('/body', { schema: { body: { type: 'object', required: ['name'] } } }, async () => 'fine')
}

async function build (t: Test, options: ErrorsOptions = {}, { server = {}, add = addRoutes }: { server?: FastifyServerOptions, add?: (app: FastifyInstance) => void } = {}): Promise<FastifyInstance> {
  const app = Fastify(server)
  t.teardown(() => app.close())
  await app.register(errors, options)
  add(app)
  return app
}

const problem = { statusCode: 401, headers: { 'content-type': 'application/problem+json; charset=utf-8', 'www-authenticate': /^Bearer/ } }

t.test('errors of Portcullis are problems, and every other error is Fastify\'s answer', async t => {
  const app = await build(t)

  t.match(await app.inject('/ours'), problem)
  t.same((await app.inject('/theirs')).json(), { statusCode: 418, code: 'APP_TEAPOT', error: 'I\'m a Teapot', message: 'short and stout' })
  t.match((await app.inject({ method: 'POST', url: '/body', payload: {} })).json(), { code: 'FST_ERR_VALIDATION', message: /name/ })
  t.match((await app.inject({ method: 'POST', url: '/body', payload: '{', headers: { 'content-type': 'application/json' } })).json(), { code: /^FST_/ })
  t.match((await app.inject('/none')).json(), { statusCode: 404, message: 'Route GET:/none not found' })
})

t.test('the application keeps its error handler and its handler of requests without a route, whatever the order, without a warning', async t => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', onWarning)
  t.teardown(() => { process.off('warning', onWarning) })
  const setHandlers = (app: FastifyInstance): void => {
    app.setErrorHandler<FastifyError>((error, _request, reply) => reply.code(error.statusCode ?? 500).send({ mine: error.message }))
    app.setNotFoundHandler((_request, reply) => reply.code(404).send({ mine: 'nothing' }))
  }
  for (const order of ['before', 'after', 'after the routes']) {
    const app = Fastify({ allowErrorHandlerOverride: false })
    t.teardown(() => app.close())
    if (order === 'before') setHandlers(app)
    await app.register(errors)
    if (order === 'after') setHandlers(app)
    addRoutes(app)
    if (order === 'after the routes') setHandlers(app)

    t.match(await app.inject('/ours'), problem, order)
    t.same((await app.inject('/theirs')).json(), { mine: 'short and stout' }, order)
    t.same((await app.inject('/none')).json(), { mine: 'nothing' }, order)
  }
  await new Promise(resolve => setImmediate(resolve))
  t.same(warnings, [])
})

t.test('handlers of scopes and routes get the errors of the application alone', async t => {
  const app = await build(t, {}, {
    add: app => {
      app.get('/route/ours', { errorHandler: (error, _request, reply) => { void reply.send({ route: error.message }) } }, async () => { throw new TokenInvalidError() })
      app.get('/route/theirs', { errorHandler: (error, _request, reply) => { void reply.send({ route: error.message }) } }, async () => { throw new TeapotError('short') })
      app.register(async scope => {
        scope.setErrorHandler((error, _request, reply) => {
          if (error instanceof TeapotError) return reply.send({ scope: error.message })
          throw error
        })
        addRoutes(scope)
        scope.get('/rethrown', async () => { throw new RangeError('odd') })
      }, { prefix: '/scope' })
    }
  })

  t.match(await app.inject('/route/ours'), problem)
  t.same((await app.inject('/route/theirs')).json(), { route: 'short' })
  t.match(await app.inject('/scope/ours'), problem)
  t.same((await app.inject('/scope/theirs')).json(), { scope: 'short and stout' })
  t.match((await app.inject('/scope/rethrown')).json(), { statusCode: 500, message: 'odd' })
})

t.test('onError hooks of the application see each error once', async t => {
  const seen: string[] = []
  const app = await build(t, {}, {
    add: app => {
      app.addHook('onError', async (_request, _reply, error) => { seen.push(error.message) })
      addRoutes(app)
    }
  })

  await app.inject('/ours')
  await app.inject('/theirs')

  t.same(seen, [new TokenInvalidError().message, 'short and stout'])
})

t.test('on routes of Portcullis every error is a problem', async t => {
  const app = await build(t, {}, {
    add: app => app.post('/own', { schema: { ...hidden, 'x-credentials': [], body: { type: 'object' } } as object }, async () => { throw new Error('secret') })
  })

  const post = async (payload: string) => await app.inject({ method: 'POST', url: '/own', payload, headers: { 'content-type': 'application/json' } })
  t.match((await post('{')).json(), { code: 'PTC_ERR_REQUEST_INVALID' })
  t.same((await post('{}')).json(), { type: 'urn:portcullis:error:ptc-err-internal', title: 'Something went wrong', status: 500, code: 'PTC_ERR_INTERNAL' })
})

t.test('notFound takes the requests without a route, and names what it collides with', async t => {
  const app = await build(t, { notFound: true, origin: 'https://app.example.com' })

  t.match(await app.inject('/none'), { statusCode: 404, headers: { 'content-type': 'application/problem+json; charset=utf-8', 'strict-transport-security': String } })

  const other = Fastify()
  t.teardown(() => other.close())
  other.setNotFoundHandler(() => 'mine')
  await t.rejects(async () => { await other.register(errors, { notFound: true }) }, { code: 'PTC_ERR_CONFIG_INVALID', message: /^portcullis-errors: this scope, or one with the same prefix, .* leave notFound out/ })
})

t.test('format writes the body, with status and headers of the error', async t => {
  const app = await build(t, { notFound: true, format: ({ code, title }, request) => ({ ok: false, error: { code, title }, id: request.id }) })

  const response = await app.inject({ url: '/ours', headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' } })
  t.match(response, { statusCode: 401, headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', 'www-authenticate': String } })
  t.match(response.json(), { ok: false, error: { code: 'PTC_ERR_TOKEN_INVALID' }, id: String })
  t.match((await app.inject('/none')).json(), { error: { code: 'PTC_ERR_NOT_FOUND' } })
})

t.test('format may reply itself, be asynchronous, and choose the media type', async t => {
  const redirecting = await build(t, { format: (_problem, _request, reply) => { void reply.redirect('/sign-in', 303) } })
  t.match(await redirecting.inject('/ours'), { statusCode: 303, headers: { location: '/sign-in' } })

  const text = await build(t, { format: async ({ title }, _request, reply) => { void reply.type('text/plain'); return title } })
  t.match(await text.inject('/ours'), { statusCode: 401, body: new TokenInvalidError().message, headers: { 'content-type': /^text\/plain/ } })
})

t.test('a format that throws leaves the problem, and is logged', async t => {
  const lines: string[] = []
  const server = { logger: { level: 'error', stream: new Writable({ write (chunk, _encoding, done) { lines.push(String(chunk)); done() } }) } }
  const app = await build(t, { format: () => { throw new Error('broken format') } }, { server })

  const response = await app.inject('/ours')

  t.match(response, problem)
  t.match(response.json(), { code: 'PTC_ERR_TOKEN_INVALID' })
  t.match(lines, [/broken format/])
})

t.test('an object that format returns is sent as it is, whatever the schema of the route; one that is no JSON leaves the problem', async t => {
  const circular: Record<string, unknown> = { table: 'users' }
  circular['self'] = circular
  for (const body of [circular, { id: 1n }, [1n], { toJSON: () => { throw new Error('users') } }]) {
    const app = await build(t, { format: () => body })
    const response = await app.inject('/ours')
    t.match(response, problem)
    t.match(response.json(), { code: 'PTC_ERR_TOKEN_INVALID' })
  }
  const app = await build(t, { format: ({ code }) => ({ failed: code }) }, {
    add: app => {
      app.get('/described', { schema: { response: { 401: { type: 'object', properties: { reason: { type: 'string' } }, required: ['reason'] } } } }, async () => { throw new TokenInvalidError() })
    }
  })
  const response = await app.inject('/described')
  t.match(response, { statusCode: 401, headers: { 'content-type': 'application/json; charset=utf-8' } })
  t.same(response.json(), { failed: 'PTC_ERR_TOKEN_INVALID' })
})

t.test('an outage sets no cookie, also in the format of the application', async t => {
  const app = await build(t, { format: ({ code }) => ({ code }) }, {
    add: app => app.get('/', async (_request, reply) => {
      void reply.header('set-cookie', 'session=; Max-Age=0')
      throw new StoreUnavailableError()
    })
  })

  const response = await app.inject('/')
  t.match(response, { statusCode: 503, headers: { 'retry-after': String } })
  t.notOk('set-cookie' in response.headers)
})

t.test('wrong options are refused by name', async t => {
  for (const [options, message] of [
    [{ shape: 'some' }, 'portcullis-errors: shape must be own or all'],
    [{ format: 'json' }, 'portcullis-errors: format must be a function'],
    [{ notfound: true }, 'portcullis-errors: notfound is not an option; did you mean notFound?']
  ] as const) {
    const app = Fastify()
    t.teardown(() => app.close())
    await t.rejects(async () => { await app.register(errors, options as unknown as ErrorsOptions) }, { code: 'PTC_ERR_CONFIG_INVALID', message })
  }
})

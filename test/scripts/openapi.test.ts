import swagger from '@fastify/swagger'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFile } from 'node:fs/promises'
import t from 'tap'
import * as errors from '../../lib/errors.ts'
import { openApiDocument, openApiText } from '../../scripts/openapi.ts'
import { startAdministered } from '../helpers/admin.ts'
import { startGateway } from '../helpers/build-gateway.ts'
import { AnswerChecker, codesOf, createValidator, lookUp, resolveAnswers, type DocumentedOperation, type DocumentedResponse } from '../helpers/openapi.ts'

const read = async (path: string): Promise<string> => await readFile(new URL(`../../${path}`, import.meta.url), 'utf8')
const written = await read('docs/reference/openapi.json')
const document = resolveAnswers(written)
const operations = Object.entries(document.paths).flatMap(([path, { servers, ...methods }]) => Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, path, method, ...operation as DocumentedOperation })))

t.test('the description of the endpoints is what the routes say: npm run docs', async t => {
  t.equal(written, await openApiText())
})

t.test('the description has the structure of OpenAPI 3.1', async t => {
  const validate = createValidator().compile({ ...JSON.parse(await read('test/fixtures/openapi-3.1.schema.json')) as object, $schema: undefined })

  t.ok(validate(JSON.parse(written)), JSON.stringify(validate.errors, null, 1))
  t.notOk(validate({ ...JSON.parse(written) as object, info: { title: 'Portcullis' } }), 'the validator sees what is missing')
})

t.test('every reference in the description leads somewhere, and every schema is one', async t => {
  const checker = new AnswerChecker(document)
  const raw = JSON.parse(written) as object
  for (const [, $ref = ''] of written.matchAll(/"\$ref": "([^"]+)"/g)) t.ok(lookUp($ref, raw), $ref)
  for (const { name, parameters = [], requestBody, responses } of operations) {
    const media = [requestBody, ...Object.values(responses)].flatMap(part => Object.values(part?.content ?? {}))
    for (const { schema } of [...media, ...parameters]) t.doesNotThrow(() => checker.compile(schema), name)
  }
})

t.test('every operation has a name of its own, a summary, a tag, its parameters and known credentials', async t => {
  t.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length)
  for (const { name, path, summary, tags, security, parameters = [] } of operations) {
    t.match(summary, /^[A-Z]/, name)
    t.equal(tags.length, 1, name)
    t.same(parameters.filter(parameter => parameter.in === 'path').map(parameter => parameter.name), [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter), name)
    for (const choice of security) for (const scheme of Object.keys(choice)) t.ok(scheme in document.components.securitySchemes, `${name}: ${scheme}`)
  }
})

t.test('every endpoint of both listeners is described, and nothing else', async t => {
  const servers: string[][] = []
  const onListener = (message: unknown): void => {
    const routes: string[] = []
    servers.push(routes)
    const { fastify } = message as { fastify: FastifyInstance }
    fastify.addHook('onRoute', route => { routes.push(...endpointsOf(route)) })
  }
  subscribe('fastify.initialization', onListener)
  await startAdministered(t, { upstreams: [], session: { deviceBound: {} } })
  unsubscribe('fastify.initialization', onListener)

  const described = (isAdmin: boolean) => operations.filter(({ path }) => (document.paths[path]!.servers !== undefined) === isAdmin).map(({ name }) => name).sort()
  const listeners = servers.filter(routes => routes.length > 0)
  t.equal(listeners.length, 2)
  t.same(described(false), listeners[0]?.sort())
  t.same(described(true), listeners[1]?.sort())
})

/** What takes a path for every method is there to refuse; a HEAD comes with its GET. */
function endpointsOf ({ method, url }: RouteOptions): string[] {
  if (Array.isArray(method) || method === 'HEAD') return []
  return [`${method} ${url.replace(/:(\w+)/g, '{$1}')}`]
}

t.test('every code is described under its own status, and none is missing that is not a service\'s', async t => {
  const statuses = new Map(Object.values(errors).map(ErrorClass => new ErrorClass()).map(({ code, statusCode }) => [code as string, String(statusCode)]))
  const answers = operations.flatMap(({ name, responses }) => Object.entries(responses).map(([status, response]) => ({ name, status, codes: codesOf(response).filter(code => code !== '') })))
  for (const { name, status, codes } of answers) {
    for (const code of codes) t.ok(status === 'default' ? statuses.has(code) : statuses.get(code) === status, `${name} ${status} ${code}`)
  }
  const described = new Set(answers.flatMap(({ codes }) => codes))
  const elsewhere = ['PTC_ERR_CONFIG_INVALID', 'PTC_ERR_LOGIN_INVALID', 'PTC_ERR_LOGIN_FORBIDDEN', 'PTC_ERR_LOGOUT_TOKEN_INVALID', 'PTC_ERR_PROVIDER_UNAVAILABLE', 'PTC_ERR_CLAIMS_UNIDENTIFIABLE', 'PTC_ERR_SECOND_FACTOR_REQUIRED', 'PTC_ERR_SCOPE_INSUFFICIENT', 'PTC_ERR_METHOD_NOT_ALLOWED', 'PTC_ERR_PATH_REFUSED', 'PTC_ERR_UPSTREAM_UNREACHABLE', 'PTC_ERR_UPSTREAM_RESPONSE_INVALID', 'PTC_ERR_UPSTREAM_BUSY', 'PTC_ERR_UPSTREAM_TIMEOUT', 'PTC_ERR_UPSTREAM_LOOP']
  t.same([...described, ...elsewhere].sort(), [...statuses.keys()].sort())
})

t.test('a body is required unless nothing is as good', async t => {
  const required = Object.fromEntries(operations.flatMap(({ operationId, requestBody }) => requestBody === undefined ? [] : [[operationId, requestBody.required]]))

  t.same(required, { login: true, refresh: false, stepUp: true, logout: false, revoke: true })
})

t.test('an application\'s own @fastify/swagger describes the endpoints too', async t => {
  const onListener = (message: unknown): void => { void (message as { fastify: FastifyInstance }).fastify.register(swagger, { openapi: { openapi: '3.1.0' } }) }
  subscribe('fastify.initialization', onListener)
  const { app } = await startGateway(t, { upstreams: [] })
  unsubscribe('fastify.initialization', onListener)

  const { paths = {} } = app.swagger() as { paths?: Record<string, Record<string, { operationId?: string }>> }

  t.equal(paths['/auth/login']?.['post']?.operationId, 'login')
})

t.test('to describe the endpoints changes nothing of what is described', async t => {
  const [first, second] = [await openApiDocument(), await openApiDocument()]

  t.same(first, second)
  t.type((first.paths['/auth/login']?.['post'] as unknown as { responses: Record<string, DocumentedResponse> }).responses['200'], 'object')
})

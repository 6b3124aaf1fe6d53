import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { buildGateway } from '../gateway/gateway.ts'
import type { Credential } from '../lib/http/route-schema.ts'

type Json = null | boolean | number | string | Json[] | { [name: string]: Json }
type JsonObject = { [name: string]: Json }

export interface OpenApiDocument {
  openapi: string
  paths: Record<string, Record<string, JsonObject>>
  components: { schemas: JsonObject, headers: JsonObject, responses: JsonObject, securitySchemes: Record<Credential, JsonObject> }
  [name: string]: unknown
}

const securitySchemes: Record<Credential, JsonObject> = {
  sessionCookie: { type: 'apiKey', in: 'cookie', name: '__Host-Http-portcullis', description: 'Session mode. The name has no prefix if the origin is http.' },
  refreshCookie: { type: 'apiKey', in: 'cookie', name: '__Secure-portcullis-refresh', description: 'Tokens mode: the refresh token. The name has no prefix if the origin is http.' },
  accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'Tokens mode: an access token whose audience includes the origin.' },
  adminToken: { type: 'http', scheme: 'bearer', description: 'The setting admin.token.' }
}

const servers = {
  origin: [{ url: '{origin}', description: 'The setting origin.', variables: { origin: { default: 'https://app.example.com' } } }],
  admin: [{ url: 'http://{host}:{port}', description: 'The listener that the setting admin opens.', variables: { host: { default: '127.0.0.1' }, port: { default: '9090' } } }]
}

const description = `This document describes the gateway's own endpoints; all other paths belong to the services behind it. Every GET endpoint also answers HEAD.

Before the gateway has determined the endpoint, it can reject a request with 400 PTC_ERR_REQUEST_INVALID or PTC_ERR_PATH_REFUSED, 408 PTC_ERR_REQUEST_TIMEOUT or 431 PTC_ERR_HEADERS_TOO_LARGE. A request that matches no endpoint is answered 404 PTC_ERR_NOT_FOUND.`

/** Returns the text of docs/reference/openapi.json. */
export async function openApiText (): Promise<string> {
  return `${JSON.stringify(await openApiDocument(), null, 2)}\n`
}

/** Generates the OpenAPI 3.1 document of both listeners of a gateway from the schemas of the routes. */
export async function openApiDocument (): Promise<OpenApiDocument> {
  const { version, license } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string, license: string }
  const [own = {}, admin = {}] = (await describeListeners()).map(paths => mapValues(paths, operations => mapValues(operations as JsonObject, operation => tidyOperation(operation as JsonObject))))
  const components = { schemas: {}, headers: {}, responses: {}, securitySchemes }
  const paths = shareSchemas(shareAnswers({ ...own, ...mapValues(admin, operations => ({ servers: servers.admin, ...operations as JsonObject })) }, components), components.schemas)
  return {
    openapi: '3.1.0',
    info: { title: 'Portcullis', version, license: { name: license, identifier: license }, description },
    servers: servers.origin,
    paths: paths as OpenApiDocument['paths'],
    components: shareSchemas(components, components.schemas) as OpenApiDocument['components']
  }
}

/** Returns the paths of a gateway's listeners, the public one first. Fastify's diagnostics channel announces each listener before it has routes. */
async function describeListeners (): Promise<JsonObject[]> {
  const started: FastifyInstance[] = []
  // The signer of access tokens also creates a server, which has no routes.
  const withRoutes = new Set<FastifyInstance>()
  const onListener = (message: unknown): void => {
    const { fastify } = message as { fastify: FastifyInstance }
    started.push(fastify)
    fastify.addHook('onRoute', () => { withRoutes.add(fastify) })
    void fastify.register(swagger, { openapi: { openapi: '3.1.0', components: { securitySchemes: {} } }, hideUntagged: true })
  }
  subscribe('fastify.initialization', onListener)
  try {
    const gateway = await buildGateway({
      origin: 'https://app.example.com',
      store: { type: 'sqlite', path: ':memory:' },
      identity: async () => null,
      session: { deviceBound: {} },
      admin: { host: '127.0.0.1', port: 0, token: 'described-not-used' },
      log: { level: 'silent' }
    })
    const paths = started.filter(server => withRoutes.has(server)).map(listener => listener.swagger().paths as JsonObject)
    await gateway.close()
    return paths
  } finally {
    unsubscribe('fastify.initialization', onListener)
  }
}

/** Adds what @fastify/swagger cannot express: the accepted credentials, optional bodies and required headers. */
function tidyOperation ({ 'x-credentials': credentials, requestBody, responses, ...operation }: JsonObject): JsonObject {
  return {
    ...operation,
    security: (credentials as Array<Credential | 'none'>).map(name => name === 'none' ? {} : { [name]: [] }),
    ...requestBody === undefined ? {} : { requestBody: tidyBody(requestBody as JsonObject) },
    responses: mapValues(responses as JsonObject, response => tidyResponse(response as JsonObject))
  }
}

/** Marks a body as optional if its schema accepts null, because the validator receives null for a missing body. */
function tidyBody ({ content }: JsonObject): JsonObject {
  const { schema } = (content as Record<string, { schema: { anyOf?: Array<{ type?: string }> } }>)['application/json']!
  return { required: schema.anyOf?.some(({ type }) => type === 'null') !== true, content: content! }
}

function tidyResponse ({ description, headers, ...response }: JsonObject): JsonObject {
  const tidied = mapValues(headers as JsonObject, header => {
    const { schema: { required, ...schema }, description } = header as { schema: JsonObject, description: string }
    return { description, ...required === true ? { required } : {}, schema }
  })
  return { description: description!, ...Object.keys(tidied).length === 0 ? {} : { headers: tidied }, ...response }
}

/** Moves what most responses share to `components`: each header's first form, and the response to an unexpected error. */
function shareAnswers (value: Json, components: { headers: JsonObject, responses: JsonObject }): Json {
  if (Array.isArray(value) || typeof value !== 'object' || value === null) return value
  const { headers, default: unexpected, ...rest } = value
  if (unexpected !== undefined && 'content' in (unexpected as JsonObject)) {
    components.responses['Unexpected'] ??= shareAnswers(unexpected, components)
    return { ...mapValues(rest, child => shareAnswers(child, components)), default: { $ref: '#/components/responses/Unexpected' } }
  }
  if (headers === undefined || !('description' in value)) return mapValues(value, child => shareAnswers(child, components))
  const shared = Object.entries(headers as JsonObject).map(([name, header]) => {
    components.headers[name] ??= header
    return [name, isDeepStrictEqual(components.headers[name], header) ? { $ref: `#/components/headers/${name}` } : header]
  })
  return { ...rest, headers: Object.fromEntries(shared) as JsonObject }
}

/** Moves every schema with a title to `schemas`, and removes the members that only the gateway's validator reads. */
function shareSchemas (value: Json, schemas: JsonObject): Json {
  if (Array.isArray(value)) return value.map(item => shareSchemas(item, schemas))
  if (typeof value !== 'object' || value === null) return value
  const { title } = value
  const isNamed = typeof title === 'string' && 'type' in value
  const kept = Object.entries(value).filter(([name, child]) => !(typeof child === 'string' && (name === 'errorMessage' || (name === 'title' && isNamed))))
  const shared = Object.fromEntries(kept.map(([name, child]) => [name, shareSchemas(child, schemas)]))
  if (!isNamed) return shared
  schemas[title] = shared
  return { $ref: `#/components/schemas/${title}` }
}

function mapValues (object: JsonObject, map: (value: Json) => Json): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, map(value)]))
}

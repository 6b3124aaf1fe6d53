import type { FastifyInstance, onRequestHookHandler, RouteOptions } from 'fastify'
import { CredentialsMissingError, CsrfRefusedError, ScopeInsufficientError, StepUpRequiredError } from '../../lib/errors.ts'
import { refusals } from '../../lib/http/route-schema.ts'
import type { Portcullis } from '../portcullis.ts'
import { hooksOfScope, listOf } from '../server/scope-hooks.ts'
import type { Demand } from './judge.ts'
import { createVerifiers } from './schemes.ts'

/* What the document of @fastify/swagger says about routes with an `authenticate` hook: their credentials, and how they refuse. */

type Documented = Pick<Demand, 'schemes' | 'isPublic' | 'ignoreBearer' | 'stepUp'>
type Schema = Record<string, unknown> & { response?: Record<string, unknown> }

/** What @fastify/swagger writes for a route without responses. */
const unknownSuccess = { 200: { description: 'Default Response' } }

const demands = new WeakMap<object, Documented>()

/** Notes what a hook demands, or that it demands what another hook does. Returns the hook. */
export function documentHook (hook: onRequestHookHandler, demand: Documented | onRequestHookHandler): onRequestHookHandler {
  const documented = typeof demand === 'function' ? demands.get(demand) : demand
  if (documented !== undefined) demands.set(hook, documented)
  return hook
}

/**
 * Returns the security schemes of a scope, for `components.securitySchemes` of @fastify/swagger. The routes that `authenticate` guards refer
 * to them.
 */
export function securitySchemes (portcullis: Portcullis): Record<string, object> {
  return Object.fromEntries(createVerifiers(portcullis).map(({ scheme }) => [scheme.documentedAs, scheme.document(portcullis)]))
}

/**
 * Adds `security` and the responses 401 and 403 to the schemas of the guarded routes that are registered later, if @fastify/swagger is there.
 * Members that the author has written stay as they are.
 */
export function documentRoutes (fastify: FastifyInstance): void {
  const routes: Array<{ scope: FastifyInstance, route: RouteOptions }> = []
  fastify.addHook('onRoute', function (route) { routes.push({ scope: this, route }) })
  // By now Fastify has compiled the schemas, so that the description changes no response.
  fastify.addHook('onReady', async () => {
    if (fastify.hasDecorator('swagger')) for (const { scope, route } of routes) documentRoute(scope, route)
    routes.length = 0
  })
}

function documentRoute (scope: FastifyInstance, route: RouteOptions): void {
  const demanded = (['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const)
    .flatMap(step => [...hooksOfScope(scope, step), ...listOf(route[step])])
    .flatMap(hook => demands.get(hook as object) ?? [])
  if (demanded.length === 0) return
  const schema = (route.schema ?? {}) as Schema
  const isOptional = demanded.every(({ isPublic }) => isPublic)
  const { response = unknownSuccess } = schema
  route.schema = { security: securityOf(demanded, isOptional), ...schema, ...isOptional ? {} : { response: withRefusals(response, demanded, scope) } }
}

/** Returns the credentials that every hook accepts; any one of them is sufficient. */
function securityOf (demanded: Documented[], isOptional: boolean): Array<Record<string, string[]>> {
  const accepted = demanded.map(({ schemes, ignoreBearer }) => schemes.filter(({ isInAuthorization }) => !(ignoreBearer && isInAuthorization)))
  const [first = [], ...others] = accepted
  const common = first.filter(scheme => others.every(schemes => schemes.includes(scheme)))
  return [...common.map(({ documentedAs }) => ({ [documentedAs]: [] })), ...isOptional ? [{}] : []]
}

function withRefusals (response: Record<string, unknown>, demanded: Documented[], scope: FastifyInstance): Record<string, unknown> {
  const schemes = new Set(demanded.flatMap(({ schemes }) => schemes))
  const classes = new Set([
    CredentialsMissingError,
    ...Array.from(schemes, ({ errors }) => errors.Revoked),
    ...demanded.some(({ stepUp }) => stepUp !== null) ? [StepUpRequiredError] : [],
    ScopeInsufficientError,
    ...Array.from(schemes).some(({ isAmbient }) => isAmbient) ? [CsrfRefusedError] : []
  ] as Parameters<typeof refusals>[0])
  const documented = Object.keys(response).map(status => status.toLowerCase())
  const added = Object.entries(refusals([...classes], { hasBody: scope.hasPlugin('portcullis-errors') })).filter(([status]) => !documented.includes(status) && !documented.includes('4xx'))
  return { ...response, ...Object.fromEntries(added) }
}

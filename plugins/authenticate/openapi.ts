import type { FastifyInstance, onRequestHookHandler, RouteOptions } from 'fastify'
import { CredentialsMissingError, CsrfRefusedError, ScopeInsufficientError, StepUpRequiredError } from '../../lib/errors.ts'
import { refusals } from '../../lib/http/route-schema.ts'
import { partsAround, scopeParts, type Portcullis } from '../portcullis.ts'
import { hooksOfScope, listOf } from '../server/scope-hooks.ts'
import type { Demand } from './judge.ts'
import { createVerifiers } from './schemes.ts'
import type { SecurityScheme } from './security-scheme.ts'

/* What the document of @fastify/swagger says about routes with an `authenticate` hook: their credentials, and how they refuse. */

type Documented = Pick<Demand, 'schemes' | 'isPublic' | 'ignoreBearer' | 'stepUp'>
type Schema = Record<string, unknown> & { response?: Record<string, unknown> }

/** What @fastify/swagger writes for a route without responses. */
const unknownSuccess = { 200: { description: 'Default Response' } }

const demands = new WeakMap<object, Documented>()

/** Names of the security schemes that the document of each server defines, by the parts of the server. @fastify/swagger fails on others. */
const defined = new WeakMap<object, Set<string>>()

/** Notes what a hook demands, or that it demands what another hook does. Returns the hook. */
export function documentHook (hook: onRequestHookHandler, demand: Documented | onRequestHookHandler): onRequestHookHandler {
  const documented = typeof demand === 'function' ? demands.get(demand) : demand
  if (documented !== undefined) demands.set(hook, documented)
  return hook
}

/**
 * Returns the security schemes of a scope, for `components.securitySchemes` of @fastify/swagger. The routes that `authenticate` guards show
 * them as `security` once this was called.
 */
export function securitySchemes (portcullis: Portcullis): Record<string, SecurityScheme> {
  const schemes = createVerifiers(portcullis).map(({ scheme }) => [scheme.documentedAs, scheme.document(portcullis)] as const)
  const names = definedIn(portcullis)
  for (const [name] of schemes) names.add(name)
  return Object.fromEntries(schemes)
}

function definedIn (portcullis: Portcullis): Set<string> {
  const server = partsAround(portcullis).at(-1)!
  const names = defined.get(server) ?? new Set()
  defined.set(server, names)
  return names
}

/**
 * Adds `security` and the responses 401 and 403 to the schemas of the guarded routes that are registered later, if @fastify/swagger is there.
 * Members that the author has written stay as they are, and so do the endpoints of this package, which are described whole.
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
  const schema = (route.schema ?? {}) as Schema
  if (demanded.length === 0 || 'x-credentials' in schema) return
  const isOptional = demanded.every(({ isPublic }) => isPublic)
  const { response = unknownSuccess } = schema
  const names = definedIn(scopeParts(scope))
  route.schema = { ...names.size === 0 ? {} : { security: securityOf(demanded, isOptional, names) }, ...schema, ...isOptional ? {} : { response: withRefusals(response, demanded, scope) } }
}

/** Returns the credentials that every hook accepts; any one of them is sufficient. */
function securityOf (demanded: Documented[], isOptional: boolean, names: ReadonlySet<string>): Array<Record<string, string[]>> {
  const accepted = demanded.map(({ schemes, ignoreBearer }) => schemes.filter(({ isInAuthorization }) => !(ignoreBearer && isInAuthorization)))
  const [first = [], ...others] = accepted
  const common = first.filter(scheme => names.has(scheme.documentedAs) && others.every(schemes => schemes.includes(scheme)))
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

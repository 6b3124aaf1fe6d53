import { Type } from '@sinclair/typebox'
import type { IncomingMessage } from 'node:http'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, onSendHookHandler, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { ConfigInvalidError, NotFoundError } from '../lib/errors.ts'
import { loggedPath } from '../lib/http/logged-path.ts'
import { checkOptions } from '../lib/check-options.ts'
import { isShown } from '../lib/http/navigation.ts'
import { loginProblemPage, problemPage, type LoginPageOptions } from '../lib/http/problem-page.ts'
import { ownHeaders } from '../lib/http/security-headers.ts'
import { isPlain } from '../lib/settings/decode.ts'
import { isOwnError, toProblem, type ProblemBody } from '../lib/http/problem.ts'
import { linger } from './server/linger.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Prefix of the upstream to which a route forwards. */
    upstream?: string
  }
}

export interface ErrorsOptions {
  /** Origin that browsers see; an https origin adds Strict-Transport-Security to errors. */
  origin?: string
  /**
   * Errors that the plugin responds to. `own`: those of Portcullis on every route, and all of its own routes; the application's error
   * handlers get the others. `all`: every error. Default `own`.
   */
  shape?: 'own' | 'all'
  /** Whether the plugin responds to requests without a route, so that the application sets no handler for them. Default false. */
  notFound?: boolean
  /** Writes the response in place of `application/problem+json`, and in place of the page that a browser would show. */
  format?: ErrorFormat
}

/**
 * Returns the body of the response to an error, or undefined if it has replied itself, for example with a redirect. Status and headers are
 * set before; a body that is an object is sent as JSON. `problem` contains nothing that is only for the operator.
 */
export type ErrorFormat = (problem: ProblemBody, request: FastifyRequest, reply: FastifyReply) => unknown

const Options = Type.Object({
  origin: Type.Optional(Type.String()),
  shape: Type.Union([Type.Literal('own'), Type.Literal('all')], { default: 'own', errorMessage: 'must be own or all' }),
  notFound: Type.Boolean({ default: false }),
  format: Type.Optional(Type.Unsafe<ErrorFormat>(Type.Function([], Type.Unknown(), { errorMessage: 'must be a function' })))
}, { additionalProperties: false })

/** Scopes in which the plugin is registered. A second one would respond to the errors of the first. */
const shaped = new WeakSet<object>()

/**
 * Responds to the errors of Portcullis with `application/problem+json`; the application's own errors, and requests without a route, stay
 * with the application unless the options say otherwise. The response contains nothing that is only for the operator. Register it before
 * the routes.
 */
export default fp<ErrorsOptions>(async function errorsPlugin (fastify, options) {
  const { origin, shape, notFound, format } = checkOptions('portcullis-errors', Options, options)
  if (shaped.has(fastify)) throw new ConfigInvalidError('portcullis-errors: this scope has the plugin already: register it once in a scope')
  shaped.add(fastify)
  const security = ownHeaders(origin)
  const respond: Respond = format === undefined
    ? (error, request, reply) => { sendProblem(error, request, reply, security) }
    : async (error, request, reply) => { await sendFormatted(error, request, reply.headers(security), format) }
  if (shape === 'all') fastify.setErrorHandler((error, request, reply) => respond(error, request, reply))
  else fastify.addHook('onRoute', route => { shapeOwnErrors(fastify, route, respond) })
  if (!notFound) return
  try {
    fastify.setNotFoundHandler((request, reply) => respond(new NotFoundError(), request, reply))
  } catch (cause) {
    throw new ConfigInvalidError('portcullis-errors: this scope, or one with the same prefix, has a handler of requests without a route already: leave notFound out, or call setNotFoundHandler in no scope of that prefix', { cause })
  }
}, { name: 'portcullis-errors', fastify: '5.x' })

type Respond = (error: unknown, request: FastifyRequest, reply: FastifyReply) => void | Promise<void>

/**
 * Gives a route an error handler that takes the errors of Portcullis, or every error of a route of Portcullis, and passes on all others. A
 * handler of the route, and not of the scope, works whichever error handlers the application sets, before or after.
 */
function shapeOwnErrors (fastify: FastifyInstance, route: RouteOptions, respond: Respond): void {
  const { errorHandler: given } = route
  const isOwn = isOwnRoute(route)
  const respondToOwnErrors: (this: FastifyInstance, error: Error, request: FastifyRequest, reply: FastifyReply) => unknown = function (error, request, reply) {
    // Own routes that show pages respond to their errors by a handler of their scope.
    const isHandled = isOwn ? given === undefined && request.server.errorHandler === fastify.errorHandler : isOwnError(error)
    if (isHandled) return respond(error, request, reply)
    if (given !== undefined) return given.call(this, error as FastifyError, request, reply)
    // Fastify calls the next error handler, that of the scope.
    reply.send(error)
  }
  route.errorHandler = respondToOwnErrors as NonNullable<typeof given>
}

/** Returns whether a route is one of Portcullis: an endpoint, whose schema names its credentials, or a proxied path. */
function isOwnRoute ({ schema, config }: RouteOptions): boolean {
  return (schema !== undefined && 'x-credentials' in schema) || config?.upstream !== undefined
}

/**
 * Creates an onSend hook that adds the gateway's security headers unless the route has set them. It does not run for hijacked (proxied)
 * responses.
 */
export function createOwnHeadersHook (origin: string | undefined): onSendHookHandler {
  const security = Object.entries(ownHeaders(origin))
  return function addOwnHeaders (_request, reply, payload, done) {
    for (const [name, value] of security) if (!reply.hasHeader(name)) reply.header(name, value)
    done(null, payload)
  }
}

/**
 * Sends the response to an error, for the error handler, and for requests that Fastify rejects before the handler exists: a page if a
 * browser shows the response, else a problem document. `signInPath` is for errors that signing in resolves.
 */
export function sendProblem (error: unknown, request: FastifyRequest, reply: FastifyReply, security: Readonly<Record<string, string>>, { signInPath }: { signInPath?: string } = {}): void {
  const body = beginProblem(error, request, reply.headers(security))
  if (isShown(request.raw.headers)) void reply.type('text/html; charset=utf-8').send(problemPage(body, { requestId: request.id, signInPath }))
  else void reply.send(JSON.stringify(body))
}

/**
 * Sends the response to an error of a sign-in with an identity provider: the page that explains it, or a problem document to a script. A
 * browser of a user is expected at these addresses, so only a request that names another mode gets the document.
 */
export function sendLoginProblem (error: unknown, request: FastifyRequest, reply: FastifyReply, security: Readonly<Record<string, string>>, links: Pick<LoginPageOptions, 'loginPath' | 'signInPath'>): void {
  const body = beginProblem(error, request, reply.headers(security))
  if (!isShown({ 'sec-fetch-mode': 'navigate', ...request.raw.headers })) {
    void reply.send(JSON.stringify(body))
    return
  }
  const wait = Number(reply.getHeader('retry-after'))
  void reply.type('text/html; charset=utf-8').send(loginProblemPage(body, { ...links, requestId: request.id, retryAfterSeconds: wait > 0 ? wait : null }))
}

/** Sends the response to an error as the application writes it; as a problem document if that throws. */
async function sendFormatted (error: unknown, request: FastifyRequest, reply: FastifyReply, format: ErrorFormat): Promise<void> {
  const problem = beginProblem(error, request, reply)
  const json = reply.getHeader('content-type')
  void reply.type('application/json; charset=utf-8')
  try {
    const body = await format(problem, request, reply)
    // Fastify would show the client why an object cannot be JSON, and apply the schema of the route to it.
    if (body !== undefined) void reply.send(isPlain(body) || Array.isArray(body) ? JSON.stringify(body) : body)
  } catch (thrown) {
    request.log.error({ error: describeError(thrown) }, 'the format of portcullis-errors threw an error')
    void reply.header('content-type', json).send(JSON.stringify(problem))
  }
}

/** Logs an error and begins its response, with status and headers. The caller sends the body. */
export function beginProblem (error: unknown, request: FastifyRequest, reply: FastifyReply): ProblemBody {
  const { status, body, headers } = toProblem(error)
  log(error, status, request)
  if (status < 500) noteRefusal(error, request, body)
  else codes.set(request.raw, body.code)
  for (const name of ['content-encoding', 'etag', 'last-modified']) reply.removeHeader(name)
  // A request that fails with 5xx signs no user in or out, so the client must not lose or receive a cookie.
  if (status >= 500) for (const name of ['set-cookie', 'secure-session-registration']) reply.removeHeader(name)
  // A head that could not be written has left its reason phrase behind.
  if (request.raw.httpVersionMajor === 1) reply.raw.statusMessage = ''
  linger(request.raw, reply.raw)
  // The id lets a client name the error, and the log contains it.
  reply.header('x-request-id', request.id)
  void reply.code(status).headers(headers)
  return body
}

/** Codes of the errors with which requests were answered. */
const codes = new WeakMap<IncomingMessage, string>()

/** Returns the code of the error with which a request was answered, for the access log. */
export function codeOf ({ raw }: FastifyRequest): string | undefined {
  return codes.get(raw)
}

/**
 * Logs why a request is rejected, also if the response is a redirect instead of a problem. The level is debug, because any client can send
 * any number of bad requests. The reason is the cause of the gateway's own errors, which contains nothing that the client sent.
 */
export function noteRefusal (error: unknown, request: FastifyRequest, { code, detail, title }: Pick<ProblemBody, 'code' | 'detail' | 'title'> = toProblem(error).body): void {
  codes.set(request.raw, code)
  const cause = code.startsWith('PTC_ERR_') && error instanceof Error && error.cause instanceof Error ? error.cause.message : undefined
  request.log.debug({ code, reason: cause ?? detail ?? title }, 'refused')
}

function log (error: unknown, status: number, request: FastifyRequest): void {
  if (status === 500) request.log.error({ error: describeError(error) }, 'unexpected error')
  else if (status === 502 || status === 504 || status === 508) request.log.warn({ upstream: request.routeOptions.config.upstream, path: loggedPath(request.originalUrl), error: describeError(error, false) }, 'the upstream failed')
  else if (status === 503) request.log.debug({ error: describeError(error, false) }, 'the store is unavailable')
}

interface ErrorDescription { type: string, message: string, code?: unknown, stack?: string | undefined, cause?: ErrorDescription }

/**
 * Describes an error for the log. Members are copied by name, because errors of libraries carry requests, headers and configuration as
 * properties.
 */
export function describeError (error: unknown, withStack = true, depth = 0): ErrorDescription {
  if (!(error instanceof Error)) return { type: typeof error, message: 'a value that is no error was thrown' }
  const description: ErrorDescription = { type: error.name, message: error.message }
  if ('code' in error) description.code = error.code
  if (withStack) description.stack = error.stack
  if (error.cause !== undefined && depth < 5) description.cause = describeError(error.cause, withStack, depth + 1)
  return description
}

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { PathRefusedError, RequestInvalidError } from '../../lib/errors.ts'
import { canonicalPath, pathFault } from '../../lib/http/canonical-path.ts'
import { sendProblem } from '../errors.ts'

// The router calls a path with a lone `%` malformed, before any route or hook: so what is refused here reaches neither.
const malformed = '/%'

const refusals = new WeakMap<IncomingMessage, Error>()

/** Connections on which nobody can tell any more where a request ends. */
const outOfStep = new WeakSet<Socket>()

/** The path that is routed and forwarded: the canonical one, or one that the router refuses. Never throws: nothing above would catch it. */
export function admit (request: IncomingMessage): string {
  if (!isHttp1(request)) return refuse(request, invalid('the version of HTTP can only be 1.0 or 1.1', { connection: 'close' }))
  if (!hasPlainFraming(request)) return refuse(request, invalid('Transfer-Encoding can only be chunked, and only in HTTP/1.1', { connection: 'close' }))
  if (!hasOneHost(request)) return refuse(request, invalid('exactly one Host header is required'))
  const target = request.url ?? ''
  return canonicalPath(target) ?? refuse(request, new PathRefusedError({ cause: new Error(pathFault(target)) }))
}

/** Answers what Fastify refuses before a route is chosen: here no error handler of a plugin is reached. */
export function createFrameworkErrorHandler (security: Readonly<Record<string, string>>) {
  return function onFrameworkError (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
    sendProblem(refusals.get(request.raw) ?? error, request, reply, security)
  }
}

function refuse (request: IncomingMessage, error: Error): string {
  refusals.set(request, error)
  return malformed
}

function invalid (detail: string, headers: Record<string, string> = {}): Error {
  return Object.assign(new RequestInvalidError(), { detail, headers })
}

/** Node's parser also lets HTTP/0.9 and HTTP/2.0 through, whose messages have other ends. */
function isHttp1 (request: IncomingMessage): boolean {
  if (request.httpVersionMajor !== 1) outOfStep.add(request.socket)
  return request.httpVersionMajor === 1
}

/**
 * RFC 9112, section 6.1: what follows a body whose end two parsers may see in two places is never taken for a request. Codings
 * other than chunked would also be taken off on the way without the upstream knowing that they had been on. To the parser a request
 * line without a version is HTTP/0.9, with headers and a body, which that has not.
 */
function hasPlainFraming (request: IncomingMessage): boolean {
  const coding = request.headers['transfer-encoding']
  if (coding !== undefined && (request.httpVersionMinor === 0 || coding.toLowerCase() !== 'chunked')) outOfStep.add(request.socket)
  return !outOfStep.has(request.socket)
}

/** RFC 9112, section 3.2: none or several are refused. Node's own `headers` would quietly keep the first of several. */
function hasOneHost (request: IncomingMessage): boolean {
  const { rawHeaders } = request
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    if (name.length === 4 && (name === 'Host' || name.toLowerCase() === 'host')) hosts++
  }
  if (hosts === 1) return request.headers.host !== ''
  return hosts === 0 && request.httpVersionMinor === 0
}

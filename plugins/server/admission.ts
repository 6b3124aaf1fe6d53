import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { PathRefusedError, RequestInvalidError } from '../../lib/errors.ts'
import { canonicalPath, pathFault, transparentFault } from '../../lib/http/canonical-path.ts'
import { isUnder } from '../../lib/proxy/prefix.ts'
import { reserved } from '../../lib/settings/text-checks.ts'
import { sendProblem } from '../errors.ts'
import { linger } from './linger.ts'

// The router treats a path with a lone `%` as malformed before any route or hook, so a request rejected here reaches neither.
const malformed = '/%'

const refusals = new WeakMap<IncomingMessage, Error>()

/** Requests of `OPTIONS *`, which ask about the server as a whole (RFC 9110, section 9.3.7). */
const aboutServer = new WeakSet<IncomingMessage>()

function answerForServer ({ raw }: FastifyRequest, reply: FastifyReply): void {
  linger(raw, reply.raw)
  void reply.code(204).header('allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS').send()
}

/** Connections on which the end of a request can no longer be determined. */
const outOfStep = new WeakSet<Socket>()

/**
 * Creates the function that returns the path to be routed and forwarded: the canonical one, or one that the router rejects. It never
 * throws, because no caller would catch the error.
 */
export function createAdmission (origin: string | undefined): (this: FastifyInstance, request: IncomingMessage) => string {
  const authority = origin === undefined ? undefined : new URL(origin).host
  return function admitHere (request) { return admit(request, authority, transparent.get(this.server)) }
}

/** Prefixes of each server whose paths are forwarded byte for byte. */
const transparent = new WeakMap<object, string[]>()

/** Forwards the paths under a prefix byte for byte. Everything under the prefix must be subject to one policy. */
export function admitTransparently ({ server }: FastifyInstance, prefix: string): void {
  transparent.set(server, [...transparent.get(server) ?? [], prefix])
}

function admit (request: IncomingMessage, authority: string | undefined, prefixes: readonly string[] = []): string {
  if (!isHttp1(request)) return refuse(request, invalid('the version of HTTP can only be 1.0 or 1.1', { connection: 'close' }))
  if (!hasPlainFraming(request)) return refuse(request, invalid('Transfer-Encoding can only be chunked, and only in HTTP/1.1', { connection: 'close' }))
  if (!hasOneHost(request)) return refuse(request, invalid('exactly one Host header is required'))
  if (request.url === '*' && request.method === 'OPTIONS') {
    aboutServer.add(request)
    return malformed
  }
  const target = originForm(request.url ?? '', authority ?? request.headers.host)
  const prefix = prefixes.find(prefix => isUnder(target, prefix))
  if (prefix !== undefined && !reserved.some(path => isUnder(target, path))) return admitBytes(request, target, prefix)
  return canonicalPath(target) ?? refuse(request, new PathRefusedError({ cause: new Error(pathFault(target)) }))
}

/** Creates the handler of requests that Fastify rejects before routing, which no error handler of a plugin receives. */
export function createFrameworkErrorHandler (security: Readonly<Record<string, string>>) {
  return function onFrameworkError (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
    if (aboutServer.has(request.raw)) answerForServer(request, reply)
    else sendProblem(refusals.get(request.raw) ?? error, request, reply, security)
  }
}

/** Returns the path of a target in absolute form (RFC 9112, section 3.2.2) that names this server; other targets are returned unchanged. */
function originForm (target: string, authority: string | undefined): string {
  if (target.startsWith('/')) return target
  const [, named, rest = ''] = /^(https?:\/\/[^/?#\\@]+)((?:[/?][^#]*)?)$/i.exec(target) ?? []
  if (named === undefined || authority === undefined || URL.parse(named)?.host !== authority.toLowerCase()) return target
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** Targets that the router cannot decode, and that are therefore routed under another one. */
const undecodable = new WeakMap<IncomingMessage, string>()

/** The hook that gives a request under a transparent prefix its target back. */
export function restoreTarget ({ raw }: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  const target = undecodable.get(raw)
  if (target !== undefined) raw.url = target
  done()
}

function admitBytes (request: IncomingMessage, target: string, prefix: string): string {
  const fault = transparentFault(target)
  if (fault !== null) return refuse(request, new PathRefusedError({ cause: new Error(fault) }))
  if (isDecodable(target)) return target
  undecodable.set(request, target)
  return `${prefix}/-`
}

function isDecodable (target: string): boolean {
  try {
    decodeURIComponent(target)
    return true
  } catch {
    return false
  }
}

function refuse (request: IncomingMessage, error: Error): string {
  refusals.set(request, error)
  return malformed
}

function invalid (detail: string, headers: Record<string, string> = {}): Error {
  return Object.assign(new RequestInvalidError(), { detail, headers })
}

/** Returns whether the version is 1.0 or 1.1. Node's parser also accepts HTTP/0.9 and HTTP/2.0, whose messages end differently. */
function isHttp1 (request: IncomingMessage): boolean {
  if (request.httpVersionMajor !== 1) outOfStep.add(request.socket)
  return request.httpVersionMajor === 1
}

/**
 * Returns whether the end of the body is unambiguous. RFC 9112, section 6.1: bytes after a body whose end two parsers may find in different
 * places are never read as a request. Transfer codings other than chunked would also be removed on the way, without the upstream's
 * knowledge. The parser reads a request line without a version as HTTP/0.9 with headers and a body, which HTTP/0.9 does not have.
 */
function hasPlainFraming (request: IncomingMessage): boolean {
  const coding = request.headers['transfer-encoding']
  if (coding !== undefined && (request.httpVersionMinor === 0 || coding.toLowerCase() !== 'chunked')) outOfStep.add(request.socket)
  return !outOfStep.has(request.socket)
}

/**
 * Returns whether the request has exactly one Host header (RFC 9112, section 3.2). Node's own `headers` would silently keep the first of
 * several.
 */
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

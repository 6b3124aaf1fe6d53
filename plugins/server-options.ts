import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyServerOptions } from 'fastify'
import { ConfigInvalidError } from '../lib/errors.ts'
import { isFastifyOption } from '../lib/fastify-options.ts'
import { ownHeaders } from '../lib/http/security-headers.ts'
import { createPeerMatcher } from '../lib/http/trusted-peers.ts'
import { nodeProblem, sinceNode } from '../lib/node-version.ts'
import { defaultsOf, type Decoded } from '../lib/settings/decode.ts'
import { limits } from '../lib/settings/limits.ts'
import { shutdown } from '../lib/settings/shutdown.ts'
import { nearest } from '../lib/suggest.ts'
import { createAccessLog } from './server/access-log.ts'
import { createAdmission, createFrameworkErrorHandler } from './server/admission.ts'
import { createClientErrorHandler } from './server/client-errors.ts'
import { createServer } from './server/http-server.ts'

export { hasServerOptions } from './server/http-server.ts'

/** Options of the server. Durations are in milliseconds and sizes in bytes, as in the decoded settings of `limits`. */
export interface ServerOptions extends Partial<Limits> {
  /** Origin that browsers see; an https origin adds Strict-Transport-Security to errors. */
  origin?: string
  /**
   * Networks of the trusted proxies in front of the gateway, whose `X-Forwarded-*` and `X-Request-Id` headers are accepted. Default: none.
   */
  trustProxy?: readonly string[]
  /**
   * Sum of `delay` and `timeout` of portcullis-drain, in milliseconds. Closing may take this long, and two minutes more. Default: the sum
   * of their defaults.
   */
  drainMs?: number
  /** Logs one line for each request, at level info. Default false. */
  accessLog?: boolean
  /** Certificate chain and private key, PEM. The server then terminates TLS itself, from 1.2 on. */
  tls?: { cert: string | Buffer, key: string | Buffer }
  logger?: FastifyServerOptions['logger']
}

type Limits = Decoded<typeof limits>

const limitDefaults = defaultsOf(limits)
const drainDefaults = defaultsOf(shutdown)

/**
 * Maximum time to load the store. Loading ten million revocations on a busy machine takes a minute, and a process that gave up earlier
 * would never start.
 */
const longestLoadMs = 120_000

const ownNames: Record<Exclude<keyof ServerOptions, keyof Limits>, true> = { origin: true, trustProxy: true, drainMs: true, accessLog: true, tls: true, logger: true }
const names = [...Object.keys(ownNames), ...Object.keys(limitDefaults)]

/** An older Node upgrades connections before the server can decide it, so a request would reach no check. */
const oldNode = nodeProblem(sinceNode.server, process.versions.node)

const requestIdPattern = /^[\w.:=+/-]{1,128}$/

/**
 * Returns the options that only the constructor can set: `Fastify(serverOptions())`. `proxy` refuses to register on a server without them.
 * Throws ConfigInvalidError that names an option that it does not have, and says what to write instead.
 */
export function serverOptions (options: ServerOptions = {}): FastifyServerOptions {
  if (oldNode !== null) throw new ConfigInvalidError(`serverOptions ${oldNode}`)
  assertNames(options)
  const { origin, trustProxy = [], drainMs = drainDefaults.delayMs + drainDefaults.timeoutMs } = options
  const limited = limitsOf(options)
  const security = ownHeaders(origin)
  const created: FastifyServerOptions = {
    bodyLimit: limited.bodyBytes,
    keepAliveTimeout: limited.keepAliveMs,
    // The limit applies to closing too: Fastify would give up while drain is still waiting.
    pluginTimeout: longestLoadMs + drainMs,
    routerOptions: { caseSensitive: true, ignoreTrailingSlash: false, ignoreDuplicateSlashes: false, maxParamLength: 256 },
    requestIdHeader: false,
    genReqId: createRequestId(trustProxy),
    rewriteUrl: createAdmission(origin),
    frameworkErrors: createFrameworkErrorHandler(security),
    clientErrorHandler: createClientErrorHandler(security),
    // Requests are still served while the server drains; readiness informs the load balancer.
    return503OnClosing: false,
    logController: createAccessLog(options.accessLog === true),
    serverFactory: handler => createServer({ ...limited, tls: options.tls }, handler)
  }
  if (trustProxy.length > 0) created.trustProxy = [...trustProxy]
  if (options.logger !== undefined) created.logger = options.logger
  return created
}

/** An option that is ignored would leave the server with another limit than the author believes. */
function assertNames (options: object): void {
  const unknown = Object.keys(options).find(name => !names.includes(name))
  if (unknown === undefined) return
  const remedy = isFastifyOption(unknown) ? `give it to Fastify: Fastify({ ...serverOptions(…), ${unknown}: … })` : `did you mean ${nearest(unknown, names) ?? names.join(', ')}?`
  throw new ConfigInvalidError(`serverOptions: ${unknown} is not an option; ${remedy}`)
}

function limitsOf (options: Partial<Limits>): Limits {
  const names = Object.keys(limitDefaults) as Array<keyof Limits>
  return Object.fromEntries(names.map(name => [name, options[name] ?? limitDefaults[name]])) as unknown as Limits
}

/**
 * Creates the function that assigns request ids: new ones, unless a trusted proxy sent one. A client must not choose the id of its lines in
 * the log.
 */
function createRequestId (trustProxy: readonly string[]): (request: IncomingMessage) => string {
  const isTrusted = createPeerMatcher(trustProxy)
  if (trustProxy.length === 0) return () => randomUUID()
  return request => {
    const sent = request.headers['x-request-id']
    if (typeof sent === 'string' && requestIdPattern.test(sent) && isTrusted(request.socket.remoteAddress)) return sent
    return randomUUID()
  }
}

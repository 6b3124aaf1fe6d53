import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyServerOptions } from 'fastify'
import { ownHeaders } from '../lib/http/security-headers.ts'
import { createPeerMatcher } from '../lib/http/trusted-peers.ts'
import { defaultsOf, type Decoded } from '../lib/settings/decode.ts'
import { limits } from '../lib/settings/limits.ts'
import { shutdown } from '../lib/settings/shutdown.ts'
import { AccessLog } from './server/access-log.ts'
import { admit, createFrameworkErrorHandler } from './server/admission.ts'
import { createClientErrorHandler } from './server/client-errors.ts'
import { createServer } from './server/http-server.ts'

export { hasServerOptions } from './server/http-server.ts'

/** Durations as milliseconds and sizes as bytes, as the settings of `limits`. */
export interface ServerOptions extends Partial<Limits> {
  /** What browsers see; an https origin adds Strict-Transport-Security to errors. */
  origin?: string
  /** Networks of the proxies in front of us, whose `X-Forwarded-*` and `X-Request-Id` are believed. Default: none. */
  trustProxy?: string[]
  /** What `delay` and `timeout` of portcullis-drain are together: closing may take this long, and two minutes more. Default that of both. */
  drainMs?: number
  /** Log one line for each request, at level info. Default false. */
  accessLog?: boolean
  /** To terminate TLS here, from 1.2 on: certificate chain and private key, PEM. */
  tls?: { cert: string | Buffer, key: string | Buffer }
  logger?: FastifyServerOptions['logger']
}

type Limits = Decoded<typeof limits>

const limitDefaults = defaultsOf(limits)
const drainDefaults = defaultsOf(shutdown)

/** A start that loads ten millions of revocations, on a machine that is busy besides, takes a minute; what gives up then never starts. */
const longestLoadMs = 120_000

const requestIdPattern = /^[\w.:=+/-]{1,128}$/

/** What only the constructor can set: `Fastify(serverOptions())`. `proxy` refuses to register on a server without it. */
export function serverOptions (options: ServerOptions = {}): FastifyServerOptions {
  const { origin, trustProxy = [], drainMs = drainDefaults.delayMs + drainDefaults.timeoutMs } = options
  const limited = limitsOf(options)
  const security = ownHeaders(origin)
  const created: FastifyServerOptions = {
    bodyLimit: limited.bodyBytes,
    keepAliveTimeout: limited.keepAliveMs,
    // It limits closing too: after it Fastify gives up, in the middle of what drain waits for.
    pluginTimeout: longestLoadMs + drainMs,
    routerOptions: { caseSensitive: true, ignoreTrailingSlash: false, ignoreDuplicateSlashes: false, maxParamLength: 256 },
    requestIdHeader: false,
    genReqId: createRequestId(trustProxy),
    rewriteUrl: admit,
    frameworkErrors: createFrameworkErrorHandler(security),
    clientErrorHandler: createClientErrorHandler(security),
    // While draining, requests are still served; readiness tells the load balancer.
    return503OnClosing: false,
    logController: new AccessLog(options.accessLog === true),
    serverFactory: handler => createServer({ ...limited, tls: options.tls }, handler)
  }
  if (trustProxy.length > 0) created.trustProxy = trustProxy
  if (options.logger !== undefined) created.logger = options.logger
  return created
}

function limitsOf (options: Partial<Limits>): Limits {
  const names = Object.keys(limitDefaults) as Array<keyof Limits>
  return Object.fromEntries(names.map(name => [name, options[name] ?? limitDefaults[name]])) as unknown as Limits
}

/** Ours, unless a proxy that we trust sent one: a client must not choose what its lines in the log are found under. */
function createRequestId (trustProxy: string[]): (request: IncomingMessage) => string {
  const isTrusted = createPeerMatcher(trustProxy)
  if (trustProxy.length === 0) return () => randomUUID()
  return request => {
    const sent = request.headers['x-request-id']
    if (typeof sent === 'string' && requestIdPattern.test(sent) && isTrusted(request.socket.remoteAddress)) return sent
    return randomUUID()
  }
}

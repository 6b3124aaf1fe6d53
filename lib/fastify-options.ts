import type { FastifyHttpOptions, FastifyHttpsOptions, FastifyServerOptions } from 'fastify'
import type { Server } from 'node:http'
import type { Server as TlsServer } from 'node:https'

type ServerOption = keyof FastifyServerOptions | keyof FastifyHttpOptions<Server> | keyof FastifyHttpsOptions<TlsServer>

/** The options of Fastify's server. The type makes the list complete. */
const ofServer: Record<ServerOption, true> = {
  ajv: true,
  allowErrorHandlerOverride: true,
  allowUnsafeRegex: true,
  bodyLimit: true,
  caseSensitive: true,
  childLoggerFactory: true,
  clientErrorHandler: true,
  connectionTimeout: true,
  constraints: true,
  disableRequestLogging: true,
  exposeHeadRoutes: true,
  forceCloseConnections: true,
  frameworkErrors: true,
  genReqId: true,
  handlerTimeout: true,
  http: true,
  http2: true,
  https: true,
  ignoreDuplicateSlashes: true,
  ignoreTrailingSlash: true,
  keepAliveTimeout: true,
  logController: true,
  logger: true,
  loggerInstance: true,
  maxParamLength: true,
  maxRequestsPerSocket: true,
  onConstructorPoisoning: true,
  onProtoPoisoning: true,
  pluginTimeout: true,
  querystringParser: true,
  requestIdHeader: true,
  requestIdLogLabel: true,
  requestTimeout: true,
  return503OnClosing: true,
  rewriteUrl: true,
  routerOptions: true,
  schemaController: true,
  schemaErrorFormatter: true,
  serializerOpts: true,
  serverFactory: true,
  trustProxy: true,
  useSemicolonDelimiter: true
}

/** Options that Fastify reads from the options of any plugin, and one of its HTTP/2 servers. */
const ofRegister = ['prefix', 'logLevel', 'logSerializers', 'http2SessionTimeout']

const names = new Set([...Object.keys(ofServer), ...ofRegister])

/**
 * Returns whether an option belongs to Fastify. `AutoLoad({ options })` and the `options` of fastify-cli reach every plugin, so a plugin
 * ignores them unless it has an option of the same name.
 */
export function isFastifyOption (name: string): boolean {
  return names.has(name)
}

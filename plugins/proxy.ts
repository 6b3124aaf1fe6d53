import type { ConnectionOptions } from 'node:tls'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { ConfigInvalidError, InternalError, MethodNotAllowedError, UpstreamLoopError, UpstreamUnreachableError } from '../lib/errors.ts'
import { checkOptions } from '../lib/check-options.ts'
import { durationOption, optional, optionsOf, type DecodedOptions, type OptionsFrom } from '../lib/settings/options.ts'
import { limits } from '../lib/settings/limits.ts'
import { forwarding } from '../lib/settings/upstream.ts'
import { createOwnCookies, joinOwnCookies } from '../lib/http/own-cookies.ts'
import { publicPlace } from '../lib/proxy/public-address.ts'
import { areHeaders, loopName, neverForwardedWith, passedHops } from '../lib/proxy/request-head.ts'
import { plainAddress } from '../lib/http/trusted-peers.ts'
import { asError } from '../lib/as-error.ts'
import { createVerifiers } from './authenticate/schemes.ts'
import { partsAround, partsWithin, scopeParts } from './portcullis.ts'
import { Exchange } from './proxy/exchange.ts'
import { createHandshakeHook } from './proxy/handshake.ts'
import { admit, assertStillSignedIn, type OnForwardError, type OnForwarded, type PreForward, type RewriteHeaders } from './proxy/hooks.ts'
import { checkDestination, type DestinationPolicy } from './proxy/destination.ts'
import { HealthChecks } from './proxy/health-checks.ts'
import { Pool } from './proxy/pool.ts'
import { reportUnusedHooks } from './proxy/unused-hooks.ts'
import { originOfTarget, UpstreamCounts, type Upstream } from './proxy/upstream.ts'
import type { Streams } from './streams.ts'
import { hasServerOptions } from './server-options.ts'
import { admitTransparently, restoreTarget } from './server/admission.ts'
import { supportEveryMethod } from './server/methods.ts'
import { acceptUpgrades } from './server/upgrades.ts'

export type { ForwardedResponse, OnForwardError, OnForwarded, PreForward, ReturnedHeaders, RewriteHeaders } from './proxy/hooks.ts'
export { upstreamChannel, type UpstreamMessage } from './proxy/upstream.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    /** Outcomes of the requests to each upstream of the scope and of the scopes in it. */
    upstreams: UpstreamCounts[]
  }
}

/**
 * Returns headers to add, as name, value, name, value…, with names in lower case. The client's headers of these names are removed from this
 * request; `identityHeaderNames` removes them from every request.
 */
export type IdentityHeaders = (request: FastifyRequest) => readonly string[] | Promise<readonly string[]>

function hook<Hook> () {
  return Type.Optional(Type.Unsafe<Hook>(Type.Function([], Type.Unknown(), { errorMessage: 'must be a function' })))
}

const own = {
  /** Scheme, host and port of the upstream. Required unless `targets` is given. */
  target: Type.Optional(Type.String()),
  /** Scheme, host and port of several processes of the same upstream. */
  targets: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
  /** Path that replaces the prefix at the upstream. Default: the prefix. */
  rewritePrefix: Type.Optional(Type.String({ pattern: '^/[\\x21-\\x7e]*$', errorMessage: 'must start with a slash, and have no blanks' })),
  /** Maximum size of the head of a response, in bytes. */
  responseHeadBytes: optional(65_536, Type.Integer({ minimum: 1024 })),
  /** Options of TLS for https targets. */
  tls: Type.Optional(Type.Unsafe<ConnectionOptions>(Type.Any())),
  /** Maximum time for which a client accepts nothing of a waiting response. `clientTimeoutMs` of the server limits it too. */
  clientTimeout: durationOption({ default: limits.properties.clientTimeout.default }),
  /** `keep` returns the upstream's own CORS headers to the client; `strip` leaves CORS to `cors` alone. Default keep. */
  cors: optional('keep', Type.Union([Type.Literal('keep'), Type.Literal('strip')], { errorMessage: 'must be keep or strip' })),
  /** Origin that browsers see; upstreams receive it as X-Forwarded-Proto and X-Forwarded-Host. */
  origin: Type.String({ pattern: '^https?://[^/?#]+$', errorMessage: 'must be scheme, host and port alone' }),
  /** Hooks that decide before the request is forwarded, such as `authenticate`. */
  onRequest: optional([], Type.Unsafe<onRequestHookHandler[]>(Type.Array(Type.Any()))),
  /**
   * Returns the headers that identify the caller. An exception rejects the request; a promise is for an identity that is not available at
   * once.
   */
  identityHeaders: Type.Optional(Type.Unsafe<IdentityHeaders>(Type.Any())),
  /**
   * Names of the headers that `identityHeaders` returns for some requests. The client's headers of these names are removed from every
   * request; X-Auth-Subject, X-Auth-Session and X-Auth-Scope always are.
   */
  identityHeaderNames: optional([], Type.Array(Type.String({ pattern: '^[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*$', errorMessage: 'must be letters and digits, in words that are joined by -' }))),
  /**
   * Runs after `onRequest` and before anything is sent, also for WebSocket handshakes. It receives the request. It may be asynchronous, and
   * rejects the request by an exception. It cannot change the identity. A caller who is signed out meanwhile is rejected.
   */
  preForward: hook<PreForward>(),
  /**
   * Returns the headers of the response in place of those that it receives, synchronously. It receives the upstream's headers, without those
   * that an upstream may not set, and the request. It is not called for the response that opens a WebSocket.
   */
  rewriteHeaders: hook<RewriteHeaders>(),
  /**
   * Observes each exchange once, after its end. It receives the request, and `{ status, ms, bytes, target }`. Its exceptions are logged.
   */
  onResponse: hook<OnForwarded>(),
  /** Observes the error with which an exchange has failed. It receives the error and the request. Its exceptions are logged. */
  onError: hook<OnForwardError>(),
  /** Counter of the requests in flight, for draining. */
  counter: Type.Optional(Type.Unsafe<{ inFlight: number }>(Type.Any()))
}

export interface ProxyOptions extends OptionsFrom<typeof forwarding, typeof own> {
  /** Prefix in whole segments of the canonical path; `/` matches everything that has no other route. */
  prefix: string
}

const Options = optionsOf(forwarding, own)

/**
 * Maximum number of requests that wait for a connection to the upstream. Each takes about 20 kB, and occupies a connection of its client.
 */
const mostWaiting = 1024

const standardPorts: Record<string, string> = { 'http:': '80', 'https:': '443' }

const prefixPattern = /^(?:\/[A-Za-z0-9._~-]+)*$/

/**
 * Forwards everything under its prefix to one upstream. It does not decide on access; `onRequest` does.
 *
 * Hooks of the application for `preParsing`, `preValidation`, `preHandler`, `preSerialization` and `onSend` DO NOT RUN for proxied requests,
 * because bodies are neither parsed nor serialized here. A check in an app-wide `preHandler` does not protect an upstream: use `onRequest`
 * or `preForward`.
 */
export default fp<ProxyOptions>(async function proxyPlugin (fastify, given) {
  const options = checkOptions('portcullis-proxy', Options, given)
  if (!hasServerOptions(fastify)) throw new ConfigInvalidError('proxy: create the server with Fastify(serverOptions(…))')
  const prefix = fastify.prefix === '/' ? '' : fastify.prefix
  if (!prefixPattern.test(prefix)) throw new ConfigInvalidError('proxy: prefix must be / or plain segments such as /orders')
  const streams = fastify.hasPlugin('portcullis-streams') ? fastify.portcullis.streams : null
  if (options.websocket && streams === null) throw new ConfigInvalidError('proxy: websocket needs portcullis-streams; register it before')
  const upstream = createUpstream(fastify, options, { prefix, streams })
  countIn(fastify, upstream.counts)
  if (options.paths === 'transparent') admitTransparently(fastify, prefix)
  const forward = createForward(upstream, prefix, options, { origin: upstream.origin, prefix, isTransparent: options.paths === 'transparent', prefixes: () => prefixesOf(fastify) })
  if (options.websocket) acceptUpgrades(fastify.server)
  reportUnusedHooks(fastify)
  addRoutes(fastify, upstream.prefix, [...options.paths === 'transparent' ? [restoreTarget] : [], ...options.websocket ? [createHandshakeHook(options.origin)] : [], ...options.onRequest, forward])
  // The cookies and the access tokens of every scope of the server are credentials here, whatever the order of registration.
  fastify.addHook('onReady', async () => {
    const all = partsWithin(partsAround(scopeParts(fastify)).at(-1)!, 'cookies').map(({ own }) => own)
    if (all.length > 0) upstream.ownCookies = joinOwnCookies(all)
    if (upstream.keepAuthorization) upstream.ownIssuers = partsWithin(partsAround(scopeParts(fastify)).at(-1)!, 'accessToken').map(({ issuer }) => issuer)
  })
  upstream.counts.targets = upstream.pool.targets
  if (options.health !== undefined) watchHealth(fastify, upstream, options.health)
  // close() is not used, because it would wait for streams that do not end by themselves.
  fastify.addHook('onClose', () => upstream.pool.destroy())
}, { name: 'portcullis-proxy', fastify: '5.x', dependencies: ['portcullis-errors'], encapsulate: true })

type CheckedOptions = DecodedOptions<typeof Options>

function createUpstream (fastify: FastifyInstance, options: CheckedOptions, { prefix, streams }: { prefix: string, streams: Streams | null }): Upstream {
  const { timeoutMs, clientTimeoutMs } = options
  const targets = targetsOf(options)
  return {
    prefix: prefix === '' ? '/' : prefix,
    origin: new URL(options.origin).origin,
    host: options.passHostHeader ? new URL(options.origin).host : undefined,
    place: options.redirects === 'keep' ? null : publicPlace({ origin: new URL(options.origin).origin, prefix, base: options.rewritePrefix?.replace(/\/$/, '') ?? prefix, targets, passesHost: options.passHostHeader }),
    pool: new Pool({ targets, connections: options.connections, mostWaiting, timeoutMs, responseHeadBytes: options.responseHeadBytes, ...options.tls === undefined ? {} : { tls: options.tls } }),
    timeoutMs,
    clientTimeoutMs,
    keepAuthorization: options.authorization === 'keep',
    ownIssuers: [],
    ownCookies: createOwnCookies('portcullis'),
    never: neverForwardedWith([...createVerifiers(scopeParts(fastify)).flatMap(({ scheme }) => scheme.headers), ...options.identityHeaderNames]),
    stripCors: options.cors === 'strip',
    websocket: options.websocket,
    streams,
    counter: options.counter ?? { inFlight: 0 },
    counts: new UpstreamCounts(prefix === '' ? '/' : prefix),
    hooks: { rewriteHeaders: options.rewriteHeaders, onResponse: options.onResponse, onError: options.onError }
  }
}

function targetsOf ({ target, targets }: { target?: string, targets?: string[] }): string[] {
  if ((target === undefined) === (targets === undefined)) throw new ConfigInvalidError('proxy: target or targets is required, and not both')
  return (targets ?? [target!]).map(originOfTarget)
}

function watchHealth (fastify: FastifyInstance, { prefix, host, pool }: Upstream, health: NonNullable<CheckedOptions['health']>): void {
  const checks = new HealthChecks(pool.targets, {
    ...health,
    host,
    onChange: ({ authority, isDown }) => {
      fastify.log.warn({ upstream: prefix, target: authority }, isDown ? 'a target is down' : 'a target is up again')
      pool.reconsider()
    }
  })
  fastify.addHook('onReady', async () => { checks.start() })
  fastify.addHook('onClose', async () => { checks.stop() })
}

/** Returns the prefixes of all upstreams of the server. */
function prefixesOf (fastify: FastifyInstance): string[] {
  return partsAround(scopeParts(fastify)).at(-1)!.upstreams.map(({ upstream }) => upstream)
}

/** Adds the counts to the list of the scope and of each scope around it. */
function countIn (fastify: FastifyInstance, counts: UpstreamCounts): void {
  for (const parts of partsAround(scopeParts(fastify))) {
    if (!Object.hasOwn(parts, 'upstreams')) parts.upstreams = []
    parts.upstreams.push(counts)
  }
}

function addRoutes (fastify: FastifyInstance, upstream: string, onRequest: onRequestHookHandler[]): void {
  // TRACE is excluded, because an upstream that supports it would return the token that the gateway adds to the client.
  const method = supportEveryMethod(fastify).filter(name => name !== 'TRACE')
  const config = { upstream }
  for (const url of ['', '/*']) {
    fastify.route({ method, url, config, exposeHeadRoute: false, onRequest, handler: () => { throw new InternalError() } })
    fastify.route({ method: 'TRACE', url, config, handler: () => { throw Object.assign(new MethodNotAllowedError(), { headers: { allow: method.join(', ') } }) } })
  }
}

interface ForwardOptions { rewritePrefix?: string, origin: string, identityHeaders?: IdentityHeaders, preForward?: PreForward }

/**
 * Creates the last onRequest hook. It calls back only on failure, so no body is parsed and no content type is checked. It is synchronous
 * unless the identity is not available at once.
 */
function createForward (upstream: Upstream, prefix: string, { rewritePrefix, origin, identityHeaders, preForward }: ForwardOptions, destinations: DestinationPolicy): onRequestHookHandler {
  const { protocol, host, port } = new URL(origin)
  const base = rewritePrefix?.replace(/\/$/, '')
  const isRewritten = base !== undefined && base !== prefix
  const constant = ['x-forwarded-proto', protocol.slice(0, -1), 'x-forwarded-host', host, 'x-forwarded-port', port === '' ? standardPorts[protocol]! : port, ...isRewritten && prefix !== '' ? ['x-forwarded-prefix', prefix] : []]
  const name = loopName()

  return function forward (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    const hops = passedHops(request.raw.headers['cdn-loop'], name)
    if (hops === null) return done(new UpstreamLoopError())
    if (isRewritten && isBarePrefix(request, prefix)) {
      reply.redirect(withSlash(request.raw.url!, prefix), 308)
      return
    }
    checkDestination(request.method, request.raw.headers, destinations)
    const identity = identityHeaders === undefined || preForward !== undefined ? [] : identityHeaders(request)
    const url = request.raw.url!
    const path = base === undefined ? url : replacePrefix(url, prefix, base)
    const exchange = new Exchange(upstream, request, reply, done)
    const send = (headers: readonly string[]): void => {
      if (areHeaders(headers)) exchange.forward(path, [...constant, ...forwarded(request, hops), ...headers])
      else exchange.fail(new UpstreamUnreachableError({ cause: new Error('identityHeaders has returned a name or a value that no header can have') }))
    }
    const sendLater = (headers: readonly string[]): void => {
      assertStillSignedIn(request)
      send(headers)
    }
    // The exchange exists meanwhile, so that a revocation ends it.
    if (preForward !== undefined) admit(preForward, request).then(() => identityHeaders?.(request) ?? []).then(sendLater, (error: unknown) => { exchange.refuse(asError(error)) }).catch((error: unknown) => { exchange.fail(asError(error)) })
    else if (identity instanceof Promise) identity.then(sendLater).catch((error: unknown) => { exchange.fail(asError(error)) })
    else send(identity)
  }
}

/**
 * Returns whether a request to a rewritten prefix lacks the slash after it. Relative links in the response would lead out of the prefix.
 */
function isBarePrefix ({ raw: { url, method } }: FastifyRequest, prefix: string): boolean {
  return prefix !== '' && url!.startsWith(prefix) && (url!.length === prefix.length || url![prefix.length] === '?') && (method === 'GET' || method === 'HEAD')
}

function withSlash (url: string, prefix: string): string {
  return `${prefix}/${url.slice(prefix.length)}`
}

function forwarded (request: FastifyRequest, hops: string): string[] {
  return ['x-forwarded-for', forwardedFor(request), 'x-request-id', request.id, 'cdn-loop', hops]
}

/** Returns the client and the trusted proxies, nearest last. Addresses that an untrusted peer reports are not forwarded. */
function forwardedFor (request: FastifyRequest): string {
  if (request.ips === undefined) return plainAddress(request.ip ?? 'unknown')
  return request.ips.map(plainAddress).reverse().join(', ')
}

function replacePrefix (url: string, prefix: string, base: string): string {
  const path = base + url.slice(prefix.length)
  return path.startsWith('/') ? path : `/${path}`
}

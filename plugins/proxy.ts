import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { ConfigInvalidError, InternalError, MethodNotAllowedError, UpstreamLoopError } from '../lib/errors.ts'
import { loopName, passedHops } from '../lib/proxy/cdn-loop.ts'
import { checkOptions } from '../lib/check-options.ts'
import { durationOption, optional, optionsOf, type OptionsFrom } from '../lib/settings/options.ts'
import { limits } from '../lib/settings/limits.ts'
import { forwarding } from '../lib/settings/upstream.ts'
import { createOwnCookies } from '../lib/http/own-cookies.ts'
import { neverForwardedWith } from '../lib/proxy/forwarding.ts'
import { plainAddress } from '../lib/http/trusted-peers.ts'
import { asError } from '../lib/as-error.ts'
import { UpstreamCounts } from './proxy/upstream-counts.ts'
import { createVerifiers } from './authenticate/schemes.ts'
import { partsAround, scopeParts } from './portcullis.ts'
import { Exchange } from './proxy/exchange.ts'
import { createHandshakeHook } from './proxy/handshake.ts'
import { Slots } from './proxy/slots.ts'
import { createPool, type Upstream } from './proxy/upstream.ts'
import { hasServerOptions } from './server-options.ts'
import { supportEveryMethod } from './server/methods.ts'
import { acceptUpgrades } from './server/upgrades.ts'

export { upstreamChannel, type UpstreamMessage } from './proxy/upstream.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    /** Outcomes of the requests to each upstream of the scope and of the scopes in it. */
    upstreams: UpstreamCounts[]
  }
}

/** Returns headers to add, as name, value, name, value…, with names in lower case. Headers of these names from the client are removed. */
export type IdentityHeaders = (request: FastifyRequest) => readonly string[] | Promise<readonly string[]>

const own = {
  /** Scheme, host and port of the upstream. */
  target: Type.String(),
  /** Path that replaces the prefix at the upstream. Default: the prefix. */
  rewritePrefix: Type.Optional(Type.String({ pattern: '^/', errorMessage: 'must start with a slash' })),
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

const prefixPattern = /^(?:\/[A-Za-z0-9._~-]+)*$/

/** Forwards everything under its prefix to one upstream. It does not decide on access; `onRequest` does. */
export default fp<ProxyOptions>(async function proxyPlugin (fastify, given) {
  const options = checkOptions('portcullis-proxy', Options, given)
  if (!hasServerOptions(fastify)) throw new ConfigInvalidError('proxy: create the server with Fastify(serverOptions(…))')
  const prefix = fastify.prefix === '/' ? '' : fastify.prefix
  if (!prefixPattern.test(prefix)) throw new ConfigInvalidError('proxy: prefix must be / or plain segments such as /orders')
  const streams = fastify.hasPlugin('portcullis-streams') ? fastify.portcullis.streams : null
  if (options.websocket && streams === null) throw new ConfigInvalidError('proxy: websocket needs portcullis-streams; register it before')
  const { timeoutMs, clientTimeoutMs } = options
  const upstream: Upstream = {
    prefix: prefix === '' ? '/' : prefix,
    origin: new URL(options.origin).origin,
    pool: createPool(options.target, timeoutMs, options.connections),
    timeoutMs,
    clientTimeoutMs,
    slots: new Slots(options.connections, mostWaiting),
    keepAuthorization: options.authorization === 'keep',
    ownCookies: fastify.hasPlugin('portcullis-cookies') ? fastify.portcullis.cookies.own : createOwnCookies('portcullis'),
    never: neverForwardedWith(createVerifiers(scopeParts(fastify)).flatMap(({ scheme }) => scheme.headers)),
    stripCors: options.cors === 'strip',
    websocket: options.websocket,
    streams,
    counter: options.counter ?? { inFlight: 0 },
    counts: new UpstreamCounts(prefix === '' ? '/' : prefix)
  }
  countIn(fastify, upstream.counts)
  const forward = createForward(upstream, prefix, options)
  if (options.websocket) acceptUpgrades(fastify.server)
  addRoutes(fastify, upstream.prefix, [...options.websocket ? [createHandshakeHook(options.origin)] : [], ...options.onRequest, forward])
  // close() is not used, because it would wait for streams that do not end by themselves.
  fastify.addHook('onClose', () => upstream.pool.destroy())
}, { name: 'portcullis-proxy', fastify: '5.x', dependencies: ['portcullis-errors'], encapsulate: true })

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

interface ForwardOptions { rewritePrefix?: string, origin: string, identityHeaders?: IdentityHeaders }

/**
 * Creates the last onRequest hook. It calls back only on failure, so no body is parsed and no content type is checked. It is synchronous
 * unless the identity is not available at once.
 */
function createForward (upstream: Upstream, prefix: string, { rewritePrefix, origin, identityHeaders }: ForwardOptions): onRequestHookHandler {
  const { protocol, host } = new URL(origin)
  const proto = protocol.slice(0, -1)
  const base = rewritePrefix?.replace(/\/$/, '')
  const name = loopName()

  return function forward (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    const hops = passedHops(request.raw.headers['cdn-loop'], name)
    if (hops === null) return done(new UpstreamLoopError())
    const identity = identityHeaders === undefined ? [] : identityHeaders(request)
    const url = request.raw.url!
    const path = base === undefined ? url : replacePrefix(url, prefix, base)
    const exchange = new Exchange(upstream, request, reply, done)
    if (identity instanceof Promise) {
      identity.then(headers => { exchange.forward(path, [...forwarded(request, proto, host, hops), ...headers]) })
        .catch((error: unknown) => { exchange.fail(asError(error)) })
    } else exchange.forward(path, [...forwarded(request, proto, host, hops), ...identity])
  }
}

function forwarded (request: FastifyRequest, proto: string, host: string, hops: string): string[] {
  return ['x-forwarded-for', forwardedFor(request), 'x-forwarded-proto', proto, 'x-forwarded-host', host, 'x-request-id', request.id, 'cdn-loop', hops]
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

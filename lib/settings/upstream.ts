import { Type } from '@sinclair/typebox'
import { clientTls } from './client-tls.ts'
import { choice, count, duration, flag, group, list, map, size, text } from './fields.ts'
import { upstreamRateLimit } from './rate-limit.ts'
import { upstreamRevocation } from './revocation.ts'
import * as check from './text-checks.ts'

const { Optional } = Type

/** Values of `access`. Each stands for the kinds of credentials that name it (plugins/authenticate/schemes/). */
export const accesses = ['any', 'session', 'token', 'public'] as const

export type Access = (typeof accesses)[number]

/** Settings of forwarding. */
export const forwarding = {
  /** `keep` forwards the client's Authorization header to the upstream, unless it has a token that the gateway has issued. */
  authorization: Optional(choice(['strip', 'keep'], { description: 'keep: forwards the client\'s Authorization header, unless it has a token that the gateway issued (requires access: session or public, and forward: headers or none).', default: 'strip' })),
  /** True forwards WebSockets to the upstream. This requires portcullis-streams, which closes them when their session ends. */
  websocket: Optional(flag({ description: 'Forwards WebSockets.', default: false })),
  /** True sends the host of the public origin as Host, false that of the target. */
  passHostHeader: Optional(flag({ description: 'Sends the host of origin as Host, which is what browsers see. With false the upstream receives its own host.', default: true })),
  /** `rewrite` maps the addresses in the headers of responses to those that clients see. */
  redirects: Optional(choice(['rewrite', 'keep'], { description: 'rewrite: addresses of the upstream in Location, Content-Location and Refresh, and paths of its cookies under rewritePrefix, become those that browsers see. keep: leaves them unchanged.', default: 'rewrite' })),
  /** `transparent` forwards paths byte for byte. All paths under the prefix must then be subject to the same requirements. */
  paths: Optional(choice(['strict', 'transparent'], { description: 'strict: paths that two parsers could read differently are refused. transparent: paths are forwarded byte for byte (semicolons, empty segments, encoded slashes, double encodings); dot segments, backslashes and NUL stay refused. Not possible if another upstream lies inside the prefix, or has a target in common.', default: 'strict' })),
  /** Active checks of the targets; none by default. */
  health: Optional(group({
    /** Path that each target is asked for. */
    path: text(check.checkRequestPath, { description: 'Path that each target is asked for. A status below 400 within the time is a success.', expects: 'a path', example: '/healthz', hard: true }),
    /** Time between two checks of a target. */
    interval: Optional(duration({ description: 'Time between two checks of a target.', default: '5s', minimum: '100ms', maximum: '1h' })),
    /** Time for the response. */
    timeout: Optional(duration({ description: 'Time for the response.', default: '1s', minimum: '10ms', maximum: '1m' }))
  }, { description: 'Checks the targets; those that fail twice in sequence get no requests until a check succeeds. Off by default. If all are down: 502 with Retry-After.' })),
  /** Maximum time without data from the upstream, or from a client in the middle of a body. */
  timeout: Optional(duration({ description: 'Time for which it may send nothing.', default: '30s', minimum: '100ms', maximum: '1h' })),
  /**
   * Maximum number of concurrent connections to the upstream. Further requests wait, at most 1024 of them, and at most as long as
   * `timeout`. An event stream occupies a connection while it is open, a WebSocket only during its handshake.
   */
  connections: Optional(count({ description: 'Connections that each gateway process keeps to it at once. Further requests wait, at most as long as timeout; when 1024 wait already, one more is 503. An event stream (server-sent events) holds a connection as long as it is open, a WebSocket during its handshake alone.', default: 256, minimum: 1, maximum: 65_536, hard: true }))
}

/** A service behind the gateway. */
export const upstream = group({
  prefix: text(check.checkPrefix, { description: 'The paths that are forwarded to it, matched against the canonical path by whole segments.', expects: 'a path', example: '/orders' }),
  target: Optional(text(check.checkTarget, { description: 'Its address; no part of a request selects it. Required unless targets is set.', expects: 'an http or https address', example: 'http://127.0.0.1:3001' })),
  targets: Optional(list(text(check.checkTarget, { description: 'Address.', expects: 'an http or https address' }), { description: 'Addresses of several processes of the same service, in place of target. Each request goes to the less busy one of two chosen at random; one that refuses connections is left out for 5 seconds.', minItems: 1, maxItems: 100, uniqueItems: true })),
  rewritePrefix: Optional(text(check.checkPath, { description: 'Replaces the prefix in the path that it receives. By default the prefix.', expects: 'a path' })),
  responseHeaders: Optional(size({ description: 'Maximum size of the head of one of its responses.', default: '64KiB', minimum: '1KiB', maximum: '1MiB' })),
  tls: Optional(group({
    ...clientTls('its certificate'),
    serverName: Optional(text(check.checkServerName, { description: 'Name that its certificate must have; by default the host of the target.', expects: 'a host name' }))
  }, { description: 'For https targets.' })),
  audience: Optional(text(check.checkAudience, { description: 'The aud of its tokens. Required unless access is public.', expects: 'a name', example: 'orders' })),
  access: Optional(choice(accesses, { description: 'any: session cookie or access token; public: no credential is required.', default: 'any' })),
  scopes: Optional(list(text(check.checkScope, { description: 'Scope.', expects: 'a scope' }), { description: 'Scopes that a credential must carry, all of them, for every method.', default: [], uniqueItems: true })),
  stepUp: Optional(group({
    maxAge: duration({ description: 'Maximum age of the subject\'s last authentication.', minimum: '1s', maximum: '365d', example: '5m' }),
    methods: Optional(list(text(check.checkMethod, { description: 'Method.', expects: 'an HTTP method in capitals' }), { description: 'Methods that require it; GET includes HEAD. By default every method.', minItems: 1, uniqueItems: true }))
  }, { description: 'Requires a recent authentication.' })),
  forward: Optional(choice(['mint', 'pass', 'headers', 'none'], { description: 'How it receives the identity. mint: a token that the gateway issues for it; pass: the client\'s token (requires access: token); headers: X-Auth headers; none. By default mint; none for a public upstream without audience.' })),
  claims: Optional(map(text(check.checkIdentityHeader, { description: 'Name of the header.', expects: 'the name of a header', example: 'X-Auth-Email' }), { description: 'Claims of users who signed in at an identity provider (the setting claims of the provider keeps them), each with the name of a header. With forward: headers it receives these headers; a list is joined by commas; commas within a value and what is not plain ASCII are percent-encoded; a claim that is absent or null gives no header. With forward: mint the token has the claims. Client headers of these names are removed for every upstream.', expects: 'a group of claims, each with the name of a header', example: '{ email: X-Auth-Email }' })),
  ...forwarding,
  revocation: Optional(upstreamRevocation),
  rateLimit: Optional(upstreamRateLimit)
}, { description: 'A service behind the gateway.', hints: { host: 'every upstream is at the host of origin so far; where the service is goes into target' } })

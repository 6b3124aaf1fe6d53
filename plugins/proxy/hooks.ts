import type { FastifyRequest } from 'fastify'
import { InternalError } from '../../lib/errors.ts'
import { schemeOf } from '../authenticate/schemes.ts'
import { describeError } from '../errors.ts'
import { partOrNull } from '../portcullis.ts'

/* The hooks of an application around each exchange with an upstream. docs/guides/composing.md describes when they run. */

/** Headers of a response, with names in lower case. Set-Cookie is a list. */
export type ReturnedHeaders = Record<string, string | string[]>

/**
 * Runs after every `onRequest` hook and before anything is sent to the upstream, also for WebSocket handshakes. It may be asynchronous. An
 * exception rejects the request with that error. It cannot change the caller of the request.
 */
export type PreForward = (request: FastifyRequest) => unknown

/**
 * Returns the headers of an upstream's response in place of those that it receives: the upstream's, without those that an upstream may not
 * set. Headers that the application sets by `reply.header` are added afterwards. It is synchronous. An exception, or a header that a response
 * of an upstream may not have, becomes a response with status 500. It is not called for the response that opens a WebSocket.
 */
export type RewriteHeaders = (headers: ReturnedHeaders, request: FastifyRequest) => Record<string, string | number | readonly string[] | undefined>

/** An exchange with an upstream that has ended. */
export interface ForwardedResponse {
  /** Status that the client received: that of the upstream or of an error; 499 if the client disconnected before any response. */
  status: number
  /** Duration of the exchange, in milliseconds. */
  ms: number
  /** Number of bytes of the upstream's response body. Those of a WebSocket are not counted. */
  bytes: number
  /** Origin of the last target to which the request was sent; null if it was sent to none. */
  target: string | null
}

/**
 * Observes each exchange once, when it has ended, whether with a response of the upstream, with an error, or because the client has
 * disconnected. It may be asynchronous. An exception is logged and changes nothing.
 */
export type OnForwarded = (request: FastifyRequest, response: ForwardedResponse) => unknown

/**
 * Observes the error with which an exchange has failed, once and before `onResponse`: the error that the client receives, or, if the response
 * had begun, the one that cut it. It may be asynchronous. An exception is logged and changes nothing.
 */
export type OnForwardError = (error: Error, request: FastifyRequest) => unknown

/** The hooks that an exchange calls. */
export interface ProxyHooks {
  readonly rewriteHeaders: RewriteHeaders | undefined
  readonly onResponse: OnForwarded | undefined
  readonly onError: OnForwardError | undefined
}

/**
 * Runs `preForward`. Rejects with its error, with InternalError if it has changed the caller, for whom the request was authorized, and with
 * the error of a revoked credential if the caller was signed out meanwhile: short exchanges are no streams, which a revocation ends.
 */
export async function admit (preForward: PreForward, request: FastifyRequest): Promise<void> {
  const { identityOrNull } = request
  await preForward(request)
  if (request.identityOrNull !== identityOrNull) throw new InternalError({ cause: new Error('preForward of proxy has changed the identity of the request') })
  assertStillSignedIn(request)
}

/** Throws the error of a revoked credential if the caller was signed out while the request waited for a function of the application. */
export function assertStillSignedIn ({ identityOrNull, server }: FastifyRequest): void {
  if (identityOrNull === null || partOrNull(server.portcullis, 'blocklist')?.knowsAsRevoked(identityOrNull) !== true) return
  throw new (schemeOf(identityOrNull).errors.Revoked)({ cause: new Error('revoked while the application held the request') })
}

export function observeResponse ({ onResponse }: ProxyHooks, request: FastifyRequest, response: ForwardedResponse): void {
  observe('onResponse', request, () => onResponse?.(request, response))
}

export function observeError ({ onError }: ProxyHooks, request: FastifyRequest, error: Error): void {
  if (onError !== undefined) observe('onError', request, () => onError(error, request))
}

/** Calls an observer. Its exception, or the rejection of its promise, is logged. */
function observe (hook: string, request: FastifyRequest, call: () => unknown): void {
  const log = (error: unknown): void => { request.log.error({ hook, error: describeError(error) }, 'a hook of proxy has failed') }
  try {
    // A promise of another implementation counts too, so that its rejection does not end the process.
    Promise.resolve(call()).catch(log)
  } catch (error) {
    log(error)
  }
}

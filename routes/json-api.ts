import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { MediaTypeUnsupportedError, RequestInvalidError, RequestTimeoutError } from '../lib/errors.ts'
import { findFault } from '../lib/json.ts'
import { hasBody } from '../plugins/server/body.ts'

/*
 * Rules of the gateway's own endpoints: their bodies are JSON, arrive in time and share a bounded memory, and no cache stores their
 * responses.
 */

/** Limits far above any body of these routes. Structure dominates the cost of parsing, so it is counted before the parser runs. */
const limits = { levels: 8, structure: 4096 }

/** The time from the head of a request to the end of its body, in milliseconds. Slow uploads are for upstreams. */
const bodyWithinMs = 30_000

const details = {
  octets: 'body is not UTF-8',
  repeated: 'body has a member twice',
  nested: 'body is nested too deep',
  large: 'body has too many parts'
}

type App = Pick<FastifyInstance, 'getDefaultJsonParser' | 'removeAllContentTypeParsers' | 'addContentTypeParser' | 'addHook'>

/** Accepts only HTTP's own whitespace around the type, because parsers disagree about any other. */
const json = /^application\/json[ \t]*(?:;|$)/i

/**
 * Rejects every media type but JSON: other sites can send forms and plain text without a preflight. An empty body counts as absent
 * for any type.
 */
export function acceptJsonAlone (app: App, withinMs = bodyWithinMs): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request: FastifyRequest, body: Buffer, done) => {
    if (!json.test(request.headers['content-type'] ?? '')) return done(new MediaTypeUnsupportedError())
    if (body.length === 0) return done(null, undefined)
    if (!isUtf8(body)) return done(invalid('octets'))
    const text = body.toString()
    const fault = findFault(text, limits)
    if (fault !== null) return done(invalid(fault))
    return parse(request, text, done)
  })
  limitBodyTime(app, withinMs)
}

/** Aborts a request whose body does not arrive in time. */
export function limitBodyTime (app: Pick<FastifyInstance, 'addHook'>, withinMs = bodyWithinMs): void {
  app.addHook('preParsing', (request, reply, _payload, done) => {
    if (hasBody(request.raw)) giveUpAfter(request, reply, withinMs)
    done()
  })
}

function invalid (fault: keyof typeof details): Error {
  return Object.assign(new RequestInvalidError(), { detail: details[fault] })
}

/**
 * Aborts the request after `withinMs`. A request without an end would otherwise hold its connection and its partial body
 * indefinitely.
 */
function giveUpAfter ({ raw }: FastifyRequest, reply: FastifyReply, withinMs: number): void {
  const giveUp = (): void => {
    // The error reaches the reader of the body as an error of the stream.
    if (!raw.complete && !reply.sent && raw.listenerCount('error') > 0) raw.emit('error', Object.assign(new RequestTimeoutError(), { headers: { connection: 'close' } }))
  }
  const timer = setTimeout(giveUp, withinMs)
  const end = (): void => {
    clearTimeout(timer)
    bodiesUnderWay.delete(raw)
  }
  bodiesUnderWay.add(raw, giveUp)
  raw.once('end', end)
  // A request that was rejected unread may never emit 'end'.
  reply.raw.once('close', end)
}

/** The most bytes of bodies in flight. An ordinary body has some hundred bytes, so no normal load reaches this. */
const mostBytes = 32 * 1024 * 1024
const lookEveryMs = 100

interface Body { socket: Socket, from: number, giveUp: () => void }

/**
 * The request bodies that the gateway itself is reading, and how much of each has arrived. When the sum exceeds `mostBytes`, the
 * largest bodies are aborted: slow requests must neither exhaust the memory nor displace small ones.
 */
class BodiesUnderWay {
  readonly #bodies = new Map<IncomingMessage, Body>()
  #timer: NodeJS.Timeout | null = null

  /** Adds a body. `giveUp` is called at most once, and never after `delete`. */
  add (request: IncomingMessage, giveUp: () => void): void {
    const { socket } = request
    // Requests that tests inject have no connection, and their bodies are in memory already.
    if (!(socket instanceof Socket)) return
    this.#bodies.set(request, { socket, from: socket.bytesRead, giveUp })
    this.#timer ??= setTimeout(() => { this.#look() }, lookEveryMs).unref()
  }

  delete (request: IncomingMessage): void {
    this.#bodies.delete(request)
  }

  #look (): void {
    const sized = [...this.#bodies].map(([request, { socket, from, giveUp }]) => ({ request, giveUp, bytes: socket.bytesRead - from })).sort((one, other) => other.bytes - one.bytes)
    let bytes = sized.reduce((sum, body) => sum + body.bytes, 0)
    for (const body of sized) {
      if (bytes <= mostBytes) break
      bytes -= body.bytes
      this.#bodies.delete(body.request)
      body.giveUp()
    }
    this.#timer = this.#bodies.size === 0 ? null : setTimeout(() => { this.#look() }, lookEveryMs).unref()
  }
}

/** The bodies of this process; there is one instance, because the process has one memory. */
const bodiesUnderWay = new BodiesUnderWay()

/** An onSend hook for routes that answer with credentials or session data: no cache stores the response. */
export async function noStore (_request: FastifyRequest, reply: FastifyReply): Promise<void> {
  void reply.header('cache-control', 'no-store')
}

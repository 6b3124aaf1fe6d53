import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MediaTypeUnsupportedError, RequestInvalidError, RequestTimeoutError } from '../../lib/errors.ts'
import { findFault } from '../../lib/json.ts'
import { hasBody } from '../../plugins/server/body.ts'
import { bodiesUnderWay } from './bodies-under-way.ts'

/** Far more than any body here needs: what costs time to parse is structure, and that is counted before it is parsed. */
const limits = { levels: 8, structure: 4096 }

/** From the head of a request to the end of its body. Uploads that are slow but steady are for upstreams. */
const bodyWithinMs = 30_000

const details = {
  octets: 'body is not UTF-8',
  repeated: 'body has a member twice',
  nested: 'body is nested too deep',
  large: 'body has too many parts'
}

type App = Pick<FastifyInstance, 'getDefaultJsonParser' | 'removeAllContentTypeParsers' | 'addContentTypeParser' | 'addHook'>

/** Only blanks of HTTP may surround it: what else counts as one, readers of a header do not agree on. */
const json = /^application\/json[ \t]*(?:;|$)/i

/** Forms and plain texts are what other sites can send without asking. An empty body is none, whatever its type says. */
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

/** Gives up what does not arrive in time. */
export function limitBodyTime (app: Pick<FastifyInstance, 'addHook'>, withinMs = bodyWithinMs): void {
  app.addHook('preParsing', (request, reply, _payload, done) => {
    if (hasBody(request.raw)) giveUpAfter(request, reply, withinMs)
    done()
  })
}

function invalid (fault: keyof typeof details): Error {
  return Object.assign(new RequestInvalidError(), { detail: details[fault] })
}

/** Whoever opens a request and does not end it would hold its connection for ever, and what has come of its body. */
function giveUpAfter ({ raw }: FastifyRequest, reply: FastifyReply, withinMs: number): void {
  const giveUp = (): void => {
    // As its stream would tell whoever reads it.
    if (!raw.complete && !reply.sent && raw.listenerCount('error') > 0) raw.emit('error', Object.assign(new RequestTimeoutError(), { headers: { connection: 'close' } }))
  }
  const timer = setTimeout(giveUp, withinMs)
  const end = (): void => {
    clearTimeout(timer)
    bodiesUnderWay.delete(raw)
  }
  bodiesUnderWay.add(raw, giveUp)
  raw.once('end', end)
  // Of a request that was refused unread the end may never come.
  reply.raw.once('close', end)
}

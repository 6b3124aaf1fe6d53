import type { FastifyInstance, FastifyRequest } from 'fastify'
import { MediaTypeUnsupportedError, RequestInvalidError } from '../../lib/errors.ts'
import { hasRepeatedMember } from '../../lib/json.ts'

/** Only blanks of HTTP may surround it: what else counts as one, readers of a header do not agree on. */
const json = /^application\/json[ \t]*(?:;|$)/i

/** Forms and plain texts are what other sites can send without asking. An empty body is none, whatever its type says. */
export function acceptJsonAlone (app: Pick<FastifyInstance, 'getDefaultJsonParser' | 'removeAllContentTypeParsers' | 'addContentTypeParser'>): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request: FastifyRequest, body: string, done) => {
    if (!json.test(request.headers['content-type'] ?? '')) return done(new MediaTypeUnsupportedError())
    if (body === '') return done(null, undefined)
    return parse(request, body, (error, value: unknown) => {
      if (error === null && hasRepeatedMember(body)) return done(Object.assign(new RequestInvalidError(), { detail: 'body has a member twice' }))
      return done(error, value)
    })
  })
}

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { RequestInvalidError } from '../../lib/errors.ts'
import { findFault } from '../../lib/json.ts'

/** Far more than any body here needs: what costs time to parse is structure, and that is counted before it is parsed. */
const limits = { levels: 8, structure: 4096 }

const details = {
  repeated: 'body has a member twice',
  nested: 'body is nested too deep',
  large: 'body has too many parts'
}

/** Forms and plain texts are what other sites can send without asking. An empty body is none, whatever its type says. */
export function acceptJsonAlone (app: Pick<FastifyInstance, 'getDefaultJsonParser' | 'removeAllContentTypeParsers' | 'addContentTypeParser'>): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request: FastifyRequest, body: string, done) => {
    if (body === '') return done(null, undefined)
    const fault = findFault(body, limits)
    if (fault !== null) return done(Object.assign(new RequestInvalidError(), { detail: details[fault] }))
    return parse(request, body, done)
  })
}

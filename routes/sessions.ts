import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { SessionNotFoundError } from '../lib/errors.ts'
import { publish } from '../lib/events.ts'
import { freshSeconds } from '../lib/lifetime.ts'
import { isSid } from '../lib/sid.ts'
import { validatorCompiler, type TypeBoxProvider } from '../lib/type-provider.ts'
import { acceptJsonAlone } from './auth/json-alone.ts'

export interface SessionsRoutesOptions {
  /** The audience of these routes. */
  origin: string
}

/** The subject's own sessions: list and end. Register with a prefix, `/auth/sessions`. */
export default async function sessionsRoutes (fastify: FastifyInstance, { origin }: SessionsRoutesOptions): Promise<void> {
  const { portcullis } = fastify
  const app = fastify.withTypeProvider<TypeBoxProvider>().setValidatorCompiler(validatorCompiler)
  acceptJsonAlone(app)
  app.addHook('onRequest', portcullis.refuseForeign)
  app.addHook('onRequest', portcullis.authenticate({ audience: origin }))
  app.addHook('onSend', async (_request, reply) => { void reply.header('cache-control', 'no-store') })

  app.get('/', async ({ identity }) => {
    const records = await portcullis.session.list(identity.subject)
    return { sessions: records.map(record => ({ ...portcullis.session.view(record), current: record.sid === identity.sid })) }
  })

  app.delete('/:sid', { schema: { params: Type.Object({ sid: Type.String() }) } }, async ({ identity, params, ip }, reply) => {
    if (params.sid !== identity.sid) portcullis.assertRecent(identity.authTime, freshSeconds)
    const record = isSid(params.sid) ? await portcullis.session.read(params.sid) : null
    if (record === null || record.subject !== identity.subject) throw new SessionNotFoundError()
    const closed = await portcullis.blocklist.close(record.sid)
    if (closed !== null) publish({ event: 'session.closed', sid: record.sid, subject: record.subject, ip }, portcullis)
    return await reply.code(204).send()
  })
}

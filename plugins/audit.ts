import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { listenTo } from '../lib/events.ts'
import { checkOptions } from '../lib/options.ts'

const Options = Type.Object({}, { additionalProperties: false })

/**
 * Writes one line for each security event of this server, at level info, to the application's log. Name by name: what an event may
 * carry one day is not written until somebody wants it here.
 */
export default fp(async function auditPlugin (fastify, options) {
  checkOptions('portcullis-audit', Options, options)
  const stopListening = listenTo(fastify.portcullis, ({ event, sid, subject, ip, outcome, request, by, account, method, path, budget, sessions, kid }) => {
    fastify.log.info({ audit: true, event, sid, subject, ip, outcome, request, by, account, method, path, budget, sessions, kid })
  })
  fastify.addHook('onClose', async () => { stopListening() })
}, { name: 'portcullis-audit', fastify: '5.x', dependencies: ['portcullis-store'] })

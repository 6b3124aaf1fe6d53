import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { listenTo } from '../lib/events.ts'
import { ConfigInvalidError } from '../lib/errors.ts'
import { checkOptions } from '../lib/check-options.ts'
import { describeError } from './errors.ts'
import { scopeParts } from './portcullis.ts'

const audited = new WeakSet<object>()

const Options = Type.Object({}, { additionalProperties: false })

/**
 * Writes one line at level info to the application's log for each security event of this scope and of the scopes in it. Members are copied
 * by name, so that a new member of events is not written until it is added here.
 */
export default fp(async function auditPlugin (fastify, options) {
  checkOptions('portcullis-audit', Options, options)
  const portcullis = scopeParts(fastify)
  if (audited.has(portcullis)) throw new ConfigInvalidError('portcullis-audit is registered in this scope already: it would write every event twice')
  audited.add(portcullis)
  const stopListening = listenTo(portcullis, ({ event, sid, subject, ip, outcome, request, by, account, method, path, budget, sessions, kid }) => {
    fastify.log.info({ audit: true, event, sid, subject, ip, outcome, request, by, account, method, path, budget, sessions, kid })
  }, error => { fastify.log.error({ error: describeError(error) }, 'an event could not be written to the audit log') })
  fastify.addHook('onClose', async () => { stopListening() })
}, { name: 'portcullis-audit', fastify: '5.x', dependencies: ['portcullis-store'] })

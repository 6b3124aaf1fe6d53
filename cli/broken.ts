import type { FastifyInstance } from 'fastify'
import { describeError } from '../plugins/errors.ts'
import type { Edge } from './edge.ts'

/**
 * The last resort, so that one request never ends everybody's: a promise that was rejected with nobody waiting is logged and no
 * more. After an exception that nobody caught nothing is certain: those under way are finished, and the process ends with 1, to which
 * this resolves. A second one ends it at once.
 */
export async function whenBroken ({ log }: FastifyInstance, signals: Edge['signals']): Promise<number> {
  signals.on('unhandledRejection', reason => { log.error({ error: describeError(reason) }, 'a promise was rejected, and nobody waited for it') })
  await new Promise<void>(resolve => {
    signals.once('uncaughtException', reason => {
      log.fatal({ error: describeError(reason) }, 'an exception that nobody caught ends this process')
      resolve()
    })
  })
  return 1
}

import type { FastifyInstance } from 'fastify'
import { describeError } from '../plugins/errors.ts'
import type { Edge } from './edge.ts'

/**
 * Keeps one faulty request from ending the process. An unhandled rejection is logged and has no other effect. After an uncaught
 * exception the state of the process is undefined, so the promise resolves to exit code 1 and the caller drains the requests in
 * flight. A second uncaught exception ends the process at once.
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

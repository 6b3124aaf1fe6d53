import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { setTimeout as wait } from 'node:timers/promises'
import { ConfigInvalidError } from '../lib/errors.ts'
import { checkOptions } from '../lib/check-options.ts'
import { optionsOf, type OptionsFrom } from '../lib/settings/options.ts'
import { shutdown } from '../lib/settings/shutdown.ts'
import { partsAround, partsWithin, scopeParts } from './portcullis.ts'
import { Connections } from './server/connections.ts'

export interface DrainOptions extends OptionsFrom<typeof shutdown.properties> {}

const Options = optionsOf(shutdown.properties)

const sweepEveryMs = 50
const draining = new WeakSet<object>()

/**
 * Ends a server without losing requests: it reports that it is not ready, refuses new connections, closes connections without a request,
 * and closes the remaining ones after the timeout.
 */
export default fp<DrainOptions>(async function drainPlugin (fastify, options) {
  const { delayMs, timeoutMs } = checkOptions('portcullis-drain', Options, options)
  const portcullis = scopeParts(fastify)
  if (draining.has(fastify.server)) throw new ConfigInvalidError('portcullis-drain: the server has it already; all scopes of a server end together, so register it once')
  draining.add(fastify.server)
  const connections = new Connections(fastify.server)
  let startedAt: number | null = null
  fastify.addHook('preClose', async () => {
    const scopes = partsAround(portcullis).at(-1) ?? portcullis
    for (const health of partsWithin(scopes, 'health')) health.leave()
    startedAt = performance.now()
    const streams = partsWithin(scopes, 'streams').reduce((sum, { open }) => sum + open, 0)
    fastify.log.info({ requests: connections.busy, streams, delayMs, timeoutMs }, 'draining')
    await connections.part(wait(delayMs), timeoutMs)
  })
  fastify.addHook('onClose', async () => {
    // A server that never listened has nothing to drain.
    if (startedAt !== null) fastify.log.info({ cut: connections.cut, ms: Math.round(performance.now() - startedAt) }, 'drained')
  })
}, { name: 'portcullis-drain', fastify: '5.x', dependencies: ['portcullis-health'] })

/**
 * Closes the connections of a server that only operators reach and that has no more requests to answer: idle ones repeatedly, all others
 * after `timeoutMs`. Call it in `preClose`.
 */
export function sweep ({ server }: FastifyInstance, timeoutMs: number): void {
  const sweeping = setInterval(() => server.closeIdleConnections(), sweepEveryMs)
  const cutting = setTimeout(() => server.closeAllConnections(), timeoutMs)
  server.once('close', () => {
    clearInterval(sweeping)
    clearTimeout(cutting)
  })
  if (!server.listening) {
    clearInterval(sweeping)
    clearTimeout(cutting)
  }
}

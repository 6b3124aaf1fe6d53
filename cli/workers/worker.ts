import cluster from 'node:cluster'
import type { FastifyInstance } from 'fastify'
import type { Config } from '../../config/config.ts'
import { composeGateway } from '../../gateway/gateway.ts'
import { whenBroken } from '../uncaught-errors.ts'
import { listen } from '../listen.ts'
import type { Edge } from '../edge.ts'
import { logIgnoredSignals, whenToldToEnd } from '../log-lifecycle.ts'
import { isEndMessage, reportEveryMs, type WorkerMessage } from './messages.ts'

/** Runs one of the serving processes until the primary process or a signal tells it to end. */
export async function runWorker (config: Config, edge: Edge): Promise<number> {
  const { signals } = edge
  const told = whenPrimarySays()
  const gateway = await compose(config)
  logIgnoredSignals(gateway, edge)
  const broken = whenBroken(gateway, signals)
  try {
    if (config.admin !== null) (await import('./shared-metrics.ts')).shareMetrics(gateway.portcullis.metrics.registry)
    tell({ portcullis: 'listening', url: await listen(gateway, config.listen) })
    report(gateway)
    return await Promise.race([told.then(() => 0), whenToldToEnd(gateway, edge.whenTold()), broken])
  } finally {
    await gateway.close()
    cluster.worker?.disconnect()
  }
}

/** Composes the gateway. The channel to the primary process keeps this process alive, so a worker that fails to start disconnects. */
async function compose (config: Config): Promise<FastifyInstance> {
  try {
    return await composeGateway(config, { isWorker: true })
  } catch (error) {
    cluster.worker?.disconnect()
    throw error
  }
}

function tell (message: WorkerMessage): void {
  if (cluster.worker?.isConnected() === true) cluster.worker.send(message)
}

function report (gateway: FastifyInstance): void {
  const say = (): void => { tell({ portcullis: 'state', isReady: gateway.portcullis.health.isReady() }) }
  say()
  const timer = setInterval(say, reportEveryMs).unref()
  gateway.server.once('close', () => { clearInterval(timer) })
}

async function whenPrimarySays (): Promise<void> {
  await new Promise<void>(resolve => {
    cluster.worker?.on('message', message => { if (isEndMessage(message)) resolve() })
  })
}

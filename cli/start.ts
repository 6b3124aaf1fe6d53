import cluster from 'node:cluster'
import type { Config } from '../config/config.ts'
import { loadConfig } from '../config/load.ts'
import { required, UsageError, type Arguments } from './arguments.ts'
import { whenBroken } from './uncaught-errors.ts'
import { listen } from './listen.ts'
import type { Edge } from './edge.ts'
import { logIgnoredSignals, noteStart, whenToldToEnd } from './log-lifecycle.ts'

const mostWorkers = 64

/** Runs the gateway until it is told to end, then drains it. */
export async function startCommand (args: Arguments, edge: Edge): Promise<number> {
  const workers = workersOf(args)
  const config = await loadConfig(required(args, 'config'), edge.env)
  // A worker process inherits the command line of the primary process.
  if (cluster.isWorker) return await (await import('./workers/worker.ts')).runWorker(config, edge)
  if (workers > 1) return await (await import('./workers/primary.ts')).runPrimary(config, workers, edge)
  return await runAlone(config, edge)
}

async function runAlone (config: Config, edge: Edge): Promise<number> {
  const { stdout, signals } = edge
  // The gateway is loaded only after the configuration is known to be valid, because checking that is much faster.
  const { composeGateway } = await import('../gateway/gateway.ts')
  const gateway = await composeGateway(config)
  noteStart(gateway, edge)
  logIgnoredSignals(gateway, edge)
  const broken = whenBroken(gateway, signals)
  try {
    stdout.write(`portcullis listening on ${await listen(gateway, config.listen)}\n`)
    return await Promise.race([whenToldToEnd(gateway, edge.whenTold()), broken])
  } finally {
    await gateway.close()
  }
}

function workersOf ({ values: { workers = '1' } }: Arguments): number {
  const count = /^\d{1,2}$/.test(workers) ? Number(workers) : 0
  if (count < 1 || count > mostWorkers) throw new UsageError(`--workers: must be a whole number from 1 to ${mostWorkers}; as many as there are cores is right`)
  return count
}

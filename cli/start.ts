import cluster from 'node:cluster'
import type { Config } from '../config/config.ts'
import { loadConfig } from '../config/load.ts'
import { required, UsageError, type Arguments } from './arguments.ts'
import { whenBroken } from './broken.ts'
import { listen } from './listen.ts'
import type { Edge } from './edge.ts'
import { noteStart, whenToldToEnd } from './told.ts'

const mostWorkers = 64

/** Runs the gateway until it is told to end, then drains. */
export async function startCommand (args: Arguments, edge: Edge): Promise<number> {
  const workers = workersOf(args)
  const config = await loadConfig(required(args, 'config'), edge.env)
  // A worker is started with the command line of the process that starts it.
  if (cluster.isWorker) return await (await import('./workers/worker.ts')).runWorker(config, edge)
  if (workers > 1) return await (await import('./workers/primary.ts')).runPrimary(config, workers, edge)
  return await runAlone(config, edge)
}

async function runAlone (config: Config, edge: Edge): Promise<number> {
  const { stdout, signals } = edge
  // Not before the configuration was found good, which takes a fraction of the time.
  const { composeGateway } = await import('../gateway/gateway.ts')
  const gateway = await composeGateway(config)
  noteStart(gateway)
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

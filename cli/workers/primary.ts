import type { FastifyInstance } from 'fastify'
import type { Config } from '../../config/config.ts'
import { composeOperators } from '../../gateway/operators.ts'
import { loadPackages } from '../../lib/load-packages.ts'
import { driverOf } from '../../stores/drivers.ts'
import { logIgnoredSignals, noteStart, whenToldToEnd } from '../log-lifecycle.ts'
import type { Edge } from '../edge.ts'
import { WorkerPool } from './pool.ts'

/** The time that a worker has beyond the configured drain, in milliseconds. */
const killAfterMs = 5000

/** Runs the gateway in several processes until it is told to end. The workers serve requests; this process supervises them. */
export async function runPrimary (config: Config, count: number, edge: Edge): Promise<number> {
  const { stdout, stderr } = edge
  const refusal = driverOf(config.store).refuseSharing(config.store)
  if (refusal !== null) throw new Error(`${refusal}, or start without --workers`)
  const { shutdown: { delayMs, timeoutMs } } = config
  const pool = new WorkerPool({
    count,
    endWithinMs: delayMs + timeoutMs + killAfterMs,
    onDeath: ({ pid, code, signal, againInMs }) => { stderr.write(`worker ${pid} has died (${signal ?? `exit ${code}`}); another one starts in ${againInMs} ms\n`) }
  })
  // The signal is awaited from this point on, because a worker may serve before all of them do.
  const told = edge.whenTold()
  const url = await Promise.race([pool.start(), told.then(() => null)]).catch(async () => { await pool.end() })
  // The cause is on standard error already.
  if (url === undefined) return 1
  if (url === null) {
    await pool.end()
    return 0
  }
  const operators = await compose(config, pool)
    .catch(async (error: unknown) => {
      await pool.end()
      throw error
    })
  noteStart(operators, edge)
  logIgnoredSignals(operators, edge)
  stdout.write(`portcullis listening on ${url}\n`)
  await whenToldToEnd(operators, told)
  await pool.end()
  await operators.close()
  return 0
}

async function compose (config: Config, pool: WorkerPool): Promise<FastifyInstance> {
  const isReady = (): boolean => pool.isReady()
  if (config.admin === null) return await composeOperators(config, { isReady, metrics: null })
  const { createCollector } = await loadPackages('admin', ['prom-client'], async () => await import('./shared-metrics.ts'))
  return await composeOperators(config, { isReady, metrics: createCollector() })
}

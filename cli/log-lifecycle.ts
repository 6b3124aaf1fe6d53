import type { FastifyInstance } from 'fastify'
import { version } from '../plugins/server/version.ts'
import type { Edge } from './edge.ts'
import type { EndSignal, IgnoredSignal } from './signals.ts'

const reasons: Record<IgnoredSignal, string> = {
  SIGHUP: 'reloading is not supported yet: restart',
  SIGUSR1: 'a signal opens no debugger',
  SIGUSR2: 'the signal has no meaning here'
}

/** Logs every signal that has no effect. */
export function logIgnoredSignals ({ log }: FastifyInstance, { onIgnored }: Pick<Edge, 'onIgnored'>): void {
  onIgnored(signal => { log.warn({ signal }, `a signal was ignored: ${reasons[signal]}`) })
}

/** Logs the version that starts. */
export function noteStart ({ log }: FastifyInstance, { nodeVersion }: Pick<Edge, 'nodeVersion'>): void {
  log.info({ version, node: nodeVersion }, 'portcullis starts')
}

/** Waits for the signal that ends the process, logs it, and resolves to the exit code. */
export async function whenToldToEnd ({ log }: FastifyInstance, told: Promise<EndSignal>): Promise<number> {
  const signal = await told
  log.info({ signal }, 'told to end')
  return 0
}

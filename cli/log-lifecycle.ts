import type { FastifyInstance } from 'fastify'
import { version } from '../plugins/server/version.ts'
import type { EndSignal } from './signals.ts'

/** Logs the version that starts. */
export function noteStart ({ log }: FastifyInstance): void {
  log.info({ version, node: process.versions.node }, 'portcullis starts')
}

/** Waits for the signal that ends the process, logs it, and resolves to the exit code. */
export async function whenToldToEnd ({ log }: FastifyInstance, told: Promise<EndSignal>): Promise<number> {
  const signal = await told
  log.info({ signal }, 'told to end')
  return 0
}

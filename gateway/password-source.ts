import type { Registry } from 'prom-client'
import type { FastifyInstance } from 'fastify'
import type { Config } from '../config/config.ts'
import { UsersAgreement } from '../users/agreement.ts'
import { createPasswordSource } from '../users/create-password-source.ts'
import type { PasswordSource } from '../users/password-source.ts'
import { persist } from '../stores/retry.ts'
import { describeError } from '../plugins/errors.ts'
import { deriveSecrets } from '../plugins/keys.ts'
import type { Portcullis } from '../plugins/portcullis.ts'

/* The source of passwords of both compositions: the gateway, and the primary process of several workers. */

/**
 * Opens the source of passwords; null if users sign in at providers only. Rejects with ConfigInvalidError when the users file is not valid; a file that becomes invalid
 * later is logged.
 */
export async function openPasswordSource (app: FastifyInstance, { identity }: Config): Promise<PasswordSource | null> {
  if (identity === null) return null
  return await createPasswordSource(identity, {
    onError: error => app.log.error({ error: describeError(error) }, 'the users file was not taken over'),
    onRecovery: () => app.log.info('the users file is read again')
  })
}

/**
 * Follows the users file, and warns operators while it cannot be read. A subject who is removed or has a new password is signed out
 * everywhere; the revocation is retried while the store is unavailable. A worker does not sign subjects out, because the primary
 * process does so for all workers.
 */
export async function watchUsers (app: FastifyInstance, passwords: PasswordSource | null, { isWorker = false } = {}): Promise<void> {
  if (passwords === null) return
  const ending = new AbortController()
  const unwatch = passwords.watch?.(isWorker
    ? null
    : subject => {
      void persist(() => app.portcullis.blocklist.revoke({ subject }, { by: 'users file' }), ending.signal, error => app.log.error({ error: describeError(error), subject }, 'a subject who is gone could not be signed out yet'))
    })
  if (passwords.problem !== undefined) await showProblem(app.portcullis, () => passwords.problem!())
  app.addHook('preClose', async () => {
    ending.abort()
    unwatch?.()
  })
}

export interface CompareOptions {
  config: Config
  secrets: string[]
  /** The interval in milliseconds. Default: ten seconds. */
  everyMs?: number
}

/** Warns operators while gateways that share the store use different users files. The primary process does so for its workers. */
export async function compareUsers (app: FastifyInstance, passwords: PasswordSource | null, { config: { origin, identity }, secrets, everyMs = 10_000 }: CompareOptions): Promise<void> {
  const digest = passwords?.digest
  if (digest === undefined || identity === null || typeof identity === 'function') return
  const agreement = new UsersAgreement({
    store: app.portcullis.store,
    secrets: deriveSecrets('portcullis', secrets),
    origin,
    file: identity.file,
    digest,
    onDifference: problem => app.log.warn(problem),
    onAgreement: () => app.log.info('the users files are the same again')
  })
  const check = (): void => { agreement.check().catch((error: unknown) => app.log.debug({ error: describeError(error) }, 'the users files could not be compared yet')) }
  const { health, metrics } = app.portcullis as OptionalMetrics
  health.warnWhile(() => agreement.problem)
  await addProblemGauge(metrics, { name: 'portcullis_users_files_agree', help: '1 while no other gateway at the store goes by another users file, 0 while one does.' }, () => agreement.problem)
  check()
  const timer = setInterval(check, everyMs).unref()
  app.addHook('preClose', async () => { clearInterval(timer) })
}

type OptionalMetrics = Omit<Portcullis, 'metrics'> & Partial<Pick<Portcullis, 'metrics'>>

async function showProblem ({ health, metrics }: OptionalMetrics, problem: () => string | null): Promise<void> {
  health.warnWhile(problem)
  await addProblemGauge(metrics, { name: 'portcullis_users_file_ok', help: '1 while the users file can be read, 0 while it cannot.' }, problem)
}

/** Adds a gauge of a problem. A gateway without the operators' listener has no metrics, and does not load the code for them. */
async function addProblemGauge (metrics: Portcullis['metrics'] | undefined, named: { name: string, help: string }, problem: () => string | null): Promise<void> {
  if (metrics === undefined) return
  const { addGauge, Target } = await import('../plugins/metrics/from-counts.ts')
  addGauge(new Target(metrics.registry as unknown as Registry), { ...named, aggregator: 'min' }, () => problem() === null ? 1 : 0)
}

import type { FastifyInstance } from 'fastify'
import type { Config } from './config/config.ts'
import { maxForeignTokenAgeMs } from './config/retention.ts'
import { createIdentity, type IdentitySource } from './identity/identity.ts'
import { persist } from './lib/persist.ts'
import type { BlocklistOptions } from './plugins/blocklist.ts'
import type { StoreOptions } from './plugins/store.ts'

/*
 * What both compositions need: the gateway, and the process that sees after several of them.
 */

export function storeOptions ({ store }: Config): StoreOptions {
  if (store.type === 'sqlite') return { type: 'sqlite', path: store.path, timeout: store.timeoutMs }
  return { type: 'redis', timeout: store.timeoutMs, ...typeof store.target === 'string' ? { url: store.target } : store.target }
}

export function blocklistOptions (config: Config): BlocklistOptions {
  const { accessToken, session, revocation } = config
  return {
    maxTokenAge: accessToken.ttlMs,
    maxForeignTokenAge: maxForeignTokenAgeMs(config),
    absoluteTimeout: session.absoluteTimeoutMs,
    maxStaleness: revocation.maxStalenessMs,
    staleFor: revocation.staleForMs
  }
}

/** Rejects with ConfigInvalidError when the file of users is not good; later on, that is logged. */
export async function openIdentity (app: FastifyInstance, { identity }: Config): Promise<IdentitySource> {
  return await createIdentity(identity, { onError: error => app.log.error({ err: error }, 'the users file was not taken over') })
}

/** Whoever is gone, or has a new password, is signed out everywhere; also when the store is away at that moment. */
export function watchUsers (app: FastifyInstance, identity: IdentitySource): void {
  const ending = new AbortController()
  const unwatch = identity.watch?.(subject => {
    void persist(() => app.portcullis.blocklist.revoke({ subject }, { by: 'users file' }), ending.signal, error => app.log.error({ err: error, subject }, 'a subject who is gone could not be signed out yet'))
  })
  app.addHook('preClose', async () => {
    ending.abort()
    unwatch?.()
  })
}

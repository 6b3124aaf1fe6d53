import type { Config } from '../config/config.ts'
import { maxForeignTokenAgeMs } from '../config/retention.ts'
import { optionsFrom } from '../lib/settings/options.ts'
import { replica } from '../lib/settings/revocation.ts'
import type { BlocklistOptions } from '../plugins/blocklist.ts'

/** Returns the options of the blocklist of both compositions: the gateway, and the primary process of several workers. */
export function blocklistOptions (config: Config): BlocklistOptions {
  const { accessToken, session, revocation } = config
  return {
    ...optionsFrom(replica, revocation),
    maxTokenAge: accessToken.ttlMs,
    maxForeignTokenAge: maxForeignTokenAgeMs(config),
    absoluteTimeout: session.absoluteTimeoutMs
  }
}

import type { StoreConfig } from './config.ts'

/** Where a Redis is: its addresses, with users and passwords in them. */
export function redisAddresses ({ target }: Extract<StoreConfig, { type: 'redis' }>): URL[] {
  if (typeof target === 'string') return [new URL(target)]
  return ('cluster' in target ? target.cluster : target.sentinels).map(address => new URL(address))
}

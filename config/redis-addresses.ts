import type { StoreConfig } from './config.ts'

/** Where a Redis is: its addresses, with users and passwords in them. */
export function redisAddresses ({ url }: Extract<StoreConfig, { type: 'redis' }>): URL[] {
  return [new URL(url)]
}

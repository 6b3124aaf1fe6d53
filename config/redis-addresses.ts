import { addressesOf } from '../stores/redis/settings.ts'
import type { StoreConfig } from './config.ts'

/** Where a Redis is: its addresses, with users and passwords in them. */
export function redisAddresses ({ target }: Extract<StoreConfig, { type: 'redis' }>): URL[] {
  return addressesOf(target).texts.map(address => new URL(address))
}

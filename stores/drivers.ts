import type { StoreDriver } from './driver.ts'
import { redis } from './redis/driver.ts'
import { sqlite } from './sqlite/driver.ts'

/** Every kind of store; the first one is the default. A new kind is a folder, a file beside it that opens the store, and one entry here. */
export const drivers = [sqlite, redis] as const

/** The options of the plugin portcullis-store for the kinds of this list. */
export type DriverOptions = Parameters<(typeof drivers)[number]['open']>[0]

/** Finds the driver of a type; without a type, the default. */
export function findDriver (type: string = drivers[0].type): StoreDriver | undefined {
  return (drivers as readonly StoreDriver[]).find(driver => driver.type === type)
}

/** Finds the driver of settings or of options that were checked. */
export function driverOf ({ type }: { type?: string }): StoreDriver {
  const driver = findDriver(type)
  if (driver === undefined) throw new TypeError(`no kind of store is called ${type}`)
  return driver
}

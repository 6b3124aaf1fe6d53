import type { StoreConfig } from '../stores/driver.ts'
import { driverOf, type DriverOptions } from '../stores/drivers.ts'

/** Returns the options of the plugin portcullis-store. Throws ConfigInvalidError when a file that the settings name cannot be used. */
export async function storeOptions ({ store }: { store: StoreConfig }): Promise<DriverOptions> {
  return await driverOf(store).readOptions(store) as DriverOptions
}

/** Returns the configured secrets, or the secret that is kept beside the store, which is made when it is missing. */
export async function secretsOf ({ secrets, store }: { secrets: string[] | null, store: StoreConfig }): Promise<string[]> {
  // The rules require `secret` with drivers that keep none.
  return secrets ?? [await driverOf(store).secretBeside!(store)]
}

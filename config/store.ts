import type { StoreConfig } from '../stores/driver.ts'
import { driverOf, type DriverOptions } from '../stores/drivers.ts'

/** The options of the plugin portcullis-store. Throws ConfigInvalidError when a file that the settings name cannot be used. */
export async function storeOptions ({ store }: { store: StoreConfig }): Promise<DriverOptions> {
  return await driverOf(store).readOptions(store) as DriverOptions
}

/** The configured secrets, or the one that is kept beside the store, which is made when it is missing. */
export async function secretsOf ({ secrets, store }: { secrets: string[] | null, store: StoreConfig }): Promise<string[]> {
  // Without a secret, the rules admit only drivers that keep one.
  return secrets ?? [await driverOf(store).secretBeside!(store)]
}

import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/config.ts'
import type { Edge } from './edge.ts'
import { driverOf } from '../stores/drivers.ts'
import type { Store } from '../stores/store.ts'

/** Opens the store of a configuration, runs `work` on it, and closes it in every case. */
export async function withStore (file: string, { env, stderr }: Pick<Edge, 'env' | 'stderr'>, work: (store: Store, config: Config) => Promise<number>): Promise<number> {
  const config = await loadConfig(file, env)
  const driver = driverOf(config.store)
  const refusal = driver.refuseSharing(config.store)
  if (refusal !== null) throw new Error(refusal)
  const { store } = await driver.open(await driver.readOptions(config.store), { onWait: text => { stderr.write(`${text}\n`) } })
  try {
    return await work(store, config)
  } finally {
    await store.end()
  }
}

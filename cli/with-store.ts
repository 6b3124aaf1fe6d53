import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/config.ts'
import { storeAddress } from '../config/store-address.ts'
import type { Edge } from './edge.ts'
import { openStore } from '../stores/open.ts'
import type { Store } from '../stores/store.ts'

/** Opens the store of a configuration, runs `work` on it, and closes it in every case. */
export async function withStore (file: string, { env, stderr }: Pick<Edge, 'env' | 'stderr'>, work: (store: Store, config: Config) => Promise<number>): Promise<number> {
  const config = await loadConfig(file, env)
  if (config.store.type === 'sqlite' && config.store.path === ':memory:') throw new Error('store.path: :memory: belongs to one process alone; give the store a file')
  const { store } = await openStore(await storeAddress(config), { onWait: text => { stderr.write(`${text}\n`) } })
  try {
    return await work(store, config)
  } finally {
    await store.end()
  }
}

import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/config.ts'
import { openStore } from '../stores/open.ts'
import type { Store } from '../stores/store.ts'

/** Opens the store of a configuration for one piece of work, and ends it whatever happens. */
export async function withStore (file: string, env: Record<string, string | undefined>, work: (store: Store, config: Config) => Promise<number>): Promise<number> {
  const config = await loadConfig(file, env)
  if (config.store.type === 'sqlite' && config.store.path === ':memory:') throw new Error('store.path: :memory: belongs to one process alone; give the store a file')
  const { store } = await openStore(config.store)
  try {
    return await work(store, config)
  } finally {
    await store.end()
  }
}

import type { StoreAddress } from '../stores/open.ts'
import type { Config } from './config.ts'
import { readClientTlsFiles } from './tls-files.ts'

/** Where the store of a configuration is, with what its files hold. Throws ConfigInvalidError when one of them cannot be used. */
export async function storeAddress ({ store }: Config): Promise<StoreAddress> {
  if (store.type === 'sqlite') return { type: 'sqlite', path: store.path, timeoutMs: store.timeoutMs }
  const { target, keyPrefix, timeoutMs } = store
  const tls = store.tls === null ? {} : { tls: await readClientTlsFiles('store.tls', store.tls) }
  return { type: 'redis', target: { ...target, ...tls }, keyPrefix, timeoutMs }
}

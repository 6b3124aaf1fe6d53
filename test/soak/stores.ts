import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { startFaultProxy, type FaultProxy } from '../helpers/fault-proxy.ts'
import { startRedis, type RedisServer } from '../helpers/redis-server.ts'
import type { Endings } from './endings.ts'

export type RunningStore =
  /** Each gateway reaches it through a proxy of its own. */
  | { type: 'redis', server: RedisServer, proxies: [FaultProxy, FaultProxy], settings: object, urls: [string, string] }
  | { type: 'sqlite', lock: () => () => void, settings: object, urls: [string, string] }

export async function startStore (endings: Endings, type: 'redis' | 'sqlite', folder: () => string): Promise<RunningStore> {
  return type === 'redis' ? await startRedisStore(endings) : startSqliteStore(endings, folder)
}

/** What it has acknowledged is on the disk: a restart loses nothing. */
async function startRedisStore (endings: Endings): Promise<RunningStore> {
  const server = await startRedis(endings, ['--appendonly', 'yes', '--appendfsync', 'always'])
  endings.ownPid(() => server.pid)
  const proxies: [FaultProxy, FaultProxy] = [await startFaultProxy(endings, server.port), await startFaultProxy(endings, server.port)]
  return {
    type: 'redis',
    server,
    proxies,
    settings: { type: 'redis', url: '${STORE_URL}' }, // eslint-disable-line no-template-curly-in-string
    urls: [`redis://127.0.0.1:${proxies[0].port}`, `redis://127.0.0.1:${proxies[1].port}`]
  }
}

function startSqliteStore (endings: Endings, folder: () => string): RunningStore {
  let db: DatabaseSync | null = null
  endings.teardown(() => { db?.close() })
  return {
    type: 'sqlite',
    lock () {
      // Opened once and not closed before the end: closing would drop nobody else's locks, but checkpoint.
      db ??= new DatabaseSync(join(folder(), 'portcullis.db'), { timeout: 5000 })
      db.exec('BEGIN IMMEDIATE')
      return () => { db?.exec('COMMIT') }
    },
    settings: { type: 'sqlite', path: './portcullis.db' },
    urls: ['', '']
  }
}

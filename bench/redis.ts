import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { BenchContext, Place } from './harness.ts'

export interface RedisServer {
  url: string
  pid: number
  client: Redis
  /** Resolves to the number of calls of a command so far, by clients and by scripts. */
  calls (command: string): Promise<number>
}

export const redisMissing = 'redis-server is not installed (Debian: apt-get install redis-server)'

export function hasRedis (): boolean {
  return spawnSync('redis-server', ['--version']).status === 0
}

/** Starts a real Redis server as the documentation recommends: an append-only file, flushed every second. Ends with the bench. */
export async function startRedis (context: BenchContext, place: Place = 'rest'): Promise<RedisServer> {
  const port = await freePort()
  const folder = join(context.directory, `redis-${port}`)
  await mkdir(folder)
  const server = context.run(['redis-server', '--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec'], place)
  const client = new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => null })
  client.on('error', () => {})
  context.atEnd(() => { client.disconnect() })
  for (let attempt = 0; ; attempt++) {
    if (await client.connect().then(() => true, () => false)) break
    if (server.exitCode !== null || attempt > 500) throw new Error('redis-server does not start')
    await wait(20)
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    // The process of taskset becomes the program that it starts, so the pid stays.
    pid: server.pid ?? 0,
    client,
    async calls (command) {
      return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(await client.info('commandstats'))?.[1] ?? 0)
    }
  }
}

export async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

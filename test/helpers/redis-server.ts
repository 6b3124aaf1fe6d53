import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { redisOptions, type RedisClient } from '../../stores/redis.ts'
import { findClosedPort } from './closed-port.ts'

export const redisMissing = 'These tests need a real Redis server: install redis-server (Debian: apt-get install redis-server)'

export interface RedisServer {
  url: string
  port: number
  /** The pid; null while the server is not running. */
  readonly pid: number | null
  /** Kills the server; no data was saved. */
  stop (): Promise<void>
  /** Starts the server again, on the same port and empty. */
  start (): Promise<void>
  /** Stops the process: connections stay open and new ones are accepted, but no request is answered. */
  pause (): void
  resume (): void
}

/** Starts a real Redis server on a free loopback port, for one test; it stores no data on disk. */
export async function startRedis (t: Pick<Test, 'teardown'>, args: string[] = []): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-redis-'))
  const port = await findClosedPort()
  let server: ChildProcess | null = null
  async function stop (): Promise<void> {
    const ended = server
    server = null
    if (ended === null || ended.exitCode !== null) return
    ended.kill('SIGKILL')
    await once(ended, 'exit')
  }
  async function start (): Promise<void> {
    server = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder, ...args], { stdio: 'ignore' })
    server.on('error', () => {
      server = null
    })
    while (!await accepts(port)) {
      if (server === null) throw new Error(redisMissing)
      if (server.exitCode !== null) throw new Error(`redis-server ended with code ${server.exitCode}`)
      await sleep(10)
    }
  }
  t.teardown(async () => {
    await stop()
    await rm(folder, { recursive: true, force: true })
  })
  await start()
  return { url: `redis://127.0.0.1:${port}`, port, get pid () { return server?.pid ?? null }, stop, start, pause: () => server?.kill('SIGSTOP'), resume: () => server?.kill('SIGCONT') }
}

export async function accepts (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** Connects a client for the test itself, which accepts commands at once. */
export async function connectAdmin (t: Test, server: { url: string }): Promise<Redis> {
  const redis = connectRedis(t, server)
  if (redis.status !== 'ready') await once(redis, 'ready')
  return redis
}

/** Creates a client for a store as the gateway does. It refuses commands until it is ready. */
export function connectRedis (t: Test, { url }: { url: string }): Redis {
  const redis = new Redis(redisOptions(url))
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  return redis
}

/** Makes every script that is defined from now on see one fixed instant as the server's clock, so that a test can hit boundaries. */
export function freezeClock (redis: RedisClient, atMs: number): void {
  const define = redis.defineCommand.bind(redis)
  redis.defineCommand = (name, { lua, ...rest }) => {
    if (!lua.includes("redis.call('TIME')")) throw new Error(`${name} does not read the clock`)
    define(name, { ...rest, lua: lua.replace("redis.call('TIME')", `{ ${Math.floor(atMs / 1000)}, ${atMs % 1000 * 1000} }`) })
  }
}

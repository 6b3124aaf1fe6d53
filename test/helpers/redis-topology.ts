import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { createRedisClient, type RedisClient, type RedisTarget } from '../../stores/redis.ts'
import { patienceMs } from './patience.ts'
import { accepts, redisMissing } from './redis-server.ts'

const run = promisify(execFile)

/** The time after which the servers consider one of them dead, in milliseconds. */
const nodeTimeoutMs = 1000

export interface RedisNode {
  port: number
  /** Runs one command at this server only, by a separate client. */
  command (...words: string[]): Promise<unknown>
  kill (): Promise<void>
  pause (): void
  resume (): void
}

export interface RedisCluster {
  target: { cluster: string[] }
  nodes: RedisNode[]
  /** Resolves to the nodes that are primaries now, and answer. */
  primaries (): Promise<RedisNode[]>
  /** Resolves to the primary of a key's slot. */
  primaryOf (key: string): Promise<RedisNode>
  slotOf (key: string): Promise<number>
  /** Moves a slot, with its keys, from its primary to another one. `between`: runs while its keys are on both. */
  moveSlot (slot: number, to: RedisNode, between?: () => Promise<void>): Promise<void>
}

/** Starts a real Cluster on loopback, three primaries with a replica each, for one test. */
export async function startCluster (t: Test, args: string[] = []): Promise<RedisCluster> {
  const folder = await tempFolder(t)
  const ports = await freePorts(6)
  const nodes = await Promise.all(ports.map(async port => await startNode(t, 'redis-server', [
    '--port', String(port), '--cluster-enabled', 'yes', '--cluster-config-file', `nodes-${port}.conf`, '--cluster-node-timeout', String(nodeTimeoutMs),
    ...nothingOnDisk(folder), ...args
  ], port)))
  await run('redis-cli', ['--cluster', 'create', ...ports.map(port => `127.0.0.1:${port}`), '--cluster-replicas', '1', '--cluster-yes'])
  for (const node of nodes) await until(async () => String(await node.command('CLUSTER', 'INFO')).includes('cluster_state:ok'))
  const cluster: RedisCluster = {
    target: { cluster: ports.map(port => `redis://127.0.0.1:${port}`) },
    nodes,
    primaries: async () => {
      const roles = await Promise.all(nodes.map(async node => await roleOf(node)))
      return nodes.filter((_, index) => roles[index] === 'master')
    },
    slotOf: async key => Number(await (await cluster.primaries())[0]!.command('CLUSTER', 'KEYSLOT', key)),
    async primaryOf (key) {
      const slot = await cluster.slotOf(key)
      const [witness] = await cluster.primaries()
      const ranges = await witness!.command('CLUSTER', 'SLOTS') as Array<[number, number, [string, number]]>
      const [, , [, port]] = ranges.find(([from, to]) => from <= slot && slot <= to)!
      return nodes.find(node => node.port === port)!
    },
    moveSlot: async (slot, to, between = async () => {}) => { await moveSlot(cluster, slot, to, between) }
  }
  // A test starts only when the replicas have synchronized with their primaries.
  for (const primary of await cluster.primaries()) await until(async () => /slave0:.*state=online/.test(String(await primary.command('INFO', 'replication'))))
  return cluster
}

/** Moves a slot as `redis-cli --cluster reshard` does, but step by step. */
async function moveSlot (cluster: RedisCluster, slot: number, to: RedisNode, between: () => Promise<void>): Promise<void> {
  const ranges = await to.command('CLUSTER', 'SLOTS') as Array<[number, number, [string, number, string]]>
  const [, , [, fromPort, fromId]] = ranges.find(([first, last]) => first <= slot && slot <= last)!
  const from = cluster.nodes.find(node => node.port === fromPort)!
  const toId = String(await to.command('CLUSTER', 'MYID'))
  await to.command('CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', fromId)
  await from.command('CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', toId)
  const keys = await from.command('CLUSTER', 'GETKEYSINSLOT', String(slot), '10000') as string[]
  for (const [index, key] of keys.entries()) {
    if (index === Math.floor(keys.length / 2)) await between()
    await from.command('MIGRATE', '127.0.0.1', String(to.port), key, '0', '1000')
  }
  for (const node of [to, ...await cluster.primaries()]) await node.command('CLUSTER', 'SETSLOT', String(slot), 'NODE', toId)
}

export interface RedisSentinels {
  target: Extract<RedisTarget, { name: string }>
  /** The two servers with data. */
  nodes: RedisNode[]
  sentinels: RedisNode[]
  /** Resolves to the server that the sentinels consider the primary. */
  primary (): Promise<RedisNode>
  replica (): Promise<RedisNode>
}

/** Starts a primary, a replica and three sentinels on loopback, for one test. */
export async function startSentinels (t: Test, args: string[] = []): Promise<RedisSentinels> {
  const folder = await tempFolder(t)
  const [first = 0, second = 0, ...ports] = await freePorts(5)
  const start = async (port: number, more: string[] = []): Promise<RedisNode> => await startNode(t, 'redis-server', ['--port', String(port), ...nothingOnDisk(folder), ...args, ...more], port)
  const nodes = [await start(first), await start(second, ['--replicaof', '127.0.0.1', String(first)])]
  const sentinels = await Promise.all(ports.map(async port => {
    const file = join(folder, `sentinel-${port}.conf`)
    await writeFile(file, [
      `port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, `sentinel monitor portcullis 127.0.0.1 ${first} 2`,
      `sentinel down-after-milliseconds portcullis ${nodeTimeoutMs}`, 'sentinel failover-timeout portcullis 3000'
    ].join('\n'))
    return await startNode(t, 'redis-server', [file, '--sentinel'], port)
  }))
  const primaryPort = async (): Promise<number> => {
    const answers = await Promise.all(sentinels.map(async sentinel => await sentinel.command('SENTINEL', 'get-master-addr-by-name', 'portcullis').catch(() => null) as [string, string] | null))
    return Number(answers.find(answer => answer !== null)?.[1])
  }
  for (const sentinel of sentinels) await until(async () => /slaves=1,sentinels=3/.test(String(await sentinel.command('INFO', 'sentinel'))))
  return {
    target: { sentinels: ports.map(port => `redis://127.0.0.1:${port}`), name: 'portcullis' },
    nodes,
    sentinels,
    primary: async () => await bySentinels(nodes, primaryPort, true),
    replica: async () => await bySentinels(nodes, primaryPort, false)
  }
}

async function bySentinels (nodes: RedisNode[], primaryPort: () => Promise<number>, isPrimary: boolean): Promise<RedisNode> {
  const port = await primaryPort()
  return nodes.find(node => (node.port === port) === isPrimary)!
}

/** Creates a client as the gateway does, which ends with the test. */
export function connectTo (t: Test, target: RedisTarget): RedisClient {
  const redis = createRedisClient(target)
  redis.on('error', () => {})
  t.teardown(() => { redis.disconnect() })
  return redis
}

async function startNode (t: Test, program: string, args: string[], port: number): Promise<RedisNode> {
  const child = spawn(program, args, { stdio: 'ignore' })
  child.on('error', () => {})
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const hasEnded = (): boolean => child.exitCode !== null || child.pid === undefined
  await until(async () => hasEnded() || await accepts(port))
  if (hasEnded()) throw new Error(redisMissing)
  const client = new Redis({ host: '127.0.0.1', port, lazyConnect: true, maxRetriesPerRequest: 1, enableReadyCheck: false, commandTimeout: 5000 })
  client.on('error', () => {})
  t.teardown(() => { client.disconnect() })
  return {
    port,
    command: async (word = '', ...words) => await client.call(word, ...words),
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
    pause: () => { child.kill('SIGSTOP') },
    resume: () => { child.kill('SIGCONT') }
  }
}

async function roleOf (node: RedisNode): Promise<string> {
  const role = await node.command('ROLE').catch(() => ['away']) as [string]
  return role[0]
}

function nothingOnDisk (folder: string): string[] {
  return ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder, '--repl-diskless-sync-delay', '0']
}

async function tempFolder (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-redis-'))
  t.teardown(async () => { await rm(folder, { recursive: true, force: true }) })
  return folder
}

/** Finds ports that are free, and whose numbers plus ten thousand are free too, because nodes of a Cluster use those among themselves. */
async function freePorts (count: number): Promise<number[]> {
  const ports = new Set<number>()
  for (let attempt = 0; attempt < 1000 && ports.size < count; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    if (!ports.has(port) && await isFree(port) && await isFree(port + 10_000)) ports.add(port)
  }
  return [...ports]
}

async function isFree (port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
    return (server.address() as AddressInfo).port === port
  } catch {
    return false
  } finally {
    server.close()
  }
}

export async function until (isTrue: () => Promise<boolean>, atMostMs = patienceMs): Promise<void> {
  for (const startedAtMs = performance.now(); !await isTrue().catch(() => false); await sleep(25)) {
    if (performance.now() - startedAtMs > atMostMs) throw new Error(`not within ${atMostMs} ms`)
  }
}

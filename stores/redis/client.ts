import { Cluster, Redis } from 'ioredis'
import { parseAddresses, redisOptions, retryStrategy, type RedisClientOptions, type RedisTarget } from './options.ts'

/** What the store talks to: one server, the primary that sentinels name, or a Cluster. */
export type RedisClient = Redis | Cluster

/** Slots are looked up anew this often: a failover that nobody is told of is found within that time. */
const refreshSlotsMs = 1000

/** A client as the store needs it; it is connecting when this returns. Throws ConfigInvalidError for addresses that are none. */
export function createRedisClient (target: RedisTarget): RedisClient {
  if (typeof target === 'string' || !('cluster' in target)) return new Redis(redisOptions(target))
  const options = redisOptions(target)
  const nodes = parseAddresses(target).map(({ host, port }) => ({ host, port: port ?? 6379 }))
  const cluster = refreshSlots(new Cluster(nodes, clusterOptions(options)))
  connectFirstNode.set(cluster, () => new Redis({ ...options, ...nodes[0], lazyConnect: true, retryStrategy: () => null }))
  return cluster
}

const connectFirstNode = new WeakMap<Cluster, () => Redis>()

/** Why the first node of a Cluster cannot be connected to, which the Cluster does not tell; null when it can. */
export async function failureOfFirstNode (cluster: Cluster): Promise<Error | null> {
  const node = connectFirstNode.get(cluster)?.()
  if (node === undefined) return null
  let failure: Error | null = null
  node.on('error', (error: Error) => { failure ??= error })
  await node.connect().catch((error: Error) => { failure ??= error })
  node.disconnect()
  return failure
}

export function isCluster (redis: RedisClient): redis is Cluster {
  return redis.isCluster
}

/** The connections to the servers that hold data: of a Cluster, to each of its primaries. */
export function primariesOf (redis: RedisClient): Redis[] {
  return isCluster(redis) ? redis.nodes('master') : [redis]
}

/** A second client of the same kind, for commands that block; `socketTimeout`: how long it may be silent. */
export function duplicateForBlocking (redis: RedisClient, socketTimeoutMs: number): RedisClient {
  const redisOptions = { socketTimeout: socketTimeoutMs }
  return isCluster(redis) ? refreshSlots(redis.duplicate([], { redisOptions })) : redis.duplicate({ ...redisOptions, lazyConnect: false })
}

/**
 * Looks the slots up while the client is ready. The client's own `slotsRefreshInterval` never stops when the client ends in the middle of
 * a look-up, and then the process does not end.
 */
function refreshSlots (cluster: Cluster): Cluster {
  let looking: NodeJS.Timeout | undefined
  cluster.on('ready', () => {
    clearInterval(looking)
    looking = setInterval(() => { if (cluster.status === 'ready') cluster.refreshSlotsCache() }, refreshSlotsMs).unref()
  })
  cluster.on('close', () => { clearInterval(looking) })
  return cluster
}

function keepName (host: string, callback: (error: null, address: string) => void): void {
  callback(null, host)
}

function clusterOptions (redisOptions: RedisClientOptions) {
  return {
    // A node is connected to when it is needed, and the Cluster says itself when it is ready.
    redisOptions: { ...redisOptions, lazyConnect: true },
    clusterRetryStrategy: retryStrategy,
    // A name that was looked up before the connection would be lost to the check of the certificate.
    ...redisOptions.tls === undefined ? {} : { dnsLookup: keepName },
    enableOfflineQueue: false,
    enableReadyCheck: true,
    // What is read decides who may pass: never from a replica.
    scaleReads: 'master' as const,
    slotsRefreshInterval: 0,
    slotsRefreshTimeout: 1000,
    // Zero: a command whose connection was lost may have been executed, and is never sent again; whoever asked is told at once.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    // Not executed, because its keys are on their way from one node to another.
    retryDelayOnTryAgain: 20
  }
}

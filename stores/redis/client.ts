import { Cluster, Redis } from 'ioredis'
import { parseAddresses, redisOptions, retryStrategy, type RedisClientOptions, type RedisTarget } from './options.ts'

/** The client of the store: for one server, the primary that sentinels name, or a Cluster. */
export type RedisClient = Redis | Cluster

/** The interval of slot look-ups in milliseconds; a failover without a notification is detected within it. */
const refreshSlotsMs = 1000

/** Creates a client for the store, which is connecting when this returns. Throws ConfigInvalidError for invalid addresses. */
export function createRedisClient (target: RedisTarget): RedisClient {
  if (typeof target === 'string' || !('cluster' in target)) return withQuietCheck(new Redis(redisOptions(target)))
  const options = redisOptions(target)
  const nodes = parseAddresses(target).map(({ host, port }) => ({ host, port: port ?? 6379 }))
  const cluster = refreshSlots(new Cluster(nodes, clusterOptions(options)))
  connectFirstNode.set(cluster, () => new Redis({ ...options, ...nodes[0], lazyConnect: true, retryStrategy: () => null }))
  return cluster
}

/** The command INFO, as the client calls it itself (with a callback alone), and as the store does (with the names of sections). */
type Info = (...args: Array<string | ((error: Error | null, reply?: string) => void)>) => Promise<string>

const connectFirstNode = new WeakMap<Cluster, () => Redis>()

/** Resolves to the reason why the first node of a Cluster cannot be reached, which the Cluster does not report; null when it can. */
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

/** Returns the connections to the servers that hold data: for a Cluster, one to each primary. */
export function primariesOf (redis: RedisClient): Redis[] {
  return isCluster(redis) ? redis.nodes('master') : [redis]
}

/** Creates a second client of the same kind, for commands that block. `socketTimeoutMs`: the longest silence of the server. */
export function duplicateForBlocking (redis: RedisClient, socketTimeoutMs: number): RedisClient {
  const redisOptions = { socketTimeout: socketTimeoutMs }
  return isCluster(redis) ? refreshSlots(redis.duplicate([], { redisOptions })) : withQuietCheck(redis.duplicate({ ...redisOptions, lazyConnect: false }))
}

/**
 * Refreshes the slots while the client is ready. The client's own `slotsRefreshInterval` never stops when the client ends during a
 * look-up, and then the process does not end.
 */
function refreshSlots (cluster: Cluster): Cluster {
  cluster.on('+node', withQuietCheck)
  let looking: NodeJS.Timeout | undefined
  cluster.on('ready', () => {
    clearInterval(looking)
    looking = setInterval(() => { if (cluster.status === 'ready') cluster.refreshSlotsCache() }, refreshSlotsMs).unref()
  })
  cluster.on('close', () => { clearInterval(looking) })
  return cluster
}

/**
 * Lets the check with which the client begins each connection (INFO) pass if the user may not run it, as the client does itself, but without
 * the client's line on standard error. The store warns of it (`assertNoEviction`).
 */
function withQuietCheck (connection: Redis): Redis {
  const info = connection.info.bind(connection) as Info
  const quietly: Info = async (...args) => {
    const [callback] = args
    if (typeof callback !== 'function') return await info(...args)
    return await info((error, reply) => { if (error?.message.includes('NOPERM') === true) callback(null, ''); else callback(error, reply) })
  }
  return Object.assign(connection, { info: quietly })
}

function keepName (host: string, callback: (error: null, address: string) => void): void {
  callback(null, host)
}

function clusterOptions (redisOptions: RedisClientOptions) {
  return {
    // Nodes connect on demand, and the Cluster reports itself when it is ready.
    redisOptions: { ...redisOptions, lazyConnect: true },
    clusterRetryStrategy: retryStrategy,
    // The name is not resolved here, because the check of the certificate needs it.
    ...redisOptions.tls === undefined ? {} : { dnsLookup: keepName },
    enableOfflineQueue: false,
    enableReadyCheck: true,
    // Reads decide about access, so they never go to a replica.
    scaleReads: 'master' as const,
    slotsRefreshInterval: 0,
    slotsRefreshTimeout: 1000,
    // The delays are zero so that these commands fail at once: a command whose connection was lost may have been executed, and is
    // never sent again.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    // The command was not executed, because its keys are migrating between nodes, so it can be retried.
    retryDelayOnTryAgain: 20
  }
}

import { resolve } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Redis } from 'ioredis'
import { isLoopback } from '../../lib/proxy/service-address.ts'
import type { Decoded } from '../../lib/settings/decode.ts'
import { loadPackages } from '../../lib/load-packages.ts'
import { storePluginName, type StoreConfig, type StoreDriver } from '../driver.ts'
import { forOthers, warnOfReaders } from '../files/readers.ts'
import { findTlsProblems } from '../../lib/settings/client-tls.ts'
import { readClientTlsFiles, type ClientTlsPaths } from '../files/tls-files.ts'
import { redisAcl } from './acl.ts'
import { addressesOf, findRedisProblems } from './addresses.ts'
import type { RedisTarget } from './options.ts'
import { checkRedisOptions, type RedisPluginOptions } from './plugin-options.ts'
import { settings } from './settings.ts'

const user = `${storePluginName} with type redis`
const packages = ['ioredis', '@fastify/redis', '@fastify/rate-limit']

type RedisSettings = Decoded<typeof settings>

export interface RedisConfig extends StoreConfig, Pick<RedisSettings, 'keyPrefix' | 'tls'> {
  type: 'redis'
  target: Exclude<RedisTarget, string>
}

/** Redis, for processes on any number of machines. */
export const redis: StoreDriver<typeof settings, RedisConfig, RedisPluginOptions> = {
  type: 'redis',
  settings,
  sealedElsewhere: 'store.keyPrefix: the signing keys that are there were sealed with another secret: another deployment uses this Redis: set store.keyPrefix, so that each has its own. If it is this very deployment, secret: give the other one too, after the new one',
  findProblems: store => [...findRedisProblems(store), ...findTlsProblems(store.tls)],
  resolve: (store, directory) => ({ type: 'redis', target: targetOf(store), keyPrefix: store.keyPrefix, tls: resolveTls(store.tls, directory), timeoutMs: store.timeoutMs }),
  describe: config => [
    ['store', describeServers(config)],
    ['redis user', `needs ${redisAcl(config.keyPrefix)}`],
    ['eviction', 'must be off (maxmemory-policy noeviction): asked at start, by INFO, and not here']
  ],
  lint: config => urlsOf(config).some(crossesInTheClear) ? ['store: is redis:// on another machine, so sessions cross the network in the clear; write rediss:// if it can, else see that nobody else is on that network'] : [],
  async checkFiles ({ tls }) {
    if (tls === null) return []
    const { warnings } = await readClientTlsFiles('store.tls', tls)
    return [...warnings, ...tls.key === null ? [] : await warnOfReaders('store.tls.key', tls.key, forOthers)]
  },
  refuseSharing: () => null,
  async readOptions ({ target, keyPrefix, tls, timeoutMs }) {
    if (tls === null) return { type: 'redis', ...target, keyPrefix, timeout: timeoutMs }
    const { warnings: _, ...files } = await readClientTlsFiles('store.tls', tls)
    return { type: 'redis', ...target, tls: files, keyPrefix, timeout: timeoutMs }
  },
  async open (options, hooks = {}) {
    const { target, ...rest } = checkRedisOptions(options)
    // Loaded here, so that gateways on other stores, and commands that open none, do not load the client.
    const { createRedisClient, createRedisStore } = await loadPackages(user, packages, async () => await import('../redis.ts'))
    const client = createRedisClient(target)
    const store = await createRedisStore({ redis: client, closeClient: true, ...rest, ...hooks })
    return {
      store,
      expose: async fastify => { await exposeClient(fastify, client as Redis) },
      async createCounts (fastify, timeoutMs) {
        const { RedisCounts } = await loadPackages(user, packages, async () => await import('./counts.ts'))
        return await RedisCounts.create(fastify, { client, keyPrefix: rest.keyPrefix }, timeoutMs)
      }
    }
  }
}

function targetOf ({ url, cluster, sentinels, name, username, password, database }: RedisSettings): Exclude<RedisTarget, string> {
  const login = { ...username === null ? {} : { username }, ...password === null ? {} : { password }, ...database === null ? {} : { database } }
  if (url !== null) return { url, ...login }
  return cluster === null ? { sentinels: sentinels ?? [], name: name ?? '', ...login } : { cluster, ...login }
}

function resolveTls (tls: RedisSettings['tls'], directory: string): ClientTlsPaths | null {
  const file = (path: string | null): string | null => path === null ? null : resolve(directory, path)
  return tls === null ? null : { ca: file(tls.ca), cert: file(tls.cert), key: file(tls.key) }
}

/** The hosts, database and keys, without users and passwords. */
function describeServers (config: RedisConfig): string {
  const { keyPrefix, target: { database = 0 } } = config
  return `redis ${urlsOf(config).map(({ host }) => host).join(' ')}${database === 0 ? '' : `, database ${database}`}, keys ${keyPrefix}*`
}

/** The addresses, which may contain users and passwords. */
function urlsOf ({ target }: RedisConfig): URL[] {
  return addressesOf(target).texts.map(address => new URL(address))
}

function crossesInTheClear ({ protocol, hostname }: URL): boolean {
  return protocol === 'redis:' && !isLoopback(hostname)
}

/** Registers a client that is connected: with one that is still connecting, @fastify/redis waits without limit and without a message. */
async function exposeClient (fastify: FastifyInstance, client: Redis): Promise<void> {
  if ((fastify as { redis?: { portcullis?: Redis } }).redis?.portcullis !== undefined) return
  const { default: fastifyRedis } = await loadPackages(user, packages, async () => await import('@fastify/redis'))
  await fastify.register(fastifyRedis, { client, namespace: 'portcullis' })
}

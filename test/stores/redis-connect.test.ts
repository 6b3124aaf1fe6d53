import { once } from 'node:events'
import { inspect } from 'node:util'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { createRedisStore, redisOptions, type RedisStoreOptions } from '../../stores/redis.ts'
import { connectRedis, startRedis } from '../helpers/redis-server.ts'

const password = 'correct-horse'
const invalid = (message: RegExp): { code: string, message: RegExp } => ({ code: 'PTC_ERR_CONFIG_INVALID', message })

async function refusal (t: Test, redis: Redis, options: Partial<RedisStoreOptions> = {}): Promise<Error> {
  const error = await createRedisStore({ redis, ...options }).then(store => store.end(), (error: unknown) => error)
  if (!(error instanceof Error)) throw new Error('the store was not refused')
  t.notMatch(inspect(error, { depth: 9 }), new RegExp(password), 'the error does not hold the password')
  return error
}

t.test('a client that is still connecting is waited for', async t => {
  const redis = connectRedis(t, await startRedis(t))

  const store = await createRedisStore({ redis })
  t.teardown(() => store.end())

  t.equal(store.type, 'redis')
  t.ok(Math.abs(store.nowMs() - Date.now()) < 1000)
})

t.test('a server that evicts data is refused, and the error names the cure', async t => {
  const redis = connectRedis(t, await startRedis(t, ['--maxmemory-policy', 'volatile-lru']))

  t.match(await refusal(t, redis), invalid(/^store\.url: .*CONFIG SET maxmemory-policy noeviction/))
})

t.test('a server without CONFIG is judged by what it says of itself', async t => {
  const evicting = connectRedis(t, await startRedis(t, ['--rename-command', 'CONFIG', '', '--maxmemory-policy', 'allkeys-lru']))
  const keeping = connectRedis(t, await startRedis(t, ['--rename-command', 'CONFIG', '']))

  t.match(await refusal(t, evicting), invalid(/allkeys-lru/))
  const store = await createRedisStore({ redis: keeping })
  t.teardown(() => store.end())
})

t.test('a user who may not ask for the policy may use the store', async t => {
  const server = await startRedis(t, ['--user', 'gateway', 'on', `>${password}`, '~*', '+@all', '-info', '-config'])
  const redis = connectRedis(t, { url: server.url.replace('//', `//gateway:${password}@`) })

  const store = await createRedisStore({ redis })
  t.teardown(() => store.end())
  t.equal(await store.readKeys(), null)
})

t.test('a password that is missing or wrong is refused at once', async t => {
  const server = await startRedis(t, ['--requirepass', password])
  const without = connectRedis(t, server)
  const wrong = connectRedis(t, { url: server.url.replace('//', `//:${password}-not@`) })

  t.match(await refusal(t, without), invalid(/^store\.url: Redis demands a password; add store\.password/))
  t.match(await refusal(t, wrong), invalid(/^store\.url: Redis refuses the user or the password/))

  const store = await createRedisStore({ redis: connectRedis(t, { url: server.url.replace('//', `//:${password}@`) }) })
  t.teardown(() => store.end())
})

t.test('a server that cannot be reached is unavailable, and the cause names the option', async t => {
  const server = await startRedis(t)
  await server.stop()
  const redis = connectRedis(t, { url: server.url.replace('//', `//:${password}@`) })

  const error = await refusal(t, redis, { connectTimeoutMs: 200 })

  t.match(error, { code: 'PTC_ERR_STORE_UNAVAILABLE', cause: { message: /^store\.url: Redis cannot be reached/, cause: { message: /ECONNREFUSED/ } } })
})

t.test('a server that accepts and does not answer is unavailable', async t => {
  const server = await startRedis(t)
  server.pause()

  const error = await refusal(t, connectRedis(t, server), { connectTimeoutMs: 200 })

  t.match(error, { code: 'PTC_ERR_STORE_UNAVAILABLE', cause: { cause: { message: /no answer within 200 ms/ } } })
})

t.test('a client that has been closed is unavailable', async t => {
  const redis = new Redis({ ...redisOptions('redis://127.0.0.1'), lazyConnect: true })
  redis.disconnect()

  t.match(await refusal(t, redis), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
})

t.test('a client that may send a command twice, or renames keys, is refused', async t => {
  const options = { ...redisOptions('redis://127.0.0.1'), lazyConnect: true }

  for (const other of [{ autoResendUnfulfilledCommands: true }, { enableOfflineQueue: true }, { maxRetriesPerRequest: 20 }]) {
    t.match(await refusal(t, new Redis({ ...options, ...other })), invalid(/createRedisClient\(\)/))
  }
  t.match(await refusal(t, new Redis({ ...options, keyPrefix: 'app:' })), invalid(/keyPrefix/))
})

t.test('a prefix or a number of shards that keys cannot be made with is refused', async t => {
  const redis = new Redis({ ...redisOptions('redis://127.0.0.1'), lazyConnect: true })

  t.match(await refusal(t, redis, { keyPrefix: 'my{app}' }), invalid(/keyPrefix/))
  t.match(await refusal(t, redis, { keyPrefix: '' }), invalid(/prefix/i))
  t.match(await refusal(t, redis, { shards: 3 }), invalid(/shards/))
})

t.test('a store that was told to closes its client, also without a connection', async t => {
  const server = await startRedis(t)
  const [first, second, third] = [connectRedis(t, server), connectRedis(t, server), connectRedis(t, server)]
  const [connected, silent, cut] = await Promise.all([first, second, third].map(redis => createRedisStore({ redis, timeoutMs: 200, closeClient: true })))

  await connected?.end()
  t.equal(first.status, 'end')
  await connected?.end()

  server.pause()
  await silent?.end()
  t.equal(await createRedisStore({ redis: second, connectTimeoutMs: 200 }).catch(({ code }: { code: string }) => code), 'PTC_ERR_STORE_UNAVAILABLE')

  await Promise.all([once(third, 'close'), server.stop()])
  await t.resolves(async () => cut?.end())
})

t.test('a URL gives address, credentials, database and encryption', async t => {
  t.match(redisOptions('redis://localhost'), { host: 'localhost', port: 6379, db: 0 })
  t.match(redisOptions('rediss://user:p%40ss@redis.example:6380/2'), { host: 'redis.example', port: 6380, username: 'user', password: 'p@ss', db: 2, tls: {} })
  t.match(redisOptions('redis://[::1]:7000'), { host: '::1', port: 7000 })
  t.notOk('tls' in redisOptions('redis://localhost'))
})

t.test('sentinels give the name of their primary', async t => {
  const options = redisOptions({ sentinels: ['redis://:watch@one:26379', 'redis://two:26379'], name: 'main', password })

  t.match(options, { name: 'main', sentinels: [{ host: 'one', port: 26379 }, { host: 'two', port: 26379 }], sentinelPassword: 'watch', password })
  t.throws(() => redisOptions({ sentinels: [], name: 'main' }), invalid(/store\.sentinels/))
})

for (const url of ['http://localhost', 'localhost:6379', '', 'redis://', `redis://:${password}@localhost/zero`, 'redis://localhost?enableOfflineQueue=true']) {
  t.test(`the URL ${JSON.stringify(url).replace(password, '…')} is refused without being repeated`, async t => {
    t.throws(() => redisOptions(url), invalid(/^store\.url: must/))
    t.throws(() => redisOptions(url), { message: new RegExp(`^((?!${password}).)*$`) })
  })
}

t.test('attempts to connect are at most a second apart, and no two gateways keep step', async t => {
  const { retryStrategy } = redisOptions('redis://localhost')
  const delays = Array.from({ length: 50 }, (_, i) => Number(retryStrategy?.(i + 1)))

  t.ok(delays.every(delay => delay > 0 && delay <= 1000))
  t.ok(new Set(delays.slice(20)).size > 1)
})

t.test('the nodes of a Cluster have one user, one scheme, and no database numbers', async t => {
  const options = redisOptions({ cluster: ['rediss://user:open@one:7000', 'rediss://two:7001'] })
  t.match(options, { username: 'user', password: 'open', tls: {} })
  t.notOk('host' in options || 'port' in options || 'db' in options)

  t.throws(() => redisOptions({ cluster: [] }), invalid(/^store\.cluster must name at least one node/))
  t.throws(() => redisOptions({ cluster: ['redis://one:7000/1'] }), invalid(/^store\.cluster: a Cluster has no database numbers/))
  t.throws(() => redisOptions({ cluster: ['redis://one:7000', 'rediss://two:7001'] }), invalid(/^store\.cluster: either all addresses are rediss/))
})

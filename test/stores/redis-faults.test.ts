import { EventEmitter, once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { StoreUnavailableError } from '../../lib/errors.ts'
import { createRedisStore } from '../../stores/redis.ts'
import type { Store } from '../../stores/store.ts'
import { patienceMs, settlesWithin } from '../helpers/patience.ts'
import { connectAdmin, connectRedis, startRedis, type RedisServer } from '../helpers/redis-server.ts'
import { rotating, session, tokens as tokensMode } from '../../stores/contract/fixtures.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

const timeoutMs = 300
const tokens = session(tokensMode)

async function createStore (t: Test, server: { url: string }): Promise<Store> {
  const store = await createRedisStore({ redis: connectRedis(t, server), timeoutMs })
  t.teardown(() => store.end())
  return store
}

/** Until the store answers again: it must, without any help. */
async function recovery (store: Store): Promise<void> {
  for (const started = performance.now(); performance.now() - started < patienceMs; await sleep(20)) {
    if (await store.isGood({ issuer: null, jti: null, sid: null, subject: null, epoch: null }).catch(() => false)) return
  }
  throw new Error(`the store has not recovered within ${patienceMs} ms`)
}

async function assertUnavailable (t: Test, operation: () => Promise<unknown>): Promise<void> {
  const rejected = operation().then(() => null, (error: unknown) => error)
  t.ok(await settlesWithin(timeoutMs + 200, rejected), 'it rejects within the deadline')

  const error = await rejected
  t.ok(error instanceof StoreUnavailableError)
  t.ok(error instanceof Error && error.cause instanceof Error)
}

t.test('a store that is killed is unavailable within the deadline, and back when the server is', async t => {
  const server = await startRedis(t)
  const store = await createStore(t, server)
  const { record } = await store.open(tokens)

  await server.stop()
  for (let count = 0; count < 3; count++) await assertUnavailable(t, () => store.read(record.sid))
  await assertUnavailable(t, () => store.close(record.sid, { maxTokenAgeMs: 1000 }))
  await assertUnavailable(t, () => store.pull('0-0'))
  await assertUnavailable(t, () => takeSnapshot(store))

  await server.start()
  await recovery(store)
  t.equal(await store.read(record.sid), null)
  t.ok((await store.open(tokens)).record)
})

t.test('a store that does not answer is unavailable within the deadline, and back when it does', async t => {
  const server = await startRedis(t)
  const store = await createStore(t, server)
  const { record } = await store.open(tokens)

  server.pause()
  await Promise.all([1, 2, 3].map(() => assertUnavailable(t, () => store.read(record.sid))))

  server.resume()
  await recovery(store)
  t.strictSame(await store.read(record.sid), record)
})

t.test('a store that stays silent is not asked any more, until it answers again', async t => {
  const server = await startRedis(t)
  const store = await createStore(t, server)
  const { record } = await store.open(tokens)

  server.pause()
  await Promise.all([1, 2, 3, 4, 5].map(() => assertUnavailable(t, () => store.read(record.sid))))
  await t.rejects(store.rotate(record.sid, 1, rotating), { code: 'PTC_ERR_STORE_UNAVAILABLE', cause: { message: /last 5 operations were not answered/ } })

  server.resume()
  await recovery(store)
  t.match(await store.rotate(record.sid, 1, rotating), { outcome: 'rotated' }, 'what was refused was not sent')
})

t.test('a connection that has gone silent is replaced', async t => {
  const proxy = await startProxy(t, await startRedis(t))
  const store = await createStore(t, proxy)
  const { record } = await store.open(tokens)

  proxy.silence()
  await assertUnavailable(t, () => store.read(record.sid))

  await recovery(store)
  t.strictSame(await store.read(record.sid), record)
})

t.test('a process that stood still while it waited for an answer gets it, and keeps its connection', async t => {
  const server = await startRedis(t)
  const store = await createStore(t, server)
  const { record } = await store.open(tokens)
  const admin = await connectAdmin(t, server)
  const before = await admin.info('stats')

  const answer = store.read(record.sid)
  for (const startedMs = performance.now(); performance.now() - startedMs < 2500;) continue

  t.strictSame(await answer, record)
  const accepted = (info: string) => /total_connections_received:(\d+)/.exec(info)?.[1]
  t.equal(accepted(await admin.info('stats')), accepted(before))
})

t.test('a server that has forgotten the scripts is given them again', async t => {
  const server = await startRedis(t)
  const store = await createStore(t, server)
  const { record } = await store.open(tokens)

  for (let generation = 1; generation < 4; generation++) {
    await connectAdmin(t, server).then(admin => admin.script('FLUSH'))
    t.equal((await store.rotate(record.sid, generation, rotating)).outcome, 'rotated')
  }
})

t.test('a rotation whose reply is lost is not sent again, and the client’s retry is repeated', async t => {
  const server = await startRedis(t)
  const proxy = await startProxy(t, server)
  const store = await createStore(t, proxy)
  const { record } = await store.open(tokens)
  await store.rotate(record.sid, 1, rotating)
  const admin = await connectAdmin(t, server)
  const before = await scriptCalls(admin)

  proxy.cutAtNextReply()
  await assertUnavailable(t, () => store.rotate(record.sid, 2, rotating))
  await sleep(timeoutMs)
  t.equal(await scriptCalls(admin), before + 1)

  await recovery(store)
  const retry = await store.rotate(record.sid, 2, rotating)
  t.match(retry, { outcome: 'repeated', record: { family: { generation: 3 } } })
})

t.test('when memory has run out sessions are still ended and tokens revoked, and nobody signs in', async t => {
  const server = await startRedis(t)
  const store = await createStore(t, server)
  const { record } = await store.open(tokens)
  const other = await store.open({ ...tokens, subject: 'bob' })
  const admin = await connectAdmin(t, server)
  await admin.config('SET', 'maxmemory', '1')
  await t.rejects(admin.set('key', 'value'), /OOM/)
  const { position } = await takeSnapshot(store)

  await assertUnavailable(t, () => store.open(tokens))
  t.ok(await store.close(record.sid, { maxTokenAgeMs: 60_000 }))
  t.ok(await store.revokeSubject('bob', { exceptSid: null, keepForMs: 60_000 }))
  await store.revokeToken({ issuer: 'i', jti: 'j', expiresAtMs: store.nowMs() + 60_000 })

  t.equal(await store.read(record.sid), null)
  t.equal(await store.read(other.record.sid), null)
  const { entries } = await store.pull(position)
  t.strictSame(entries.map(({ kind }) => kind), ['sid', 'subject', 'jti'])
})

t.test('a demoted primary answers nothing, and is the truth again when promoted', async t => {
  const server = await startRedis(t)
  const store = await createStore(t, server)
  const { record } = await store.open(tokens)
  const { position } = await takeSnapshot(store)
  const admin = await connectAdmin(t, server)

  await admin.replicaof('127.0.0.1', 1)
  await assertUnavailable(t, () => store.pull(position))
  await assertUnavailable(t, () => store.read(record.sid))
  await assertUnavailable(t, () => store.isGood({ issuer: null, jti: null, sid: record.sid, subject: null, epoch: null }))

  await admin.replicaof('NO', 'ONE')
  await recovery(store)
  t.strictSame(await store.read(record.sid), record)
})

t.test('an evicting policy that is set while the gateway runs is noticed', async t => {
  const server = await startRedis(t)
  const store = await createStore(t, server)
  const { position } = await takeSnapshot(store)
  const admin = await connectAdmin(t, server)
  await admin.config('SET', 'maxmemory-policy', 'allkeys-lru')

  const { now } = performance
  t.teardown(() => { performance.now = now })
  performance.now = () => now.call(performance) + 20_001
  await t.rejects(store.pull(position), { code: 'PTC_ERR_STORE_UNAVAILABLE', cause: { message: /allkeys-lru/ } })

  await admin.config('SET', 'maxmemory-policy', 'noeviction')
  t.equal((await store.pull(position)).gap, false)
})

t.test('a listener hears of growth after the server has been away', async t => {
  const server = await startRedis(t)
  const store = await createStore(t, server)
  const writer = await createStore(t, server)
  const growth = new EventEmitter()
  t.teardown(store.onGrowth(() => growth.emit('call')))

  await once(growth, 'call')
  await server.stop()
  // Either it is back before the write and hears of it, or it comes back later and is told to look.
  const heard = once(growth, 'call')
  await server.start()
  await recovery(writer)
  await writer.close('AAAAAAAAAAAAAAAAAAAAAA', { maxTokenAgeMs: 1000 })

  await t.resolves(heard)
})

async function scriptCalls (admin: ReturnType<typeof connectRedis>): Promise<number> {
  const stats = await admin.info('commandstats')
  return [...stats.matchAll(/^cmdstat_eval(?:sha)?:calls=(\d+)/gm)].reduce((sum, [, calls]) => sum + Number(calls), 0)
}

interface Proxy {
  url: string
  /** The next reply is dropped, and its connection with it. */
  cutAtNextReply (): void
  /** The connections of now carry nothing any more, and nobody is told. */
  silence (): void
}

async function startProxy (t: Test, { port }: RedisServer): Promise<Proxy> {
  const pairs = new Set<[client: Socket, server: Socket]>()
  let isCutting = false
  const proxy = createServer(client => {
    const server = connect(port, '127.0.0.1')
    pairs.add([client, server])
    client.on('error', () => {}).on('close', () => server.destroy())
    server.on('error', () => {}).on('close', () => client.destroy())
    client.pipe(server)
    server.on('data', data => {
      if (isCutting) client.resetAndDestroy()
      else client.write(data)
      isCutting = false
    })
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.teardown(() => {
    proxy.close()
    for (const pair of pairs) for (const socket of pair) socket.destroy()
  })
  return {
    url: `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    cutAtNextReply: () => { isCutting = true },
    silence: () => { for (const [client, server] of pairs) client.unpipe(server).resume() }
  }
}

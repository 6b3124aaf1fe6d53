import t, { type Test } from 'tap'
import { createRedisStore } from '../../stores/redis.ts'
import type { Store } from '../../stores/store.ts'
import { connectTo, startSentinels, until, type RedisSentinels } from '../helpers/redis-topology.ts'
import { rotating, session, tokens as tokensMode } from '../../stores/contract/fixtures.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

/*
 * The primary is whom the sentinels name, at every moment: the store finds the next one by itself, and never believes an old one.
 */

const tokens = session(tokensMode)

async function createStore (t: Test, { target }: RedisSentinels): Promise<Store> {
  const store = await createRedisStore({ redis: connectTo(t, target) })
  t.teardown(() => store.end())
  return store
}

t.test('after the primary has died the store goes on with the one that the sentinels choose', async t => {
  const sentinels = await startSentinels(t)
  const store = await createStore(t, sentinels)
  const { record } = await store.open(tokens)
  const ended = await store.open({ ...tokens, subject: 'bob' })
  await store.rotate(record.sid, 1, rotating)
  await store.close(ended.record.sid, { maxTokenAgeMs: 900_000 })
  const { position } = await takeSnapshot(store)
  const primary = await sentinels.primary()
  await primary.command('WAIT', '1', '5000')

  await primary.kill()
  await t.rejects(store.rotate(record.sid, 2, rotating), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
  await until(async () => !(await store.pull(position)).gap)

  // Another sentinel may hear of the choice a moment after the one that the store has asked.
  await until(async () => await sentinels.primary() !== primary)
  t.match(await store.rotate(record.sid, 2, rotating), { outcome: 'rotated', record: { family: { generation: 3 } } })
  t.equal(await store.read(ended.record.sid), null)
})

t.test('a primary that was demoted while it hung is not believed when it wakes up', async t => {
  const sentinels = await startSentinels(t)
  const store = await createStore(t, sentinels)
  const { record } = await store.open(tokens)
  const primary = await sentinels.primary()
  const replica = await sentinels.replica()
  await primary.command('WAIT', '1', '5000')

  primary.pause()
  await until(async () => await sentinels.primary() === replica)
  const other = await createStore(t, sentinels)
  await other.close(record.sid, { maxTokenAgeMs: 900_000 })
  primary.resume()

  // Until it is told that it is a replica now it answers as before; the gateway asks through a connection that the silence has ended.
  await until(async () => await store.read(record.sid) === null)
  for (let asked = 0; asked < 50; asked++) t.equal(await store.read(record.sid).catch(() => null), null)
})

t.test('a name that no sentinel knows is refused, and the error names the setting and where the right name is', async t => {
  const { target, nodes: [server], sentinels } = await startSentinels(t)
  const failureOf = async (other: Partial<typeof target>): Promise<unknown> => await createRedisStore({ redis: connectTo(t, { ...target, ...other }) }).catch((error: unknown) => error)
  const nameless = { code: 'PTC_ERR_CONFIG_INVALID', message: 'store.name: the sentinels know no primary of that name; write the name that they have in "sentinel monitor"' }

  t.match(await failureOf({ name: 'main' }), nameless)
  t.match(await failureOf({ name: 'Portcullis' }), nameless, 'names differ by case')
  t.match(await failureOf({ sentinels: [`redis://127.0.0.1:${server!.port}`] }), { code: 'PTC_ERR_CONFIG_INVALID', message: /^store\.sentinels: is no Sentinel; write/ })

  for (const place of [2, 0]) {
    await sentinels[place]!.kill()
    t.match(await failureOf({ name: 'main' }), nameless, 'some of them are away')
  }
  await sentinels[1]!.kill()
  t.match(await failureOf({ name: 'main' }), { code: 'PTC_ERR_STORE_UNAVAILABLE', cause: { message: /^store\.sentinels: Redis cannot be reached: none of the sentinels can be connected to/ } })
})

t.test('a sentinel that does not know the name is passed over while another one does', async t => {
  const { target, sentinels: [first] } = await startSentinels(t)
  await first!.command('SENTINEL', 'REMOVE', 'portcullis')

  const store = await createRedisStore({ redis: connectTo(t, target) })
  t.teardown(() => store.end())
  t.equal(store.type, 'redis')
})

import type { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { logOut, openAt, providerSession, stepUp, tryOpen } from '../../stores/contract/provider-fixtures.ts'
import { createRedisStore } from '../../stores/redis.ts'
import type { Store } from '../../stores/store.ts'
import { connectRedis, startRedis } from '../helpers/redis-server.ts'

/*
 * A session and the logout of its provider are in two shards, so a sign-in and a logout have two steps each. Here one of them happens
 * as a whole between the two steps of the other.
 */

const server = await startRedis(t)
let fixtures = 0

interface Stepped {
  /** Runs `work` before the first script of this store whose keys contain all of these texts. */
  before: (texts: string[], work: () => Promise<unknown>) => void
  stepped: Store
  other: Store
}

async function create (t: Test): Promise<Stepped> {
  const keyPrefix = `order-${++fixtures}:`
  const open = async (redis: Redis): Promise<Store> => {
    const store = await createRedisStore({ redis, keyPrefix, shards: 16, timeoutMs: 5000 })
    t.teardown(() => store.end())
    return store
  }
  const redis = connectRedis(t, server)
  const send = redis.sendCommand.bind(redis)
  let waiting: { texts: string[], work: () => Promise<unknown> } | null = null
  redis.sendCommand = (command, stream) => {
    const keys = command.args.map(String).join(' ')
    if (waiting === null || !waiting.texts.every(text => keys.includes(text))) return send(command, stream)
    const { work } = waiting
    waiting = null
    work().then(() => { void send(command, stream) }, (error: Error) => { command.reject(error) })
    return command.promise
  }
  return { before: (texts, work) => { waiting = { texts, work } }, stepped: await open(redis), other: await open(connectRedis(t, server)) }
}

const lookForLogout = [':token:', ':beat']
const endSessions = [':provider:']

t.test('a logout between the two steps of a sign-in finds its session, and the sign-in is refused', async t => {
  const { stepped, other, before } = await create(t)
  const ended: unknown[] = []
  before(lookForLogout, async () => { ended.push(await logOut(other, { sid: 'sso-1' })) })

  t.match(await tryOpen(stepped), { outcome: 'logged-out', record: null })

  t.match(ended, [{ outcome: 'ended', sessions: 1 }])
  t.strictSame(await other.list('corp|alice'), [])
})

t.test('a logout between the two steps of a step-up finds its session, and the step-up is refused', async t => {
  const { stepped, other, before } = await create(t)
  const { sid } = await openAt(stepped)
  const ended: unknown[] = []
  before(lookForLogout, async () => { ended.push(await logOut(other, { sid: 'sso-2' })) })

  t.match(await stepUp(stepped, sid, { provider: providerSession({ sid: 'sso-2' }) }), { outcome: 'logged-out', record: null })

  t.match(ended, [{ outcome: 'ended', sessions: 1 }])
  t.equal(await other.read(sid), null)
})

t.test('a sign-in between the two steps of a logout is refused, and so is a step-up', async t => {
  const { stepped, other, before } = await create(t)
  const { sid } = await openAt(other, { provider: providerSession({ sid: 'sso-0' }) })
  const outcomes: unknown[] = []
  before(endSessions, async () => {
    outcomes.push((await tryOpen(other)).outcome, (await stepUp(other, sid)).outcome)
  })

  t.match(await logOut(stepped, { sid: 'sso-1' }), { outcome: 'ended' })

  t.strictSame(outcomes, ['logged-out', 'logged-out'])
  t.strictSame(await other.list('corp|alice'), [])
})

t.test('a sign-in whose logout cannot be looked for has an unknown outcome, and leaves no session', async t => {
  const { stepped, other, before } = await create(t)
  before(lookForLogout, async () => {
    t.equal((await other.list('corp|alice')).length, 1)
    throw new Error('the connection broke')
  })
  await t.rejects(tryOpen(stepped), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
  t.strictSame(await other.list('corp|alice'), [])
})

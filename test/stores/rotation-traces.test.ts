import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { Authentication, Strength } from '../../lib/session/authentication.ts'
import { receive, rotate, type RotationWindows, type TokenFamily } from '../../lib/session/rotation.ts'
import { createRedisStore } from '../../stores/redis.ts'
import { createSqliteStore } from '../../stores/sqlite.ts'
import type { Store } from '../../stores/store.ts'
import { connectRedis, freezeClock, startRedis } from '../helpers/redis-server.ts'
import { session as sessionOf, tokens } from '../../stores/contract/fixtures.ts'
import { search, type Scenario, type StoreStep } from '../lib/session/rotation-search.ts'

/*
 * Random traces of one token family, replayed on the pure function and on every store: after each step the outcome and the
 * whole state must be equal. The clocks stand still but for the trace, so a trace also hits the very ends of the windows.
 * The same for ways to states that the search of test/lib/session/rotation-search.ts has found, those with a thief and a long past among them.
 */

/** The windows change once in a trace, as by a new configuration. */
interface Trace {
  steps: Array<StoreStep & { fresh?: Strength }>
  windows: [before: RotationWindows, after: RotationWindows]
  changeAt: number
}

const idleTimeoutMs = 100_000
const byPassword: Strength = { acr: '1', amr: ['pwd'] }
const session = sessionOf({ ...tokens, ...byPassword, absoluteTimeoutMs: 1_000_000_000, maxPerSubject: 100_000 })

const windows: fc.Arbitrary<RotationWindows> = fc.record({
  overlapMs: fc.constantFrom(0, 1, 5, 1000, 10_000, 10_000, 10_000),
  retryWindowMs: fc.constantFrom(0, 1, 10, 2000, 1_800_000, 1_800_000, 1_800_000)
})
// Weaker, stronger, of another kind, not to be compared, and more methods than a session keeps.
const fresh: fc.Arbitrary<Strength> = fc.constantFrom<Strength>(
  { acr: '1', amr: ['pwd'] }, { acr: '1', amr: ['pwd'] }, { acr: '1', amr: ['pwd'] },
  { acr: '2', amr: ['pwd', 'otp'] }, { acr: '02', amr: ['otp', 'hwk', 'otp'] }, { acr: '10', amr: [] },
  { acr: 'urn:acr:mfa', amr: ['m"fa', 'ä'] }, { acr: '', amr: ['sms'] }, { acr: '3', amr: Array.from({ length: 20 }, (_, index) => `method-${index}`) }
)
const step: fc.Arbitrary<StoreStep & { fresh: Strength }> = fc.record({
  advanceMs: fc.oneof(
    { weight: 60, arbitrary: fc.constantFrom(0, 1, 2, 5, 6, 10) },
    { weight: 30, arbitrary: fc.constantFrom(999, 1000, 1001, 2000, 2001, 10_000) },
    { weight: 10, arbitrary: fc.constantFrom(-1, -5, -1000, -20_000) },
    { weight: 1, arbitrary: fc.constantFrom(idleTimeoutMs - 1, idleTimeoutMs) }
  ),
  fresh,
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constant('rotate' as const) },
    { weight: 2, arbitrary: fc.constant('receive' as const) },
    { weight: 3, arbitrary: fc.constant('step-up' as const) }
  ),
  distance: fc.oneof(
    { weight: 60, arbitrary: fc.constant(0) },
    { weight: 15, arbitrary: fc.constant(-1) },
    { weight: 3, arbitrary: fc.integer({ min: -9, max: 4 }) }
  )
})
const trace: fc.Arbitrary<Trace> = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 80, size: 'max' }),
  windows: fc.tuple(windows, windows),
  changeAt: fc.integer({ min: 1, max: 80 })
})

const startMs = Date.now()
let clockMs = startMs
// Redis answers one step at a time, as fast as the machine lets it.
async function redisStore (): Promise<Store> {
  const redis = connectRedis(t, await startRedis(t))
  freezeClock(redis, startMs)
  return createRedisStore({ redis, timeoutMs: 5000, clockOffsetMs: () => clockMs - startMs })
}

/** Replays the steps until the family ends. Of the record nothing changes but the family, the authentication and the last use. */
async function replay (store: Store, { steps, windows, changeAt }: Trace, idleTimeoutMs: number): Promise<void> {
  const { record } = await store.open(session)
  let family = record.family as TokenFamily
  let authentication: Authentication = { authTimeMs: record.authTimeMs, acr: record.acr, amr: record.amr }
  let lastUsedAtMs = record.lastUsedAtMs
  for (const [index, { advanceMs, kind, distance, fresh = byPassword }] of steps.entries()) {
    clockMs += advanceMs
    const w = windows[index < changeAt ? 0 : 1]
    const generation = Math.max(1, family.generation + distance)
    if (kind === 'receive') {
      await store.noteReceived(record.sid, generation, w)
      family = receive(family, generation, clockMs, w)
      assert.deepEqual(await store.read(record.sid), { ...record, ...authentication, lastUsedAtMs, family })
      continue
    }
    const isIdle = clockMs - lastUsedAtMs >= idleTimeoutMs
    const withFresh = kind === 'step-up' ? { fresh } : {}
    const expected = isIdle ? { outcome: 'expired', family: null } as const : rotate(family, { generation, authentication, ...withFresh }, clockMs, w)
    const before = { ...record, ...authentication, lastUsedAtMs, family }
    const rotation = await store.rotate(record.sid, generation, { ...w, idleTimeoutMs, maxTokenAgeMs: session.maxTokenAgeMs, ...withFresh })
    if (expected.family === null) {
      assert.deepEqual(rotation, { outcome: expected.outcome, record: before, granted: null, counted: null })
      assert.deepEqual(await store.read(record.sid), isIdle ? before : null)
      return
    }
    family = expected.family
    authentication = expected.authentication
    lastUsedAtMs = Math.max(lastUsedAtMs, clockMs)
    const after = { ...record, ...authentication, lastUsedAtMs, family }
    assert.deepEqual(rotation, { outcome: expected.outcome, record: after, granted: expected.granted, counted: null })
    assert.deepEqual(await store.read(record.sid), after)
  }
  await store.close(record.sid, { maxTokenAgeMs: 1 })
}

const stores: Record<string, () => Promise<Store>> = {
  redis: redisStore,
  sqlite: () => createSqliteStore({ path: ':memory:', now: () => clockMs })
}

const searched: Scenario = { windows: { overlapMs: 2, retryWindowMs: 4 }, idleTimeout: 6, messages: 1, hasThief: true, backlog: 1 }
const searchedTraces = 100
const found = [search({ ...searched, stepsBack: 1 }), search({ ...searched, stepUps: 1 })]

for (const [name, create] of Object.entries(stores)) {
  t.test(`the ${name} store decides every trace of a family as the pure function does`, async t => {
    const store = await create()
    t.teardown(() => store.end())
    const property = fc.asyncProperty(trace, async trace => {
      clockMs = startMs
      await replay(store, trace, idleTimeoutMs)
    })

    await t.resolves(fc.assert(property, { numRuns: 400 }))
  })
}

for (const [name, create] of Object.entries(stores)) {
  t.test(`the ${name} store goes every way that the search has found to a state of a family`, async t => {
    const store = await create()
    t.teardown(() => store.end())

    await t.resolves(replaySearched(store))
  })
}

async function replaySearched (store: Store): Promise<void> {
  for (const { states, traceTo } of found) {
    for (let count = 1; count <= searchedTraces; count++) {
      clockMs = startMs
      const steps = traceTo(Math.floor(states * count / searchedTraces) - 1)
      await replay(store, { steps, windows: [searched.windows, searched.windows], changeAt: 0 }, searched.idleTimeout)
    }
  }
}

import { countRefresh, type RefreshCount } from '../../lib/session/refresh-count.ts'
import type { RotateOptions } from '../store.ts'
import { minute, open, randomNumbers, rotating, tokens, type CreateStore } from './fixtures.ts'
import type { Test } from './test.ts'

const limit = { max: 2, windowMs: 10_000 }
const limited: RotateOptions = { ...rotating, limit }
const strict: RotateOptions = { ...limited, overlapMs: 0, retryWindowMs: 0 }

/** The part of the contract about the `limit` of refreshes. */
export async function countedRefreshes (t: Test, create: CreateStore): Promise<void> {
  t.test('a session has its refreshes in a window, whichever process they come to, and then as many again', async t => {
    const { store, second, advance } = await create(t)
    const other = await second()
    const { sid } = await open(store, tokens)

    t.match(await store.rotate(sid, 1, limited), { outcome: 'rotated', counted: { count: 1, leftMs: 10_000 } })
    advance(1000)
    t.match(await other.rotate(sid, 2, limited), { outcome: 'rotated', counted: { count: 2, leftMs: 9000 } })
    t.match(await store.rotate(sid, 3, limited), { outcome: 'limited', counted: { count: 3, leftMs: 9000 } })
    for (let more = 0; more < 3; more++) t.match(await other.rotate(sid, 3, limited), { outcome: 'limited', counted: { count: 4, leftMs: 9000 } })
    advance(9000)
    t.match(await store.rotate(sid, 3, limited), { outcome: 'rotated', counted: { count: 1, leftMs: 10_000 } })
  })

  t.test('what is over the limit changes nothing and ends nothing, though it were a reuse, and no retry is allowed for', async t => {
    const { store, advance } = await create(t)
    const { sid } = await open(store, tokens)
    await store.rotate(sid, 1, strict)
    const before = (await store.rotate(sid, 2, strict)).record
    advance(1000)

    for (const generation of [1, 2, 3]) t.strictSame((await store.rotate(sid, generation, strict)).record, before)

    t.strictSame(await store.read(sid), before)
    t.match(await store.rotate(sid, 3, rotating), { outcome: 'rotated', counted: null })
  })

  t.test('each session has a budget of its own, and nothing is counted without a limit', async t => {
    const { store } = await create(t)
    const [one, other] = [await open(store, tokens), await open(store, tokens)]
    for (let generation = 1; generation < 5; generation++) t.match(await store.rotate(one.sid, generation, rotating), { outcome: 'rotated', counted: null })

    for (const generation of [5, 6, 7]) await store.rotate(one.sid, generation, limited)

    t.match(await store.rotate(one.sid, 7, limited), { outcome: 'limited' })
    t.match(await store.rotate(other.sid, 1, limited), { outcome: 'rotated', counted: { count: 1 } })
  })

  t.test('what has no session, or an idle one, is not counted; what ends one is', async t => {
    const { store, advance } = await create(t)
    const [reused, idle] = [await open(store, tokens), await open(store, tokens)]
    await store.rotate(reused.sid, 1, strict)

    t.match(await store.rotate(reused.sid, 1, strict), { outcome: 'reused', counted: null })
    t.strictSame(await store.rotate(reused.sid, 1, strict), { outcome: 'unknown', record: null, granted: null, counted: null })
    advance(30 * minute)
    for (let more = 0; more < 4; more++) t.match(await store.rotate(idle.sid, 1, limited), { outcome: 'expired', counted: null })
  })

  t.test('of many at once no more than the limit go through', async t => {
    const { store, second } = await create(t)
    const stores = [store, await second()]
    const { sid } = await open(store, tokens)

    const rotations = await Promise.all(Array.from({ length: 40 }, async (_, index) => await stores[index % 2]!.rotate(sid, 1, limited)))

    t.equal(rotations.filter(({ outcome }) => outcome !== 'limited').length, 2)
    t.equal(rotations.filter(({ counted }) => counted?.count === 3).length, 1, 'one is the first over the limit')
  })

  t.test('the store counts as the pure function does, also when its clock steps back', async t => {
    const { store, advance } = await create(t)
    for (let seed = 1; seed <= 100; seed++) {
      const random = randomNumbers(seed)
      const { sid, createdAtMs } = await open(store, tokens)
      let [nowMs, known] = [createdAtMs, null as RefreshCount | null]
      for (let steps = 1 + random(12); steps > 0; steps--) {
        const advanceMs = random(2) === 0 ? random(3001) : random(30_001) - 15_000
        const limit = { max: 1 + random(3), windowMs: [1000, 5000, 10_000][random(3)]! }
        advance(advanceMs)
        nowMs += advanceMs
        known = countRefresh(known, nowMs, limit)
        // A request with the first generation is a repetition until the client has received its successor.
        const { outcome, counted } = await store.rotate(sid, 1, { ...rotating, limit })
        t.strictSame(counted, { count: known.count, leftMs: known.endsAtMs - nowMs }, `seed ${seed}`)
        t.equal(outcome === 'limited', known.count > limit.max, `seed ${seed}`)
      }
      await store.close(sid, { maxTokenAgeMs: 1 })
    }
  })
}

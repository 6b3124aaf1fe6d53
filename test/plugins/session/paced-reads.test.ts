import t from 'tap'
import { PacedReads } from '../../../plugins/session/paced-reads.ts'

/** Reads that are answered when the test says so; the value of each is its number. */
function createReads (everyMs: number) {
  const started: Array<{ key: string, atMs: number, finish: () => void, fail: () => void }> = []
  const reads = new PacedReads<number>(async key => await new Promise((resolve, reject) => {
    const number = started.length + 1
    started.push({ key, atMs: performance.now(), finish: () => { resolve(number) }, fail: () => { reject(new Error('away')) } })
  }), everyMs)
  return { reads, started }
}

const nextTurn = async (): Promise<void> => await new Promise(resolve => { setImmediate(resolve) })

async function untilStarted (started: unknown[], count: number): Promise<void> {
  while (started.length < count) await new Promise(resolve => { setTimeout(resolve, 1) })
}

t.test('all who share a read that is under way get its value, and know that it began before', async t => {
  const { reads, started } = createReads(1000)
  const waiting = [reads.shared('a'), reads.shared('a'), reads.shared('b')]
  for (const { finish } of started) finish()

  t.same(await Promise.all(waiting), [{ value: 1, isFresh: true }, { value: 1, isFresh: false }, { value: 2, isFresh: true }])
  t.same(started.map(({ key }) => key), ['a', 'b'])
})

t.test('a fresh value is never that of a read that began before it was asked for', async t => {
  const { reads, started } = createReads(0)
  const before = reads.shared('a')
  const fresh = reads.fresh('a')
  for (const { finish } of started) finish()

  t.equal(await fresh, 2)
  t.equal((await before).value, 1)
})

t.test('however many ask, one key is read again once a pace', async t => {
  const { reads, started } = createReads(30)
  const first = reads.fresh('a')
  const others = Array.from({ length: 100 }, async () => await reads.fresh('a'))
  t.equal(started.length, 1)

  await untilStarted(started, 2)
  for (const { finish } of started) finish()

  t.equal(await first, 1)
  t.same(new Set(await Promise.all(others)), new Set([2]))
  t.equal(started.length, 2)
})

t.test('one key does not slow another down', async t => {
  const { reads, started } = createReads(60_000)
  const waiting = ['a', 'b', 'c'].map(async key => await reads.fresh(key))
  for (const { finish } of started) finish()

  t.same(await Promise.all(waiting), [1, 2, 3])
})

t.test('a read that fails is told to all who wait for it, and the next one is a new one', async t => {
  const { reads, started } = createReads(0)
  const waiting = [reads.shared('a'), reads.shared('a')]
  started[0]?.fail()
  for (const failed of waiting) await t.rejects(failed, { message: 'away' })
  await nextTurn()

  const again = reads.shared('a')
  started[1]?.finish()
  t.same(await again, { value: 2, isFresh: true })
})

t.test('a paced read that fails does not stay', async t => {
  const { reads, started } = createReads(5)
  const first = reads.fresh('a')
  const paced = reads.fresh('a')
  started[0]?.finish()
  await first
  await untilStarted(started, 2)
  started[1]?.fail()
  await t.rejects(paced, { message: 'away' })

  const again = reads.fresh('a')
  await untilStarted(started, 3)
  started[2]?.finish()
  t.equal(await again, 3)
})

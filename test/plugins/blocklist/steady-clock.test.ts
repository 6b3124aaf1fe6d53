import fc from 'fast-check'
import t from 'tap'
import { SteadyClock } from '../../../plugins/blocklist/steady-clock.ts'

const longestMs = 100_000

t.test('a clock that only runs is followed to the millisecond, and so is one that is read unevenly', async t => {
  const clock = new SteadyClock({ longestMs })
  for (const [says, at] of [[5_000_000, 10], [5_000_100, 110], [5_000_090, 120], [5_000_900, 130]] as const) t.equal(clock.read(says, at), says)
})

t.test('a step ahead does not count for as long as what was known before it may live, then it does', async t => {
  const clock = new SteadyClock({ longestMs })
  clock.read(1_000_000, 0)
  t.equal(clock.read(4_600_500, 500), 1_000_500)
  t.equal(clock.read(4_610_500, 10_500), 1_010_500)
  t.equal(clock.read(4_700_499, 100_499), 1_100_499)
  t.equal(clock.read(4_700_500, 100_500), 4_700_500)
})

t.test('a step back is followed at once, also after one ahead', async t => {
  const clock = new SteadyClock({ longestMs })
  clock.read(1_000_000, 0)
  t.equal(clock.read(900_100, 100), 900_100)
  t.equal(clock.read(8_000_000, 200), 900_200)
  t.equal(clock.read(800_000, 300), 800_000)
})

t.test('whatever a clock does, nothing that is known ends before its time has passed', async () => {
  const steps = fc.array(fc.record({ passedMs: fc.nat(30_000), stepMs: fc.oneof(fc.constant(0), fc.integer({ min: -200_000, max: 200_000 })), livesMs: fc.option(fc.integer({ min: 1, max: longestMs })) }), { maxLength: 60 })
  await fc.assert(fc.asyncProperty(steps, async steps => {
    const clock = new SteadyClock({ longestMs })
    let [says, at] = [1_000_000_000, 0]
    let known: Array<{ endsMs: number, notBeforeMs: number }> = []
    for (const { passedMs, stepMs, livesMs } of steps) {
      at += passedMs
      says += passedMs + stepMs
      const now = clock.read(says, at)
      // Steps of up to a second are not told from an uneven reading.
      for (const { endsMs, notBeforeMs } of known) if (endsMs <= now && at + 1000 * steps.length < notBeforeMs) throw new Error(`ended ${notBeforeMs - at} ms early`)
      known = known.filter(({ endsMs }) => endsMs > now)
      if (livesMs !== null) known.push({ endsMs: says + livesMs, notBeforeMs: at + livesMs })
    }
  }), { numRuns: 2000 })
})

import t from 'tap'
import { cutInstantOf, isCutSince, latestCutMs } from '../../../lib/revocation/cut-instant.ts'

t.test('without a cut there is no instant', async t => {
  for (const epoch of [0, 1]) t.equal(cutInstantOf({ epoch, cutEpoch: null, cutAtMs: null }, 5000), null)
})

t.test('the instant that belongs to the epoch counts', async t => {
  t.equal(cutInstantOf({ epoch: 10, cutEpoch: 10, cutAtMs: 9100 }, 50_000), 9100)
})

t.test('of an epoch without an instant, the latest one that fits counts, and never one after now', async t => {
  for (const [cutEpoch, cutAtMs] of [[null, null], [9, 8100], [10, null]] as const) {
    t.equal(cutInstantOf({ epoch: 10, cutEpoch, cutAtMs }, 50_000), 9999)
    t.equal(cutInstantOf({ epoch: 10, cutEpoch, cutAtMs }, 9500), 9500)
  }
  t.equal(latestCutMs(10, 9998), 9998)
})

t.test('a cut refuses what counts from before it or from its instant, and everything from the future of the clock', async t => {
  const at = (countsFromMs: number, beganAtMs = 100): boolean => isCutSince(50, { beganAtMs, countsFromMs }, 100)
  t.strictSame([at(49), at(50), at(51), at(0), at(51, 101)], [true, true, false, true, true])
  t.equal(isCutSince(null, { beganAtMs: 1000, countsFromMs: 0 }, 100), false)
})

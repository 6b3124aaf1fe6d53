import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { Pace } from '../../../plugins/proxy/pace.ts'

/** Half of what the others wait is the period of a slow client. */
const periodMs = 50

t.test('a client that does not move for a period is slow, and one that moves is not', async t => {
  const pace = new Pace(2 * periodMs)
  t.equal(pace.isSlow('sending', 60_000_000), false, 'a period begins')
  await wait(periodMs + 10)
  t.equal(pace.isSlow('sending', 60_100_000), false)
  await wait(periodMs + 10)
  t.equal(pace.isSlow('sending', 60_100_001), true)
})

t.test('what a client has sent is not compared with what it accepts', async t => {
  const pace = new Pace(2 * periodMs)
  t.equal(pace.isSlow('sending', 60_000_000), false)
  await wait(periodMs + 10)
  t.equal(pace.isSlow('reading', 1000), false)
  await wait(periodMs + 10)
  t.equal(pace.isSlow('reading', 101_000), false)
  await wait(periodMs + 10)
  t.equal(pace.isSlow('reading', 101_000), true)
})

t.test('the time in which nobody waits does not count', async t => {
  const pace = new Pace(2 * periodMs)
  t.equal(pace.isSlow('reading', 1000), false)
  await wait(2100)
  t.equal(pace.isSlow('reading', 1000), false)
  await wait(periodMs + 10)
  t.equal(pace.isSlow('reading', 1000), true)
})

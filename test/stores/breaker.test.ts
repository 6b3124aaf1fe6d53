import t, { type Test } from 'tap'
import { Breaker } from '../../stores/breaker.ts'

/** A clock that the test moves. */
function takeClock (t: Test): { advance: (ms: number) => void } {
  const { now } = performance
  let nowMs = 1000
  t.teardown(() => { performance.now = now })
  performance.now = () => nowMs
  return { advance: ms => { nowMs += ms } }
}

function fallSilent (breaker: Breaker, calls: number): void {
  for (let call = 0; call < calls; call++) {
    breaker.begin()
    breaker.expired()
  }
}

const refused = { code: 'PTC_ERR_STORE_UNAVAILABLE' }

t.test('calls are made until five in a row were not answered in time', async t => {
  takeClock(t)
  const breaker = new Breaker()

  fallSilent(breaker, 4)
  t.notOk(breaker.isOpen)
  fallSilent(breaker, 1)

  t.ok(breaker.isOpen)
  t.throws(() => breaker.begin(), refused)
})

t.test('an answer in between starts the row anew', async t => {
  takeClock(t)
  const breaker = new Breaker()

  fallSilent(breaker, 4)
  breaker.begin()
  breaker.answered()
  fallSilent(breaker, 4)

  t.doesNotThrow(() => breaker.begin())
})

t.test('while it is open one call in half a second is made, and one answer closes it', async t => {
  const { advance } = takeClock(t)
  const breaker = new Breaker()
  fallSilent(breaker, 5)

  advance(499)
  t.throws(() => breaker.begin(), refused)
  advance(1)
  breaker.begin()
  t.throws(() => breaker.begin(), refused)
  breaker.expired()
  advance(499)
  t.throws(() => breaker.begin(), refused)
  advance(1)
  breaker.begin()
  breaker.answered()

  t.notOk(breaker.isOpen)
  t.doesNotThrow(() => breaker.begin())
})

t.test('calls that fail at once do not open it, and do not close it', async t => {
  const { advance } = takeClock(t)
  const breaker = new Breaker()

  for (let call = 0; call < 100; call++) {
    breaker.begin()
    breaker.failed()
  }
  t.notOk(breaker.isOpen)
  fallSilent(breaker, 5)
  advance(500)
  breaker.begin()
  breaker.failed()

  t.ok(breaker.isOpen)
})

t.test('more than ten thousand calls under way are refused, until one of them has ended', async t => {
  const breaker = new Breaker()
  for (let call = 0; call < 10_000; call++) breaker.begin()

  t.throws(() => breaker.begin(), refused)
  breaker.answered()

  t.doesNotThrow(() => breaker.begin())
})

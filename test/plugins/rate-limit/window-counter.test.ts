import t from 'tap'
import { WindowCounter } from '../../../plugins/rate-limit/budget.ts'

t.test('a window begins with the first request of a key and ends by itself', async t => {
  const counter = new WindowCounter({ windowMs: 1000, maxKeys: 10 })

  t.match(counter.add('a', 5000), { count: 1, endsAtMs: 6000 })
  t.match(counter.add('a', 5999), { count: 2, endsAtMs: 6000 })
  t.match(counter.add('b', 5999), { count: 1, endsAtMs: 6999 })
  t.match(counter.add('a', 6000), { count: 1, endsAtMs: 7000 })
})

t.test('a window that a clock which is set back has not reached yet is over, so that no key is refused for longer than a window', async t => {
  const counter = new WindowCounter({ windowMs: 1000, maxKeys: 10 })
  counter.add('a', 3_600_000)
  counter.subtract('a', 5000)

  t.match(counter.add('a', 5000), { count: 1, endsAtMs: 6000 })
  t.match(counter.add('a', 5000), { count: 2, endsAtMs: 6000 })
})

t.test('what is taken back is not counted, and never below nothing or in a later window', async t => {
  const counter = new WindowCounter({ windowMs: 1000, maxKeys: 10 })
  counter.add('a', 0)

  counter.subtract('a', 1)
  counter.subtract('a', 1)
  counter.subtract('unknown', 1)
  t.match(counter.add('a', 2), { count: 1, endsAtMs: 1000 })

  counter.subtract('a', 1000)
  t.match(counter.add('a', 1000), { count: 1, endsAtMs: 2000 })
})

t.test('of 100000 random keys no more than the most are remembered, and whoever goes on trying stays counted', async t => {
  const counter = new WindowCounter({ windowMs: 60_000, maxKeys: 1000 })

  for (let i = 0; i < 100_000; i++) {
    counter.add(`address ${i}`, i / 100)
    if (i % 100 === 0) counter.add('persistent', i / 100)
  }

  t.ok(counter.size <= 1000, `${counter.size} keys`)
  t.match(counter.add('persistent', 1000), { count: 1001 })
})

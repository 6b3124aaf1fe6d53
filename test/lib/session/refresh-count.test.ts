import t from 'tap'
import { countRefresh } from '../../../lib/session/refresh-count.ts'

const limit = { max: 2, windowMs: 1000 }

t.test('a window begins with its first refresh, and the next one after its end', async t => {
  t.strictSame(countRefresh(null, 5000, limit), { count: 1, endsAtMs: 6000 })
  t.strictSame(countRefresh({ count: 1, endsAtMs: 6000 }, 5999, limit), { count: 2, endsAtMs: 6000 })
  t.strictSame(countRefresh({ count: 1, endsAtMs: 6000 }, 6000, limit), { count: 1, endsAtMs: 7000 })
})

t.test('the first one over the limit is told from those that follow, however many they are', async t => {
  t.equal(countRefresh({ count: 2, endsAtMs: 6000 }, 5000, limit).count, 3)
  t.equal(countRefresh({ count: 3, endsAtMs: 6000 }, 5000, limit).count, 4)
  t.equal(countRefresh({ count: 4, endsAtMs: 6000 }, 5000, limit).count, 4)
})

t.test('a limit that was lowered counts for the window that runs', async t => {
  t.strictSame(countRefresh({ count: 50, endsAtMs: 6000 }, 5500, limit), { count: 4, endsAtMs: 6000 })
})

t.test('a window never lasts longer than it may, though the clock was set back by a day', async t => {
  t.strictSame(countRefresh({ count: 3, endsAtMs: 86_406_000 }, 5000, limit), { count: 1, endsAtMs: 6000 })
})

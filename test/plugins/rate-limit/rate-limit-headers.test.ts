import fc from 'fast-check'
import t from 'tap'
import { rateLimitHeaders, secondsLeft } from '../../../plugins/rate-limit/budget.ts'

t.test('the headers are structured fields that name the budget, what is left of it, and until when', async t => {
  t.strictSame(rateLimitHeaders({ name: 'signIn', max: 10, windowMs: 60_000, count: 3, leftMs: 36_001 }), {
    'ratelimit-policy': '"signIn";q=10;w=60',
    ratelimit: '"signIn";r=7;t=37'
  })
  t.equal(rateLimitHeaders({ name: 'signIn', max: 10, windowMs: 60_000, count: 99, leftMs: 1 }).ratelimit, '"signIn";r=0;t=1')
})

t.test('the seconds are whole, at least one, and never over before the window is', async () => {
  fc.assert(fc.property(fc.double({ min: -10, max: 90_000_000, noNaN: true }), leftMs => {
    const seconds = secondsLeft(leftMs)
    return Number.isInteger(seconds) && seconds >= 1 && seconds * 1000 >= leftMs
  }))
})

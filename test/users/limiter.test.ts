import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { createLimiter } from '../../users/limiter.ts'

t.test('tasks run a few at a time in their order, and one too many is refused', async t => {
  const limit = createLimiter({ running: 2, waiting: 2 })
  const started: number[] = []
  const ends: Array<() => void> = []
  const tasks = [0, 1, 2, 3].map(async number => await limit(async () => {
    started.push(number)
    await new Promise<void>(resolve => ends.push(resolve))
    return number
  }))

  t.strictSame(started, [0, 1])
  await t.rejects(limit(async () => 4), { code: 'PTC_ERR_RATE_LIMITED' })
  for (let next = 0; next < 4; next++) {
    ends[next]!()
    await setImmediate()
  }
  t.strictSame(await Promise.all(tasks), [0, 1, 2, 3])
  t.strictSame(started, [0, 1, 2, 3])
})

t.test('a task that fails makes room for the next', async t => {
  const limit = createLimiter({ running: 1, waiting: 1 })
  const failing = limit(async () => { throw new Error('no') })
  const next = limit(async () => 'yes')

  await t.rejects(failing, { message: 'no' })
  t.equal(await next, 'yes')
  t.equal(await limit(async () => 'again'), 'again')
})

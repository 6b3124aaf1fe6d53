import t from 'tap'
import { persist } from '../../stores/retry.ts'
import { settlesWithin } from '../helpers/patience.ts'

// Its pauses keep no process alive; here something has to.
const alive = setInterval(() => {}, 1000)
t.teardown(() => { clearInterval(alive) })

t.test('work that fails is done again until it succeeds, and every failure is told', async t => {
  const failures: unknown[] = []
  let attempts = 0

  await persist(async () => {
    if (++attempts < 3) throw new Error(`failure ${attempts}`)
  }, new AbortController().signal, error => failures.push(error))

  t.equal(attempts, 3)
  t.match(failures, [{ message: 'failure 1' }, { message: 'failure 2' }])
})

t.test('the pause between two attempts ends at once when the work is of no use any more', async t => {
  const ending = new AbortController()
  let attempts = 0

  const persisted = persist(async () => {
    attempts++
    throw new Error('away')
  }, ending.signal, () => { setImmediate(() => { ending.abort() }) })

  t.ok(await settlesWithin(200, persisted))
  t.equal(attempts, 1)
})

t.test('work that is of no use from the start is not begun', async t => {
  await persist(async () => { t.fail('begun') }, AbortSignal.abort(), () => {})
})

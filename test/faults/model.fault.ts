import fc from 'fast-check'
import t from 'tap'
import { startGateway } from '../helpers/build-gateway.ts'
import { limits, minute, windows } from './model.ts'
import { ModelRun, steps } from './model-run.ts'

/*
 * Thousands of sequences of whatever clients and operators may do, in any order, to a gateway and to a model of it. Where they differ
 * the shortest sequence that shows it is told.
 */

t.test('whatever is done in whatever order, a gateway answers as its model does', async t => {
  const gateway = await startGateway(t, {
    session: { idleTimeout: `${limits.idleMs / minute}m`, absoluteTimeout: `${limits.absoluteMs / minute}m`, maxPerSubject: limits.maxPerSubject },
    refreshToken: { overlap: `${windows.overlapMs / minute}m`, retryWindow: `${windows.retryWindowMs / minute}m` }
  })
  let runs = 0
  let asked = 0

  await fc.assert(fc.asyncProperty(steps, async sequence => {
    const run = new ModelRun(gateway, `run-${runs++}`)
    for (const step of sequence) await run.take(step)
    await run.end()
    asked += run.asked
  }), { numRuns: 600, interruptAfterTimeLimit: 200_000, markInterruptAsFailure: false })

  t.comment(`${runs} sequences, ${asked} requests`)
  t.ok(runs > 50)
})

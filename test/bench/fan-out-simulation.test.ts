import t from 'tap'
import { simulate, type Costs, type Fleet } from '../../bench/fan-out-simulation.ts'

const costs: Costs = { revocationUs: 100, tellUs: 20, readUs: 30, wayUs: 200 }
const fleet: Fleet = { gateways: 10, revocations: 5, otherLoad: 0, heartbeatMs: 1_000_000 }
const run = { seconds: 40, seed: 7 }

t.test('one gateway hears after it was told, has asked and was answered', async t => {
  const { p50Ms, p99Ms } = simulate({ ...fleet, gateways: 1 }, costs, run)
  // Told, question, the reading itself, answer.
  t.equal(p50Ms, (200 + 200 + 30 + 200) / 1000)
  t.ok(p99Ms < 1)
})

t.test('the thread is busy with what everybody asks of it', async t => {
  const { busy } = simulate(fleet, costs, run)
  const wanted = 5 * (100 + 10 * (20 + 30)) / 1e6
  t.ok(Math.abs(busy / wanted - 1) < 0.15, `${busy}, ${wanted}`)
  const { busy: withOthers } = simulate({ ...fleet, otherLoad: 0.3 }, costs, run)
  t.ok(Math.abs(withOthers - busy - 0.3) < 0.02, `${withOthers}`)
  const { busy: withBeats } = simulate({ ...fleet, revocations: 0, heartbeatMs: 10 }, costs, run)
  t.ok(Math.abs(withBeats - 10 * 100 * 30 / 1e6) < 0.001, `${withBeats}`)
})

t.test('the more follow, the later the last one hears, and a thread that is always busy is full', async t => {
  const [few, many] = [10, 300].map(gateways => simulate({ ...fleet, gateways }, costs, run))
  t.ok(many!.p99Ms > 10 * few!.p99Ms)
  t.ok(many!.p50Ms > few!.p50Ms)
  const full = simulate({ ...fleet, gateways: 300, revocations: 200 }, costs, { seconds: 5, seed: 7 })
  t.ok(full.busy > 0.99)
  t.ok(full.p99Ms < 100, 'what comes at once is read together')
})

t.test('the same seed gives the same run', async t => {
  t.same(simulate(fleet, costs, run), simulate(fleet, costs, run))
  t.notSame(simulate(fleet, costs, run), simulate(fleet, costs, { ...run, seed: 8 }))
})

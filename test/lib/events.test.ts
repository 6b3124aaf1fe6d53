import t, { type Test } from 'tap'
import { listenTo, publish, type SecurityEvent } from '../../lib/events.ts'

const outer = { store: { nowMs: () => 1_800_000_000_000 } }
const inner = Object.create(outer) as object

/** Listens to the events of a scope while the test runs. */
function listen (t: Test, where: object, listener: (event: SecurityEvent) => void | Promise<void>, onError: (error: Error) => void = () => t.fail()): void {
  t.teardown(listenTo(where, listener, onError))
}

t.test('an event has the time of the store that its scope has, unless it has one', async t => {
  const events: SecurityEvent[] = []
  listen(t, outer, event => { events.push(event) })
  const given: SecurityEvent = { event: 'login.refused' }

  publish(given, outer)
  publish({ event: 'csrf.refused', at: 5 }, inner)

  t.same(events, [{ event: 'login.refused', at: 1_800_000_000_000 }, { event: 'csrf.refused', at: 5 }])
  t.same(given, { event: 'login.refused' }, 'the object of the caller is unchanged')
})

t.test('an event of a scope without a store has no time', async t => {
  const where = {}
  const events: SecurityEvent[] = []
  listen(t, where, event => { events.push(event) })

  publish({ event: 'csrf.refused' }, where)

  t.same(events, [{ event: 'csrf.refused' }])
})

t.test('a listener hears the events of its scope and of the scopes in it, until it stops', async t => {
  const heard: string[] = []
  listen(t, outer, ({ event }) => { heard.push(`outer ${event}`) })
  const stop = listenTo(inner, ({ event }) => { heard.push(`inner ${event}`) }, () => t.fail())

  publish({ event: 'login.refused' }, inner)
  publish({ event: 'csrf.refused' }, outer)
  stop()
  publish({ event: 'step_up.done' }, inner)

  t.same(heard, ['outer login.refused', 'inner login.refused', 'outer csrf.refused', 'outer step_up.done'])
})

t.test('a listener that fails is reported, and harms neither the caller nor other listeners', async t => {
  const errors: string[] = []
  const report = ({ message }: Error): void => { errors.push(message) }
  let heard = 0
  listen(t, outer, () => { throw new Error('thrown') }, report)
  listen(t, outer, async () => { throw new Error('rejected') }, report)
  listen(t, outer, () => { heard++ })

  publish({ event: 'login.refused' }, outer)
  await new Promise(resolve => { setImmediate(resolve) })

  t.equal(heard, 1)
  t.same(errors.sort(), ['rejected', 'thrown'])
})

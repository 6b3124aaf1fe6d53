import t from 'tap'
import type { Operation } from '../faults/history.ts'
import { Judge } from './judge.ts'

/*
 * A judge that forgets has to remember what matters: the end of a session, and the tokens of its family.
 */

function operation (change: Partial<Operation>): Operation {
  const calledAtMs = change.calledAtMs ?? 0
  return { client: 'ada', kind: 'request', sid: 's', gateway: 'a', returnedAtMs: calledAtMs + 1, outcome: 'ok', status: 200, ...change, calledAtMs }
}

/** So many requests that whoever wants to forget has forgotten. */
function fill (judge: Judge, sid: string, fromMs: number, change: Partial<Operation> = {}): number {
  for (let count = 0; count < 1000; count++) judge.add(operation({ sid, calledAtMs: fromMs + count, ...change }))
  return fromMs + 1000
}

t.test('a long history in which every promise was kept is accepted, and hardly anything of it is kept', async t => {
  const judge = new Judge()
  for (let index = 0; index < 20; index++) judge.add(operation({ kind: 'refresh', calledAtMs: index, token: { presented: `${index}`, received: `${index + 1}` } }))
  const endMs = fill(judge, 's', 100)
  judge.add(operation({ kind: 'sign-out', calledAtMs: endMs, status: 204 }))
  fill(judge, 's', endMs + 10, { outcome: 'refused', status: 401 })
  judge.sweep(Infinity)

  t.same(judge.violations, [])
  t.equal(judge.sessions, 0)
})

t.test('what comes long after the end of a session is found, once', async t => {
  const judge = new Judge()
  judge.add(operation({ kind: 'sign-out', status: 204 }))
  const laterMs = fill(judge, 's', 10, { outcome: 'refused', status: 401 })
  judge.add(operation({ calledAtMs: laterMs }))
  fill(judge, 's', laterMs + 10, { outcome: 'refused', status: 401 })
  judge.sweep(Infinity)

  t.equal(judge.violated, 1)
  t.match(judge.violations[0], /succeeded \d+ ms after its session had been ended/)
})

t.test('a family that forks long after is found', async t => {
  const judge = new Judge()
  judge.add(operation({ kind: 'refresh', token: { presented: '1', received: '2' } }))
  const laterMs = fill(judge, 's', 10)
  judge.add(operation({ kind: 'refresh', calledAtMs: laterMs, token: { presented: '1', received: 'another' } }))
  judge.sweep(Infinity)

  t.equal(judge.violated, 1)
  t.match(judge.violations[0], /forked the family/)
})

t.test('a session of which more may come is not given up', async t => {
  const judge = new Judge()
  judge.add(operation({ kind: 'sign-out', status: 204 }))
  judge.sweep(80_000)
  t.equal(judge.sessions, 1)

  judge.add(operation({ calledAtMs: 80_001 }))
  judge.sweep(300_000)
  t.equal(judge.sessions, 0)
  t.equal(judge.violated, 1)
})

t.test('violations without end are counted, and not all kept', async t => {
  const judge = new Judge()
  for (let count = 0; count < 1000; count++) judge.report('something')

  t.equal(judge.violated, 1000)
  t.ok(judge.violations.length <= 100)
})

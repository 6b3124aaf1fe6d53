import t from 'tap'
import { checkHistory } from './check-history.ts'
import type { Operation } from './history.ts'

/*
 * A checker that finds nothing proves nothing, unless it finds what is there: each of these histories is a good one with one lie in it.
 */

function operation (change: Partial<Operation>): Operation {
  return { client: 'ada', kind: 'request', sid: 's', calledAtMs: 10, returnedAtMs: 11, outcome: 'ok', status: 200, ...change }
}

const good: Operation[] = [
  operation({ kind: 'sign-in', calledAtMs: 0, returnedAtMs: 1 }),
  operation({ nonce: { sent: 'a', received: 'a' }, calledAtMs: 2, returnedAtMs: 3 }),
  operation({ outcome: 'unknown', status: 503, calledAtMs: 4, returnedAtMs: 5 }),
  operation({ outcome: 'unknown', status: null, calledAtMs: 4, returnedAtMs: 5 }),
  operation({ kind: 'refresh', token: { presented: '1', received: '2' }, calledAtMs: 6, returnedAtMs: 7 }),
  operation({ kind: 'refresh', token: { presented: '1', received: '2' }, calledAtMs: 6, returnedAtMs: 8 }),
  operation({ kind: 'refresh', token: { presented: '2', received: null }, calledAtMs: 8, returnedAtMs: 9 }),
  operation({ kind: 'refresh', token: { presented: '2', received: '3' }, calledAtMs: 9, returnedAtMs: 10 }),
  operation({ kind: 'request', calledAtMs: 19, returnedAtMs: 30 }),
  operation({ kind: 'sign-out', outcome: 'unknown', status: 503, calledAtMs: 12, returnedAtMs: 13 }),
  operation({ kind: 'sign-out', status: 204, calledAtMs: 18, returnedAtMs: 20 }),
  operation({ kind: 'request', outcome: 'refused', status: 401, calledAtMs: 14, returnedAtMs: 15 }),
  operation({ kind: 'refresh', outcome: 'refused', status: 401, calledAtMs: 21, returnedAtMs: 22 })
]

const lies: Array<[what: string, lie: Operation, complaint: RegExp]> = [
  ['a request that succeeds after the sign-out was acknowledged', operation({ calledAtMs: 21, returnedAtMs: 22 }), /succeeded 1 ms after its session had been ended/],
  ['a refresh that succeeds after the sign-out was acknowledged', operation({ kind: 'refresh', token: { presented: '3', received: '4' }, calledAtMs: 25, returnedAtMs: 26 }), /refresh .* succeeded 5 ms after/],
  ['an honest request that is refused', operation({ outcome: 'refused', status: 401, calledAtMs: 2, returnedAtMs: 3 }), /was refused \(401\), and nobody had signed out/],
  ['an honest refresh that is refused', operation({ kind: 'refresh', outcome: 'refused', status: 401, calledAtMs: 8, returnedAtMs: 9 }), /refresh .* was refused \(401\)/],
  ['a token with two successors', operation({ kind: 'refresh', token: { presented: '1', received: 'other' }, calledAtMs: 6, returnedAtMs: 7 }), /forked the family/],
  ['an answer that was meant for somebody else', operation({ nonce: { sent: 'a', received: 'b' }, calledAtMs: 2, returnedAtMs: 3 }), /was given the answer to b/],
  ['an answer that was lost on the way and yet counts as one', operation({ nonce: { sent: 'a', received: null }, calledAtMs: 2, returnedAtMs: 3 }), /was given the answer to nothing/],
  ['an error that nobody promised', operation({ outcome: 'unknown', status: 500, calledAtMs: 2, returnedAtMs: 3 }), /was answered 500/]
]

t.test('a history in which every promise was kept is accepted', async t => {
  t.same(checkHistory(good), [])
})

for (const [what, lie, complaint] of lies) {
  t.test(`${what} is found`, async t => {
    for (const at of [0, 5, good.length]) {
      const problems = checkHistory([...good.slice(0, at), lie, ...good.slice(at)])
      t.equal(problems.length, 1)
      t.match(problems[0], complaint)
    }
  })
}

t.test('what another session did is no excuse and no reproach', async t => {
  const other = good.map(operation => ({ ...operation, sid: 'other', ...operation.kind === 'sign-out' ? { calledAtMs: 0, returnedAtMs: 0.5 } : {} }))

  t.same(checkHistory([...good, ...other]).every(problem => problem.includes('(other)')), true)
})

t.test('a sign-out that the store may have lost proves nothing', async t => {
  t.same(checkHistory([...good, operation({ calledAtMs: 21, returnedAtMs: 22 })], { mayBeLost: new Set(['s']) }), [])
})

t.test('a session that the store may have lost may be refused', async t => {
  const refused = operation({ outcome: 'refused', status: 401, calledAtMs: 2, returnedAtMs: 3 })

  t.same(checkHistory([...good, refused], { mayBeForgotten: new Set(['s']) }), [])
})

t.test('another gateway may take a while to hear of an end, the one that acknowledged it may not, and a refresh asks the store', async t => {
  const ended = good.map(operation => ({ ...operation, gateway: 'one' }))
  const late = (change: Partial<Operation>) => checkHistory([...ended, operation({ calledAtMs: 29, returnedAtMs: 30, ...change })], { stalenessMs: 10 })

  t.same(late({ gateway: 'other' }), [])
  t.match(late({ gateway: 'other', calledAtMs: 31, returnedAtMs: 32 }), [/succeeded 11 ms after/])
  t.match(late({ gateway: 'one' }), [/succeeded 9 ms after/])
  t.match(late({ gateway: 'other', kind: 'refresh', token: { presented: '9', received: '10' } }), [/refresh .* succeeded 9 ms after/])
})

import t from 'tap'
import type { Authentication } from '../../../lib/session/authentication.ts'
import { maxClosed, openFamily, receive, rotate, type TokenFamily, type Transition } from '../../../lib/session/rotation.ts'

const windows = { overlapMs: 10_000, retryWindowMs: 1_800_000 }
const strict = { overlapMs: 0, retryWindowMs: 0 }

const signIn: Authentication = { authTimeMs: 0, acr: '1', amr: ['pwd'] }

function present (family: TokenFamily, generation: number, nowMs: number, w = windows): Transition {
  return rotate(family, { generation, authentication: signIn }, nowMs, w)
}

function advance (family: TokenFamily, generation: number, nowMs: number, w = windows): TokenFamily {
  const { family: next } = present(family, generation, nowMs, w)
  if (next === null) throw new Error('the family has ended')
  return next
}

t.test('the newest generation rotates to its successor', async t => {
  const transition = present(openFamily(0), 1, 5, windows)

  t.match(transition, { outcome: 'rotated', family: { generation: 2, received: false, rotatedAtMs: 5 } })
})

t.test('a lost response is repeated with the same generation for the retry window, and then ends the session without an accusation', async t => {
  const family = advance(openFamily(0), 1, 0)

  t.match(present(family, 1, windows.retryWindowMs, windows), { outcome: 'repeated', family: { generation: 2 } })
  t.equal(present(family, 1, windows.retryWindowMs + 1, windows).outcome, 'expired')
})

t.test('a parallel tab is answered within the overlap after its successor was received, and is theft after it', async t => {
  const family = receive(advance(openFamily(0), 1, 0), 2, 1000, windows)

  t.match(present(family, 1, 11_000, windows), { outcome: 'repeated', family: { generation: 2, holdUntilMs: 21_001 } })
  t.equal(present(family, 1, 11_001, windows).outcome, 'reused')
})

t.test('a family on hold does not advance, and its newest generation counts as received', async t => {
  const repeated = advance(advance(openFamily(0), 1, 0), 1, 100)

  const held = present(repeated, 2, 200, windows)
  t.match(held, { outcome: 'held', family: { generation: 2, received: true, closed: [[1, 200]] } })
  t.equal(present(repeated, 2, 10_100, windows).outcome, 'held', 'an answer may travel for the whole overlap')
  t.equal(present(repeated, 2, 10_101, windows).outcome, 'rotated')
})

t.test('eight remembered closing times hold the newest generation until one is over', async t => {
  let family = openFamily(0)
  for (let generation = 1; generation <= maxClosed; generation++) family = advance(family, generation, generation)

  const held = present(family, maxClosed + 1, 100, windows)
  t.match(held, { outcome: 'held', family: { generation: maxClosed + 1 } })
  t.equal(present(family, maxClosed + 1, 20_000, windows).outcome, 'rotated')
})

t.test('generations that the store has forgotten are recovered up to three, and theft beyond', async t => {
  const family = openFamily(0)

  t.match(present(family, 4, 10, windows), { outcome: 'recovered', family: { generation: 5 } })
  t.equal(present(family, 5, 10, windows).outcome, 'reused')
})

t.test('a recovered family keeps the bound of its closing times', async t => {
  let family = openFamily(0)
  for (let generation = 1; generation < maxClosed; generation++) family = advance(family, generation, generation)

  const recovered = advance(family, maxClosed + 3, 50)
  const received = receive(recovered, recovered.generation, 60, windows)
  t.equal(received.closed.length, maxClosed)
  t.same(received.closed.at(-1), [maxClosed + 3, 60])
})

t.test('with both windows at zero each generation is good once and anything else is theft', async t => {
  const family = advance(openFamily(0), 1, 0, strict)

  t.equal(present(family, 1, 0, strict).outcome, 'reused')
  t.equal(present(receive(family, 2, 0, strict), 1, 0, strict).outcome, 'reused')
  t.equal(present(family, 2, 0, strict).outcome, 'rotated')
})

t.test('a clock that steps back never turns an honest retry into theft', async t => {
  const family = receive(advance(openFamily(50_000), 1, 50_000), 2, 51_000, windows)

  t.equal(present(family, 1, 10, windows).outcome, 'repeated')
})

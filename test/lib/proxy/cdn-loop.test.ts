import t from 'tap'
import { loopName, passedHops } from '../../../lib/proxy/cdn-loop.ts'

t.test('every hop has a name of its own, which is a token of HTTP', async t => {
  const names = Array.from({ length: 100 }, loopName)

  t.equal(new Set(names).size, 100)
  for (const name of names) t.match(name, /^portcullis-[\da-f]{16}$/)
})

t.test('hops are told in their order, and null where the own name is among them', async t => {
  t.equal(passedHops(undefined, 'b'), 'b')
  t.equal(passedHops('', 'b'), ', b')
  t.equal(passedHops('a; x=1', 'b'), 'a; x=1, b')
  for (const before of ['b', 'a, b', 'b, a', ['a', 'b']]) t.equal(passedHops(before, 'b'), null, String(before))
})

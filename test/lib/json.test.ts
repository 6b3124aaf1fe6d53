import fc, { type Arbitrary } from 'fast-check'
import t from 'tap'
import { findFault } from '../../lib/json.ts'

const limits = { levels: 4 }

t.test('a name that stands twice in one object is found, however it is spelt', async t => {
  for (const text of ['{"a":1,"a":2}', '{"a":1,"\\u0061":2}', '{"a" :1,"a"\t:2}', '[{"b":{"a":1,"c":"}","a":2}}]', '{"":1,"":2}', '{"\\"":1,"\\u0022":2}', '{"__proto__":1,"__proto__":2}']) {
    t.equal(findFault(text, limits), 'repeated', text)
  }
})

t.test('a name may stand in several objects, and in texts', async t => {
  for (const text of ['{"a":{"a":1},"b":[{"a":1},{"a":1}]}', '{"a":"a","b":"\\"a\\":1","c":"{\\"a\\":1,\\"a\\":2}"}', '["a","a"]', '[":",":"]', '{"a\\\\":1,"a":2}']) {
    t.equal(findFault(text, limits), null, text)
  }
})

t.test('nesting is counted outside texts, and stopped at the limit', async t => {
  t.equal(findFault('[[[[]]]]', limits), null)
  t.equal(findFault('[[],[[],[{}]]]', limits), null)
  t.equal(findFault('{"a":{"b":[[[1]]]}}', limits), 'nested')
  t.equal(findFault('"[[[[[["', limits), null)
  t.equal(findFault('["]]]",[["[",[["]"]]]]]', limits), 'nested')
  t.equal(findFault('['.repeat(5_000_000), limits), 'nested')
})

t.test('structure is counted outside texts, and stopped at the limit', async t => {
  t.equal(findFault(`["${'x'.repeat(1000)}"]`, { levels: 4, structure: 3 }), null)
  t.equal(findFault('["x",1]', { levels: 4, structure: 3 }), 'large')
  t.equal(findFault('[],'.repeat(1_000_000), { levels: 4, structure: 100 }), 'large')
  t.equal(findFault('"\\"\\"\\""', { levels: 4, structure: 2 }), 'large', 'quotes inside a text are looked at one by one')
})

t.test('a text of many megabytes is one step', async t => {
  t.equal(findFault(`{"a":"${'x'.repeat(64_000_000)}"}`, { levels: 4, structure: 10 }), null)
})

/** Objects as lists of members, so that a name can stand twice. */
interface Node { text: string, isRepeated: boolean, levels: number }

const leaf: Arbitrary<Node> = fc.oneof(fc.string(), fc.constantFrom('\\', '"', '\\"', '{"a":1,"a":2}', ':', '[['), fc.integer(), fc.constant(null)).map(value => ({ text: JSON.stringify(value), isRepeated: false, levels: 0 }))

const { node } = fc.letrec<{ node: Node, list: Node, object: Node }>(tie => ({
  node: fc.oneof({ maxDepth: 4 }, leaf, tie('list'), tie('object')),
  list: fc.array(tie('node'), { maxLength: 3 }).map(items => joined(items, items.map(({ text }) => text), '[]')),
  object: fc.array(fc.tuple(fc.constantFrom('a', 'b', '', '\\', '"', '":'), tie('node')), { maxLength: 3 }).map(members => {
    const object = joined(members.map(([, value]) => value), members.map(([name, { text }]) => `${JSON.stringify(name)}: ${text}`), '{}')
    return { ...object, isRepeated: object.isRepeated || new Set(members.map(([name]) => name)).size < members.length }
  })
}))

function joined (items: Node[], texts: string[], [open, close]: string): Node {
  return { text: `${open}${texts.join(' , ')}${close}`, isRepeated: items.some(({ isRepeated }) => isRepeated), levels: 1 + Math.max(0, ...items.map(({ levels }) => levels)) }
}

t.test('every well-formed text is judged as one that was taken apart', async () => {
  fc.assert(fc.property(node, ({ text, isRepeated }) => findFault(text, { levels: 100 }) === (isRepeated ? 'repeated' : null)), { numRuns: 5000 })
  fc.assert(fc.property(node, fc.integer({ min: 1, max: 4 }), ({ text, levels, isRepeated }, most) => isRepeated || findFault(text, { levels: most }) === (levels > most ? 'nested' : null)), { numRuns: 2000 })
})

t.test('whatever is no JSON is judged without an error', async () => {
  const piece = fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', 'a', ' ', '\\u00', '\0')
  fc.assert(fc.property(fc.array(piece, { maxLength: 30 }).map(pieces => pieces.join('')), text => { findFault(text, { levels: 8, structure: 20 }) }), { numRuns: 5000 })
})

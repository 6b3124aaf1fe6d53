import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { copyJson, frozenCopy } from '../../lib/json-copy.ts'

const copy = (given: unknown): unknown => copyJson('data', given, 4096)
const json = fc.dictionary(fc.string({ unit: 'binary' }).filter(name => name !== '__proto__'), fc.jsonValue({ stringUnit: 'binary' }))
const normal = (value: object): object => JSON.parse(JSON.stringify(value)) as object

t.test('a JSON object is copied, whatever it is', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(json, given => {
    assert.deepEqual(copyJson('data', given, 1e6), normal(given))
    assert.notEqual(copyJson('data', given, 1e6), given)
  })))
  t.strictSame(copy(Object.assign(Object.create(null) as object, { a: 1 })), { a: 1 })
  t.strictSame(copy({ toJSON: 'a text', length: 3, then: null, zero: -0 }), { toJSON: 'a text', length: 3, then: null, zero: 0 })
})

t.test('what is given may be changed afterwards, and what is shared is copied for each place', async t => {
  const shared = { list: ['a'] }
  const given = { one: shared, two: [shared, shared] }
  const copied = copy(given)
  shared.list.push('b')

  t.strictSame(copied, { one: { list: ['a'] }, two: [{ list: ['a'] }, { list: ['a'] }] })
})

class Cart { items = ['book'] }
const cyclic: { self?: unknown, list?: unknown[] } = {}
cyclic.self = cyclic
const cyclicList: unknown[] = []
cyclicList.push([cyclicList])
const withExtra = Object.assign(['a'], { extra: 1 })

/** Returns lists in lists, of this many levels. */
const nested = (levels: number): unknown => levels === 0 ? 'core' : [nested(levels - 1)]

const faults: Array<[what: string, value: unknown, message: RegExp]> = [
  ['undefined', undefined, /is or contains undefined, which JSON cannot represent; omit the member/],
  ['a function', () => 1, /a function/], ['a symbol', Symbol('s'), /a symbol/], ['a BigInt', 1n, /a bigint/],
  ['NaN', NaN, /not finite/], ['Infinity', -Infinity, /not finite/],
  ['a Date', new Date(0), /an object of a class/], ['a Map', new Map(), /an object of a class/], ['a Buffer', Buffer.from('a'), /an object of a class/],
  ['an instance', new Cart(), /an object of a class/], ['a promise', Promise.resolve(1), /an object of a class/], ['a boxed text', Object('a'), /an object of a class/],
  ['what inherits from an object', Object.create({ admin: true }), /an object of a class/],
  ['a cycle', cyclic, /contains itself/], ['a cycle of lists', cyclicList, /contains itself/],
  ['too many levels', nested(16), /at most 16 levels/],
  ['a getter', { get secret () { throw new Error('the getter was called') } }, /a getter or a setter/], ['a setter', { get secret () { return 1 }, set secret (value) { throw new Error(`the setter was called with ${value}`) } }, /a getter or a setter/],
  ['a hidden member', Object.defineProperty({}, 'hidden', { value: 1, enumerable: false }), /not enumerable/], ['a symbol as a name', { [Symbol('s')]: 1 }, /a symbol names/],
  ['__proto__', JSON.parse('{"__proto__":{"admin":true}}'), /must not have a member __proto__/],
  ['a gap', new Array(1), /a list with gaps/], ['gaps after an item', [1].concat(new Array<number>(2)), /a list with gaps/], ['a list with members', withExtra, /members besides its items/],
  ['half a letter', '\ud83e', /lone surrogate/], ['half a letter as a name', { '\udc00': 1 }, /lone surrogate/]
]

t.test('what JSON cannot represent is refused, wherever it is, by the position of the member', async t => {
  for (const [what, value, message] of faults) {
    for (const given of [{ cart: value }, { cart: [1, value] }, { other: 1, cart: { deep: [{ er: value }] } }]) t.throws(() => copy(given), { name: 'TypeError', message }, what)
    t.throws(() => copy({ cart: value }), { message: what === '__proto__' ? /^data must/ : /^member 1 of data is / }, what)
  }
  t.throws(() => copy({ one: [1, 2], two: { three: 1n, four: 4 }, five: 5 }), { message: 'member 2 of data is or contains a bigint, which JSON cannot represent' })
})

t.test('what is no plain object is refused as a whole', async t => {
  for (const given of [null, undefined, 'text', 1, true, [], ['a'], new Date(0), new Cart(), Promise.resolve({}), () => ({}), new Map(), Object.create({ a: 1 })]) t.throws(() => copy(given), { name: 'TypeError', message: /^data must be a plain object/ })
  t.throws(() => copy(JSON.parse('{"__proto__":1}')), { message: /__proto__/ })
})

t.test('neither getters nor toJSON are called, and each member is read once', async t => {
  const calls: string[] = []
  const toJson = { toJSON () { calls.push('toJSON'); return { admin: true } } }
  t.throws(() => copy(toJson), /a function/)
  t.throws(() => copy({ get a () { calls.push('getter'); return 1 } }), /a getter/)
  const reads: Array<string | symbol> = []
  const changing = new Proxy({ text: 'short' }, {
    getOwnPropertyDescriptor (_target, name) {
      reads.push(name)
      return { value: reads.length === 1 ? 'short' : 'x'.repeat(1e6), enumerable: true, configurable: true, writable: true }
    },
    get: (_target, name) => { calls.push(`get ${String(name)}`) }
  })

  t.strictSame(copy(changing), { text: 'short' })
  t.strictSame(reads, ['text'])
  t.strictSame(calls, [])
})

t.test('no prototype is changed, and members of prototypes are not copied', async t => {
  const prototype = Object.prototype as { polluted?: boolean }
  const text = '{"constructor":{"prototype":{"polluted":true}},"prototype":{"polluted":true}}'
  t.equal(JSON.stringify(copy(JSON.parse(text))), text)
  t.equal(prototype.polluted, undefined)
  prototype.polluted = true
  t.teardown(() => { delete prototype.polluted })

  t.strictSame(Object.keys(copy({ a: 1 }) as object), ['a'])
})

t.test('the size of the JSON text in UTF-8 is limited exactly', async t => {
  const exact = (text: string): object => ({ text: text + 'x'.repeat(4096 - Buffer.byteLength(JSON.stringify({ text }))) })
  for (const text of ['', 'ü'.repeat(100), '李🦊'.repeat(100), '"\\\n\u0001'.repeat(100)]) {
    t.equal(Buffer.byteLength(JSON.stringify(copy(exact(text)))), 4096)
    t.throws(() => copy({ ...exact(text), a: 1 }), { name: 'TypeError', message: 'data must have at most 4096 bytes as JSON' })
  }
})

t.test('a huge object is refused early', async t => {
  let level: unknown = 'x'
  for (let depth = 0; depth < 14; depth++) level = Array.from({ length: 50 }, () => level)
  for (const given of [
    { level }, { list: new Array(4_000_000_000) }, { list: new Array(1e6).fill(0) }, { text: 'x'.repeat(5e7) },
    Object.fromEntries(Array.from({ length: 1e5 }, (_, index) => [`n${index}`, 1])), { map: Object.fromEntries(Array.from({ length: 1e5 }, (_, index) => [`n${index}`, 1])) }
  ]) t.throws(() => copy(given), { message: 'data must have at most 4096 bytes as JSON' })
})

t.test('a frozen copy is equal, apart, and cannot be changed anywhere', async t => {
  const isFrozen = (value: unknown): boolean => typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen))
  t.doesNotThrow(() => fc.assert(fc.property(json, given => {
    const before = normal(given)
    const frozen = frozenCopy(given)
    assert.deepEqual(normal(frozen), before)
    assert.ok(isFrozen(frozen))
    assert.ok(!Object.isFrozen(given))
  })))
  t.strictSame(Object.keys(frozenCopy(JSON.parse('{"__proto__":{"admin":true}}') as object)), ['__proto__'])
})

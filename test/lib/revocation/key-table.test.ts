import fc from 'fast-check'
import t from 'tap'
import { forever, KeyTable } from '../../../lib/revocation/key-table.ts'

const key = (...words: number[]): Int32Array => Int32Array.from([...words, 0, 0, 0, 0].slice(0, 4))
const has = (table: KeyTable, ...words: number[]): boolean => table.find(key(...words), 0) >= 0

t.test('a key is found until its end, and the key of zeros is a key like others', async t => {
  const table = new KeyTable()
  t.notOk(has(table, 0))

  table.raise(key(0), 0, 10)
  table.raise(key(1, 2, 3, 4), 0, forever)
  t.ok(has(table, 0))
  t.ok(has(table, 1, 2, 3, 4))
  for (const other of [[1, 2, 3, 5], [1, 2, 0, 4], [1, 0, 3, 4], [0, 2, 3, 4]]) t.notOk(has(table, ...other), other.join())

  table.expire(9)
  t.ok(has(table, 0))
  table.expire(10)
  t.notOk(has(table, 0))
  t.ok(has(table, 1, 2, 3, 4))
  t.equal(table.size, 1)
})

t.test('an entry never ends sooner by being raised, and may by being put', async t => {
  const table = new KeyTable()
  table.raise(key(1), 0, 10)
  table.raise(key(1), 0, 5)
  table.raise(key(2), 0, 10)
  table.put(key(2), 0, 5)

  table.expire(5)
  t.ok(has(table, 1))
  t.notOk(has(table, 2))
})

t.test('what is over when it is added is found until the next time that is told', async t => {
  const table = new KeyTable()
  table.expire(100)
  table.raise(key(1), 0, 50)

  t.ok(has(table, 1))
  table.expire(101)
  t.notOk(has(table, 1))
})

t.test('a clock that steps back brings no new entry to an early end', async t => {
  const table = new KeyTable()
  table.expire(5000)
  table.expire(100)
  table.raise(key(1), 0, 200)
  table.expire(199)

  t.ok(has(table, 1))
  table.expire(200)
  t.notOk(has(table, 1))
})

t.test('many keys take as much memory as they need, and give it back when they end', async t => {
  const table = new KeyTable()
  const empty = table.byteLength
  const many = 100_000
  const of = (index: number): Int32Array => key(Math.imul(index, 0x9e3779b1), index, ~index, index * 7)
  let most = 0
  for (let index = 0; index < many; index++) {
    table.raise(of(index), 0, 1000 + index % 10)
    most = Math.max(most, table.byteLength)
  }

  t.equal(table.size, many)
  t.ok(most <= many * 52, `${most} bytes`)
  let found = 0
  for (let index = 0; index < 2 * many; index++) if (table.find(of(index), 0) >= 0) found++
  t.equal(found, many)

  table.expire(2000)
  t.notOk(table.find(of(1), 0) >= 0)
  for (let call = 0; call < 100; call++) table.expire(2000)
  t.equal(table.size, 0)
  t.ok(table.byteLength <= 2 * empty, `${table.byteLength} bytes`)
})

t.test('a table in steady use cleans itself while it is added to, without being told to', async t => {
  const table = new KeyTable()
  let most = 0
  for (let index = 0; index < 300_000; index++) {
    if (index % 10_000 === 0) table.expire(index)
    table.raise(key(Math.imul(index, 0x9e3779b1), index), 0, index + 20_000)
    most = Math.max(most, table.size)
  }

  t.ok(most < 60_000, `${most} entries, of which 30000 at most are in force`)
})

/**
 * Against a map. Keys that share all but a few bits, tiny segments and a hash of which few bits choose the segment, so that
 * segments split, merge, are cleaned and outgrow their size all the time.
 */
const word = fc.oneof(fc.constantFrom(0, 1, -1, 1 << 31, 1 << 20, 1 << 11), fc.integer({ min: 0, max: 40 }).map(at => at << 27), fc.nat(60))
const anyKey = fc.tuple(word, fc.constantFrom(0, 1, 1 << 30), fc.constantFrom(0, 5), fc.constantFrom(0, 1 << 16)).map(words => key(...words))
type Step = { do: 'raise' | 'put', key: Int32Array, lasts: number, payload: number } | { do: 'pass', seconds: number }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 20, arbitrary: fc.record({ do: fc.constantFrom('raise' as const, 'put' as const), key: anyKey, lasts: fc.integer({ min: 1, max: 60 }), payload: fc.integer() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), seconds: fc.integer({ min: 0, max: 25 }) }) }
)
const shape = fc.record({ slots: fc.constantFrom(4, 8, 32), maxDepth: fc.constantFrom(0, 1, 3, 20), seed: fc.nat() })

class Model {
  readonly entries = new Map<string, { end: number, payload: number | null }>()

  apply (at: Step, now: number): void {
    if (at.do === 'pass') {
      for (const [name, { end }] of this.entries) if (end <= now) this.entries.delete(name)
      return
    }
    const known = this.entries.get(at.key.join())
    const end = now + at.lasts
    const raised = { end: Math.max(end, known?.end ?? 0), payload: known?.payload ?? null }
    this.entries.set(at.key.join(), at.do === 'raise' ? raised : { end, payload: at.payload })
  }
}

t.test('whatever is put, raised and over, the table answers as a map does', async () => {
  fc.assert(fc.property(shape, fc.array(step, { maxLength: 300, size: 'max' }), (options, steps) => {
    const table = new KeyTable({ ...options, payloadWords: 1 })
    const model = new Model()
    let now = 0
    for (const at of steps) {
      if (at.do === 'pass') table.expire(now += at.seconds)
      else if (at.do === 'raise') table.raise(at.key, 0, now + at.lasts)
      else {
        const payloadAt = table.put(at.key, 0, now + at.lasts)
        table.cells[payloadAt] = at.payload
      }
      model.apply(at, now)
      if (table.size < model.entries.size) return false
    }
    const asked = [...steps.flatMap(at => at.do === 'pass' ? [] : [at.key]), key(1 << 21), key(0, 0, 0, 1)]
    return asked.every(key => {
      const expected = model.entries.get(key.join())
      const found = table.find(key, 0)
      if (expected === undefined || found < 0) return expected === undefined && found < 0
      return expected.payload === null || table.cells[table.payloadOf(found)] === expected.payload
    })
  }), { numRuns: 1500 })
})

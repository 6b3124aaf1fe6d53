import fc from 'fast-check'
import t from 'tap'
import { RecencyCache } from '../../lib/cache.ts'

t.test('a value is found until it is deleted or everything is cleared', async t => {
  const cache = new RecencyCache<number>(10)
  cache.set('a', 1)
  cache.set('b', 2)

  cache.delete('a')
  t.equal(cache.get('a'), undefined)
  t.equal(cache.get('b'), 2)

  cache.clear()
  t.equal(cache.get('b'), undefined)
  t.equal(cache.size, 0)
})

t.test('what is asked for stays while what is not makes room', async t => {
  const cache = new RecencyCache<number>(8)
  cache.set('kept', 0)

  for (let i = 0; i < 100; i++) {
    cache.set(`other ${i}`, i)
    t.equal(cache.get('kept'), 0)
  }

  t.equal(cache.get('other 0'), undefined)
})

t.test('a long key counts as several entries, so that what is remembered is bounded in bytes', async t => {
  const cache = new RecencyCache<number>(100)
  for (let i = 0; i < 1000; i++) {
    cache.set(`${i}`.padEnd(12_000, '.'), i)
    t.ok(cache.size * 12_000 <= 100 * 2048 + 2 * 12_000, `${cache.size} entries`)
  }
  for (let i = 0; i < 1000; i++) cache.set(`${i}`.padEnd(1000, '.'), i)
  t.ok(cache.size >= 50 && cache.size <= 100, `${cache.size} entries`)

  for (let i = 0; i < 1000; i++) cache.delete(`${i}`.padEnd(1000, '.'))
  for (let i = 0; i < 50; i++) cache.set(`short ${i}`, i)
  t.equal(cache.size, 50, 'what was deleted counts no more')
})

t.test('a deleted value does not come back from the older half', async t => {
  const cache = new RecencyCache<number>(4)
  cache.set('a', 1)
  cache.set('b', 2)
  cache.set('c', 3)

  cache.set('a', 10)
  cache.delete('a')

  t.equal(cache.get('a'), undefined)
})

t.test('a cache of size 0 remembers nothing', async t => {
  const cache = new RecencyCache<number>(0)
  cache.set('a', 1)

  t.equal(cache.get('a'), undefined)
  t.equal(cache.size, 0)
})

t.test('values tells each entry once', async t => {
  const cache = new RecencyCache<number>(4)
  for (let i = 0; i < 4; i++) cache.set(String(i), i)
  cache.set('3', 3)

  t.same([...cache.values()].sort(), [0, 1, 2, 3])
})

t.test('whatever is done, it never answers with another key\'s value, nor an old one, and stays bounded', async () => {
  const key = fc.integer({ min: 0, max: 12 }).map(String)
  const command = fc.oneof(
    fc.record({ do: fc.constant('set' as const), key, value: fc.integer() }),
    fc.record({ do: fc.constant('get' as const), key }),
    fc.record({ do: fc.constant('delete' as const), key }),
    fc.record({ do: fc.constant('clear' as const) })
  )
  fc.assert(fc.property(fc.integer({ min: 0, max: 9 }), fc.array(command, { maxLength: 200 }), (size, commands) => {
    const cache = new RecencyCache<string>(size)
    const truth = new Map<string, string>()
    for (const step of commands) {
      if (step.do === 'set') {
        cache.set(step.key, `${step.key}=${step.value}`)
        truth.set(step.key, `${step.key}=${step.value}`)
      } else if (step.do === 'delete') {
        cache.delete(step.key)
        truth.delete(step.key)
      } else if (step.do === 'clear') {
        cache.clear()
        truth.clear()
      } else {
        const found = cache.get(step.key)
        if (found !== undefined && found !== truth.get(step.key)) return false
      }
      if (cache.size > size || [...cache.values()].length !== cache.size) return false
    }
    return true
  }))
})

t.test('what was set last is always found', async () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 9 }), fc.array(fc.string(), { minLength: 1 }), (size, keys) => {
    const cache = new RecencyCache<string>(size)
    return keys.every(key => {
      cache.set(key, key)
      return cache.get(key) === key
    })
  }))
})

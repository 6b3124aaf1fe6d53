import t from 'tap'
import { parseForm } from '../../../lib/http/form.ts'

t.test('a form reads as browsers write it', t => {
  t.same(parseForm(new URLSearchParams({ username: 'Ada & Bob', password: 'ö=%+ \u{1f511}', empty: '' }).toString()), { username: 'Ada & Bob', password: 'ö=%+ \u{1f511}', empty: '' })
  t.same(parseForm(''), {})
  t.same(parseForm('a'), { a: '' })
  t.same(parseForm('a=b=c'), { a: 'b=c' })
  t.end()
})

t.test('what could be read in two ways is no form', t => {
  for (const text of ['a=1&a=2', 'a=1&%61=2', 'a=%', 'a=%zz', 'a=%ff', 'a=%c0%a2', 'a=%ed%a0%80', '%ff=1', 'a=é', 'a=b c', 'a=b\r\nc', 'a=\ufffd']) t.equal(parseForm(text), null, text)
  t.end()
})

t.test('more than any form of ours has is no form', t => {
  t.equal(parseForm('&'.repeat(32_000)), null)
  t.equal(parseForm(Array.from({ length: 17 }, (_, at) => `a${at}=1`).join('&')), null)
  t.equal(parseForm(`a=${'x'.repeat(32_768)}`), null)
  t.end()
})

t.test('names that every object has are names like others', t => {
  const form = parseForm('__proto__=1&constructor=2')
  t.same(Object.entries(form ?? {}), [['__proto__', '1'], ['constructor', '2']])
  t.equal(Object.getPrototypeOf(form), Object.prototype)
  t.end()
})

import t from 'tap'
import { asError } from '../../lib/as-error.ts'

t.test('an error stays what it is', async t => {
  const error = new TypeError('x')

  t.equal(asError(error), error)
})

t.test('everything else is an internal error, and what is nothing most of all', async t => {
  for (const thrown of [null, undefined, 0, false, '', 'zebra', {}, Object.create(null), Symbol('x')]) {
    t.match(asError(thrown), { code: 'PTC_ERR_INTERNAL', statusCode: 500 })
    t.ok(asError(thrown) instanceof Error)
  }
})

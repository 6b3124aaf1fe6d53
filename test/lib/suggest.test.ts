import t from 'tap'
import { nearest } from '../../lib/suggest.ts'

const known = ['session', 'store', 'secret', 'idleTimeout', 'absoluteTimeout']

t.test('a misspelt, swapped or differently written name leads to the nearest one', async t => {
  for (const [name, meant] of [['sesion', 'session'], ['sotre', 'store'], ['secrets', 'secret'], ['idle_timeout', 'idleTimeout'], ['IDLETIMEOUT', 'idleTimeout']]) {
    t.equal(nearest(name!, known), meant)
  }
})

t.test('a name that is like no other leads nowhere', async t => {
  t.equal(nearest('zebra', known), null)
  t.equal(nearest('x'.repeat(100_000), known), null)
  t.equal(nearest('session', []), null)
})

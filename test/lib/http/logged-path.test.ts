import t from 'tap'
import { loggedPath } from '../../../lib/http/logged-path.ts'

t.test('a path is logged without query, fragment and parameters', async t => {
  for (const [target, logged] of [
    ['/orders/42', '/orders/42'], ['/orders?token=x', '/orders'], ['/a;jsessionid=x/b', '/a'], ['/a%3Bx', '/a'], ['/a#x', '/a'], ['/', '/'], [`/${'x'.repeat(2000)}`, `/${'x'.repeat(1023)}`],
    ['http://app.example.com/orders?token=x', '/orders'], ['HTTPS://app.example.com:8443/a;x', '/a'], ['http://app.example.com', '/'], ['http://app.example.com?x', '-']
  ] as const) t.equal(loggedPath(target), logged, target.slice(0, 80))
})

t.test('nothing is logged of a target that can contain a password', async t => {
  for (const target of ['http://ada:secret@app.example.com/orders', 'ada:secret@app.example.com:443', '*', 'secret', 'ftp://a/secret', 'http:\\\\ada:secret@a/x', '']) t.equal(loggedPath(target), '-', target)
})

import t from 'tap'
import { isUnder, localAddress, localPath, signInAddress } from '../../../lib/http/return-to.ts'

const origin = 'https://app.example.com'

t.test('a path of the own origin is kept, in its one form', t => {
  for (const [text, path] of [
    ['/', '/'], ['/orders', '/orders'], ['/orders/42?page=2&q=a%20b', '/orders/42?page=2&q=a%20b'], ['/%6frders', '/orders'], ['/a%e2%82%ac', '/a%E2%82%AC'],
    ['/a?next=//evil.example', '/a?next=//evil.example'], ['/a?next=https://evil.example', '/a?next=https://evil.example'], ['/@evil.example', '/@evil.example'], ['/a:b', '/a:b'], [`/${'a'.repeat(12_285)}`, `/${'a'.repeat(12_285)}`]
  ] as const) t.equal(localPath(text, origin), path, text)
  t.end()
})

t.test('what leads elsewhere, or could be read so, is no path', t => {
  for (const text of [
    '', 'orders', '//evil.example', '///evil.example', '/\\evil.example', '\\\\evil.example', '/\\/evil.example', '/a\\b', '/a?b\\c', 'https://evil.example', 'https:evil.example', 'https:/evil.example', 'javascript:alert(1)', 'data:text/html,x',
    '/\t/evil.example', '/\n/evil.example', '/\r\n/evil.example', '\t//evil.example', ' /orders', '/orders ', '/%09/evil.example', '/%0a/evil.example', '/%0d%0aLocation:x', '/%2f/evil.example', '/%2Fevil.example', '/%5cevil.example', '/%252fevil.example',
    '/./evil', '/.//evil.example', '/../evil', '/a/..//evil.example', '/%2e%2e/evil', '/a//evil.example', '/;@evil.example', '/a#b', '/é', '/\u2028/evil.example', '/\uff0fevil.example', '/\0', '/%00', '/%', '/%zz', '?a=b', '#a', '.evil.example', '@evil.example', `/${'a'.repeat(12_286)}`, `/${'?'.repeat(5000)}`
  ]) t.equal(localPath(text, origin), null, encodeURI(text))
  t.end()
})

t.test('whatever is kept, browsers read as a path of the own origin', t => {
  const pieces = ['/', '//', '\\', '.', '..', '%2f', '%5c', '%09', '\t', '\n', 'evil.example', '@', ':', 'https:', '?', '#', ';', 'a', '%61']
  const tails = pieces.flatMap(one => pieces.flatMap(two => pieces.map(three => `${one}${two}${three}`)))
  const kept = pieces.flatMap(piece => tails.map(tail => localPath(`/${piece}${tail}`, origin))).filter(path => path !== null)
  const elsewhere = kept.filter(path => {
    const url = new URL(path, `${origin}/auth/sign-in`)
    return url.origin !== origin || !path.startsWith(`${url.pathname}${url.search}`)
  })
  t.same(elsewhere, [])
  t.ok(kept.length > 100)
  t.end()
})

t.test('a fragment goes with its path, and makes no other place of it', t => {
  for (const [text, address] of [
    ['/app#/deep/5', '/app#/deep/5'], ['/%61pp?a=b#c?d#e', '/app?a=b#c?d#e'], ['/app#', '/app#'], ['/app', '/app'], ['/#//evil.example', '/#//evil.example'],
    ['//evil.example#/app', null], ['#//evil.example', null], ['/a#\\b', null], ['/a#b c', null], ['/a#\r\nX: y', null], ['/a#é', null], [`/a#${'b'.repeat(12_286)}`, null]
  ] as const) t.equal(localAddress(text, origin), address, encodeURI(text))
  for (const path of ['/auth#x', '/auth/account#x']) t.ok(isUnder(path, '/auth'), path)
  t.end()
})

t.test('a prefix is whole segments', t => {
  for (const path of ['/auth', '/auth/', '/auth/x', '/auth?x']) t.ok(isUnder(path, '/auth'), path)
  for (const path of ['/', '/authors', '/auth-x', '/x/auth', '/au']) t.notOk(isUnder(path, '/auth'), path)
  t.end()
})

t.test('the path is one value of the sign-in page\'s address, whatever is in it', t => {
  const address = new URL(signInAddress('/auth/sign-in', '/a?b=c&d=e%20f', { isStepUp: true }), origin)
  t.same([address.pathname, ...address.searchParams], ['/auth/sign-in', ['step_up', '1'], ['return_to', '/a?b=c&d=e%20f']])
  t.equal(signInAddress('/auth/sign-in', null), '/auth/sign-in')
  t.end()
})

import fc from 'fast-check'
import t from 'tap'
import { canonicalPath, pathFault } from '../../../lib/http/canonical-path.ts'

/*
 * The gateway decides on one reading of the path and the upstream acts on another: that is how `/public/..%2fadmin` gets past
 * a rule for `/admin`. So there is one reading, and what has two is refused.
 */

t.test('ordinary targets come back as they are', async t => {
  for (const target of ['/', '/a', '/a/', '/a/b.c/d', '/a.b', '/...', '/a/.b', '/..a', '/a..', "/a-b_c~d!$&'()*+,=:@", '/a?', '/a?b=c&d=%zz;//../\\', '/?/../x', '/a?caf\xe9', '/a|b"<>^`{}[]']) {
    t.equal(canonicalPath(target), target, target)
  }
})

t.test('unreserved characters are decoded and other escapes are in upper case', async t => {
  for (const [target, canonical] of [
    ['/%61dm', '/adm'], ['/%41%2D%2e%5f%7E', '/A-._~'], ['/a%20b', '/a%20b'], ['/caf%c3%a9', '/caf%C3%A9'], ['/a%3fb', '/a%3Fb'], ['/a%23b', '/a%23b'],
    ['/100%25', '/100%25'], ['/%25zz', '/%25zz'], ['/%25a', '/%25a'], ['/%61?%61', '/a?%61'], ['/a%2eb/%2e%2e%2e', '/a.b/...']
  ] as const) t.equal(canonicalPath(target), canonical, target)
})

t.test('what two parsers could read in two ways is refused', async t => {
  for (const target of [
    '', '*', 'a', '?a', 'http://a/', 'https://a', 'a:80', '//', '//a', '/a//b', '/a//', '/.', '/..', '/./a', '/a/..', '/a/./b', '/a/../b', '/..?x', '/%2e', '/%2E%2e/a', '/a/.%2e',
    '/a;b', '/;', '/a%3bb', '/a%3B', '/a\\b', '/a%5cb', '/%5C', '/a%2fb', '/%2F', '/a%00', '/a%0a', '/a%1f', '/a%7F', '/a\0', '/a\n', '/a b', '/a\x7f', '/a#b', '/a?b#c', '/a?b c', '/a?b\n',
    '/%', '/a%', '/a%2', '/a%2g', '/a%g2', '/a%%20', '/%2561', '/%25%36%31', '/%252e%252e/a', '/%25ff', '/\xe9', '/\u0101', '/a?\u0101', '/%e9', '/%c0%af', '/%c0%ae', '/%ed%a0%80', '/%f8%88%80%80%80'
  ]) t.equal(canonicalPath(target), null, JSON.stringify(target))
})

const pieces = fc.constantFrom('/', '.', '..', '%', '%2', '%2e', '%2E', '%2f', '%5c', '\\', ';', '%3b', '//', 'a', 'adm', '%61', '%2561', '%25', '61', 'é', '%c3%a9', '?', '#', ' ', '%00', '%20', 'A', '%41')
const targets = fc.oneof(fc.array(pieces, { maxLength: 12 }).map(parts => `/${parts.join('')}`), fc.string({ unit: 'binary', maxLength: 20 }).map(text => `/${text}`))

t.test('canonical paths stay as they are', async () => {
  fc.assert(fc.property(targets, target => {
    const canonical = canonicalPath(target)
    return canonical === null || canonicalPath(canonical) === canonical
  }), { numRuns: 20_000 })
})

/** How careless upstreams read a path: decoded as often as it goes, backslashes as slashes, parameters cut off, dots resolved. */
function readCarelessly (target: string): string {
  let path = target.split(/[?#]/)[0]!
  for (let i = 0; i < 3; i++) {
    try {
      path = decodeURIComponent(path)
    } catch {
      break
    }
  }
  const segments: string[] = []
  for (const segment of path.replaceAll('\\', '/').split('/').map(part => part.split(';')[0]!)) {
    if (segment === '..') segments.pop()
    else if (segment !== '' && segment !== '.') segments.push(segment)
  }
  return `/${segments.join('/')}`
}

t.test('a careless reader never finds another first segment than we do', async () => {
  fc.assert(fc.property(targets, target => {
    const canonical = canonicalPath(target)
    if (canonical === null) return true
    const ours = canonical.split('?')[0]!.split('/')[1]!
    return readCarelessly(canonical).split('/')[1] === decodeURIComponent(ours).split(/[?#]/)[0] || /%(?:3F|23|25)/.test(ours)
  }), { numRuns: 20_000 })
})

t.test('escapes are looked at in paths up to a length, plain characters in any', async t => {
  t.equal(canonicalPath(`/${'%61'.repeat(21_845)}`), `/${'a'.repeat(21_845)}`)
  t.equal(canonicalPath(`/${'%61'.repeat(21_846)}`), null)
  t.equal(canonicalPath(`/%61?${'a'.repeat(100_000)}`), `/a?${'a'.repeat(100_000)}`)
  t.equal(canonicalPath(`/${'a/'.repeat(100_000)}`), `/${'a/'.repeat(100_000)}`)
})

t.test('a long path is judged in linear time', async t => {
  const before = process.cpuUsage()
  for (const target of [`/${'a/'.repeat(8000)}%`, `/${'%61'.repeat(5000)}`, `/${'.'.repeat(16000)}/..`, `/${'a'.repeat(16000)}\\`, `/?${'a'.repeat(16000)}#`]) canonicalPath(target)

  const { user, system } = process.cpuUsage(before)
  t.ok(user + system < 200_000, 'microseconds of the processor, which other programs do not lengthen')
})

t.test('the fault of a refused path is named by its kind, and an ordinary path is never asked for one', async t => {
  const faults: Array<[string, string]> = [
    ['http://a/b', 'the target is no path'], ['*', 'the target is no path'], ['', 'the target is no path'], ['/a#b', 'a fragment (#)'],
    ['/a\\b', 'a backslash'], ['/a%5Cb', 'a backslash'], ['/a;b', 'a semicolon'], ['/a%3bb', 'a semicolon'], ['/a%2Fb', 'an encoded slash (%2F)'],
    ['/a%252e', 'a double encoding (%25 before two hexadecimal digits)'], ['/a%25%32%65', 'a double encoding (%25 before two hexadecimal digits)'],
    ['/a%', 'an incomplete escape (%)'], ['/a%zz', 'an incomplete escape (%)'], ['/a%00', 'a control character or a space'], ['/a%7f', 'a control character or a space'],
    ['/a\u00e9', 'a character outside ASCII that is not escaped'], ['//a', 'an empty segment (//)'], ['/a//', 'an empty segment (//)'],
    ['/../a', 'a dot segment'], ['/a/.', 'a dot segment'], ['/a/%2e%2E/b', 'a dot segment'], ['/a%ff', 'escapes that are not UTF-8'],
    ['/a?\u0001', 'a character that may not be in a query'], [`/${'a'.repeat(70_000)}%41`, 'escapes in a path of more than 65536 characters']
  ]
  for (const [target, fault] of faults) {
    t.equal(canonicalPath(target), null, target.slice(0, 40))
    t.equal(pathFault(target), fault, target.slice(0, 40))
  }
})

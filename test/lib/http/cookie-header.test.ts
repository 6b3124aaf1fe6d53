import fc from 'fast-check'
import t from 'tap'
import { readCookie } from '../../../lib/http/cookie-header.ts'

const name = '__Host-Http-portcullis'

t.test('a cookie is found wherever it stands', async t => {
  for (const header of [`${name}=v`, `a=1; ${name}=v`, `${name}=v; a=1`, `a=1;${name}=v;b=2`, `a=1;\t ${name}=v `, `; ;${name}=v;`]) t.equal(readCookie(header, name), 'v', header)
  t.equal(readCookie(`${name}=`, name), '')
  t.equal(readCookie(`${name}=a=b`, name), 'a=b')
})

t.test('names that only look alike are not the cookie', async t => {
  for (const header of ['', name, `x${name}=v`, `${name}x=v`, `${name} =v`, `a=${name}=v`, `a="${name}=v"`, '__host-portcullis=v', '__HOST-PORTCULLIS=v', `=${name}=v`, `x ${name}=v`, `$${name}=v`]) {
    t.equal(readCookie(header, name), null, header)
  }
  t.equal(readCookie(undefined, name), null)
})

t.test('the same cookie twice is refused, also with equal or empty values', async t => {
  for (const header of [`${name}=a; ${name}=b`, `${name}=a;${name}=a`, `${name}=; x=1; ${name}=a`, `${name}=;${name}=`]) {
    t.throws(() => readCookie(header, name), { code: 'PTC_ERR_COOKIE_DUPLICATE' }, header)
  }
})

t.test('white space of other kinds is part of a value', async t => {
  for (const odd of ['\xa0', '\x0b', '\f', '\ufeff', '\u2028']) {
    t.equal(readCookie(`${name}=v${odd}; a=1`, name), `v${odd}`)
    t.equal(readCookie(`${name}=${odd}v`, name), `${odd}v`)
  }
})

/** RFC 6265, section 5.4 turned around, without any cleverness. */
function readNaively (header: string, name: string): string | null | 'duplicate' {
  const values = header.split(';').flatMap(pair => {
    const trimmed = pair.replace(/^[ \t]+/, '').replace(/[ \t]+$/, '')
    const at = trimmed.indexOf('=')
    return at !== -1 && trimmed.slice(0, at) === name ? [trimmed.slice(at + 1).replace(/^[ \t]+/, '')] : []
  })
  return values.length > 1 ? 'duplicate' : values[0] ?? null
}

function readOrDuplicate (header: string, name: string): string | null {
  try {
    return readCookie(header, name)
  } catch {
    return 'duplicate'
  }
}

t.test('every header is read as a naive parser reads it', async () => {
  const piece = fc.constantFrom('n', 'nn', '=', ';', ' ', '\t', 'x', 'n=', '; n=', 'N', '"', ',', '\u00a0', '\ufeff')
  fc.assert(fc.property(fc.array(piece, { maxLength: 12 }).map(pieces => pieces.join('')), fc.constantFrom('n', 'nn'), (header, name) => {
    return readOrDuplicate(header, name) === readNaively(header, name)
  }), { numRuns: 5000 })
})

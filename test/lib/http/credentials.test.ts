import type { IncomingMessage } from 'node:http'
import t from 'tap'
import fc from 'fast-check'
import { readBearer, readCookie } from '../../../lib/http/credentials.ts'
import { parseToken } from '../../../lib/jwt/jws.ts'

/** As Node hands it over: the first Authorization header in `headers`, all of them in `rawHeaders`. */
function request (...authorization: string[]): IncomingMessage {
  const rawHeaders = ['Host', 'app.example.com', ...authorization.flatMap(value => ['AuthorIzation', value])]
  const [first] = authorization
  return { headers: first === undefined ? {} : { authorization: first }, rawHeaders } as unknown as IncomingMessage
}

t.test('the token follows the scheme, in any case', async t => {
  t.equal(readBearer(request('Bearer a.b-c_d~e+f/g==')), 'a.b-c_d~e+f/g==')
  t.equal(readBearer(request('bEaReR abc')), 'abc')
  t.equal(readBearer(request('Bearer   abc')), 'abc')
})

t.test('no header and other schemes carry no bearer token', async t => {
  for (const authorization of [[], ['Basic YWRhOnNlY3JldA=='], ['Bearertoken abc'], ['DPoP abc'], ['']]) {
    t.equal(readBearer(request(...authorization)), null, authorization.join())
  }
})

t.test('no word, or more than one, after the scheme is refused', async t => {
  for (const value of ['Bearer', 'Bearer ', 'Bearer a b', 'Bearer a ', 'Bearer a, Bearer b']) {
    t.throws(() => readBearer(request(value)), { code: 'PTC_ERR_TOKEN_INVALID' }, JSON.stringify(value))
  }
})

t.test('a word that cannot be a token is handed over as it is, and is no token there', async t => {
  for (const word of ['a,b', 'a\tb', 'ä', '=', 'a=b', '"a"', 'a\n']) {
    const token = readBearer(request(`Bearer ${word}`))
    t.equal(token, word)
    t.equal(parseToken(token ?? ''), null, word)
  }
})

t.test('two Authorization headers are refused, whichever schemes and order', async t => {
  for (const values of [['Bearer a', 'Bearer a'], ['Basic YQ==', 'Bearer a'], ['Bearer a', 'Basic YQ=='], ['Basic YQ==', 'Basic YQ==']]) {
    t.throws(() => readBearer(request(...values)), { code: 'PTC_ERR_CREDENTIALS_AMBIGUOUS' }, values.join())
  }
})

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

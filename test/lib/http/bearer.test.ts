import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { readBearer } from '../../../lib/http/bearer.ts'
import { parseToken } from '../../../lib/jwt/token-format.ts'

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

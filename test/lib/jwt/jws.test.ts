import { createPublicKey } from 'node:crypto'
import t from 'tap'
import fc from 'fast-check'
import { generateKey, importKey, type SigningAlgorithm, type SigningKey } from '../../../lib/jwt/signing-key.ts'
import { signToken } from '../../helpers/sign-token.ts'
import { hasGoodSignature, maxTokenLength, parseToken } from '../../../lib/jwt/jws.ts'

const keys = Object.fromEntries((['ES256', 'EdDSA', 'RS256'] as const).map(algorithm => [algorithm, importKey(generateKey(algorithm), algorithm, { createdAtMs: 0, signsFromMs: 0 })])) as Record<SigningAlgorithm, SigningKey>

function split (token: string): { input: string, signature: Buffer } {
  const at = token.lastIndexOf('.')
  return { input: token.slice(0, at), signature: Buffer.from(token.slice(at + 1), 'base64url') }
}

for (const key of Object.values(keys)) {
  t.test(`${key.algorithm}: what was signed verifies, and nothing that was changed does`, async t => {
    const token = signToken(key, 'at+jwt', { sub: 'ada' })
    const { input, signature } = split(token)
    const [header = ''] = token.split('.')

    t.same(JSON.parse(Buffer.from(header, 'base64url').toString()), { alg: key.algorithm, typ: 'at+jwt', kid: key.kid })
    t.ok(hasGoodSignature(key, input, signature))
    t.notOk(hasGoodSignature(key, `${input}x`, signature))
    for (const at of [0, signature.length >> 1, signature.length - 1]) {
      const changed = Buffer.from(signature)
      changed[at] = (changed[at] ?? 0) ^ 1
      t.notOk(hasGoodSignature(key, input, changed))
    }
    for (const wrong of [Buffer.alloc(0), Buffer.alloc(1), Buffer.alloc(signature.length), signature.subarray(1), Buffer.concat([signature, Buffer.alloc(1)])]) t.notOk(hasGoodSignature(key, input, wrong), String(wrong.length))
  })

  t.test(`${key.algorithm}: the signature of another key, or algorithm, is no good`, async t => {
    const other = importKey(generateKey(key.algorithm), key.algorithm, { createdAtMs: 0, signsFromMs: 0 })
    const { input, signature } = split(signToken(other, 'at+jwt', {}))
    t.notOk(hasGoodSignature(key, input, signature))
    for (const foreign of Object.values(keys)) if (foreign !== key) t.notOk(hasGoodSignature(key, input, split(signToken(foreign, 'at+jwt', {})).signature))
  })

  t.test(`${key.algorithm}: the published key has no private member and is named by its thumbprint`, async t => {
    const { kid, use, alg, ...members } = key.publicJwk
    t.equal(kid, key.kid)
    t.match({ use, alg }, { use: 'sig', alg: key.algorithm })
    for (const name of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth']) t.notOk(name in members, name)
    t.ok(createPublicKey({ key: members, format: 'jwk' }).equals(key.publicKey))
    t.equal(importKey(key.privateKey.export({ format: 'jwk' }), key.algorithm, { createdAtMs: 0, signsFromMs: 0 }).kid, kid)
  })
}

t.test('thumbprints are those of RFC 7638', async t => {
  const jwk = {
    kty: 'OKP', crv: 'Ed25519', d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'
  }
  // RFC 8037, appendix A.3.
  t.equal(importKey(jwk, 'EdDSA', { createdAtMs: 0, signsFromMs: 0 }).kid, 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
})

const encode = (text: string | Uint8Array): string => Buffer.from(text).toString('base64url')
const header = encode('{"alg":"ES256"}')
const claims = encode('{"sub":"ada"}')
const signature = encode(Buffer.alloc(64, 0xff))
const good = `${header}.${claims}.${signature}`

t.test('a compact token is told apart into what was signed and by what', async t => {
  t.same(parseToken(good), { header: { alg: 'ES256' }, claims: { sub: 'ada' }, signingInput: `${header}.${claims}`, signature: Buffer.alloc(64, 0xff) })
})

t.test('other spellings of a token are refused', async t => {
  const spellings: Record<string, string> = {
    padding: `${header}=.${claims}.${signature}`,
    'padding at the end': `${good}==`,
    'white space in front': ` ${good}`,
    'white space behind': `${good} `,
    'a line break behind': `${good}\n`,
    'white space inside': `${header}. ${claims}.${signature}`,
    'the other alphabet': good.replaceAll('_', '/'),
    'an unused bit in the signature': `${header}.${claims}.${signature.slice(0, -1)}${String.fromCharCode(signature.charCodeAt(signature.length - 1) + 1)}`,
    'a form feed': `${header}.\f${claims}.${signature}`,
    'a null character': `${header}.${claims}\0.${signature}`
  }
  for (const [name, token] of Object.entries(spellings)) {
    t.not(token, good, name)
    t.equal(parseToken(token), null, name)
  }
})

t.test('any other number of parts is refused', async t => {
  for (const token of ['', '.', '..', '...', header, `${header}.${claims}`, `${header}.${claims}.`, `.${claims}.${signature}`, `${header}..${signature}`, `${good}.`, `.${good}`, `${good}.${signature}`, `${header}.k.iv.text.tag`]) t.equal(parseToken(token), null, token)
})

t.test('what is no JSON object in plain UTF-8 is refused, in header and claims', async t => {
  const parts: Record<string, string> = {
    array: encode('[]'),
    'array of objects': encode('[{"alg":"ES256"}]'),
    text: encode('"alg"'),
    number: encode('1'),
    null: encode('null'),
    'broken JSON': encode('{"alg":'),
    'two values': encode('{}{}'),
    'single quotes': encode("{'alg':'ES256'}"),
    comment: encode('{/**/}'),
    'byte order mark': encode('\ufeff{}'),
    'a name twice': encode('{"alg":"none","alg":"ES256"}'),
    'a name twice, once escaped': encode('{"aud":"billing","\\u0061ud":"orders"}'),
    'a name twice, deeper': encode('{"cnf":[{"jkt":"a","jkt":"b"}]}'),
    'too many levels': encode(`{"a":${'['.repeat(16)}${']'.repeat(16)}}`),
    'thousands of levels': encode(`{"a":${'['.repeat(2500)}${']'.repeat(2500)}}`),
    'UTF-16': encode(Buffer.from('{}', 'utf16le')),
    'invalid UTF-8': encode(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)),
    'overlong UTF-8': encode(Uint8Array.of(0x7b, 0x22, 0xc0, 0xa2, 0x22, 0x3a, 0x31, 0x7d)),
    'surrogate in UTF-8': encode(Uint8Array.of(0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d))
  }
  for (const [name, part] of Object.entries(parts)) {
    t.equal(parseToken(`${part}.${claims}.${signature}`), null, `header: ${name}`)
    t.equal(parseToken(`${header}.${part}.${signature}`), null, `claims: ${name}`)
  }
})

t.test('a name may stand once on each level, and sixteen levels are enough', async t => {
  const nested = `{"a":{"a":"a\\":","b":["a",{"a":${'['.repeat(12)}${']'.repeat(12)}}]}}`
  t.ok(parseToken(`${header}.${encode(nested)}.${signature}`))
})

t.test('a token that is too long is refused, one of exactly the length is not', async t => {
  const filled = (length: number): string => {
    const rest = length - header.length - signature.length - 2
    const bytes = Math.floor(rest * 3 / 4)
    return `${header}.${encode(`{"a":"${'x'.repeat(bytes - 8)}"}`)}.${signature}`
  }
  const longest = filled(maxTokenLength)
  t.ok(longest.length <= maxTokenLength && longest.length > maxTokenLength - 4)
  t.ok(parseToken(longest))
  t.equal(parseToken(filled(maxTokenLength + 8)), null)
  t.equal(parseToken('A'.repeat(10_000_000)), null)
})

t.test('a member called __proto__ changes no prototype', async t => {
  const parsed = parseToken(`${header}.${encode('{"__proto__":{"sub":"eve"}}')}.${signature}`)

  t.equal(parsed?.claims['sub'], undefined)
})

t.test('one token has one spelling: no single changed character of it is the same token', async () => {
  const alphabet = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.+/ \n']
  fc.assert(fc.property(fc.nat(good.length - 1), fc.constantFrom(...alphabet), (at, character) => {
    const changed = good.slice(0, at) + character + good.slice(at + 1)
    const parsed = parseToken(changed)
    if (changed === good || parsed === null) return true
    return `${parsed.signingInput}.${parsed.signature.toString('base64url')}` === changed
  }), { numRuns: 2000 })
})

t.test('every object survives', async () => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.uint8Array({ minLength: 1 }), (object, bytes) => {
    const json = JSON.stringify(object)
    const parsed = parseToken(`${header}.${encode(json)}.${encode(bytes)}`)
    return JSON.stringify(parsed?.claims) === JSON.stringify(JSON.parse(json)) && Buffer.from(bytes).equals(parsed?.signature ?? Buffer.alloc(0))
  }))
})

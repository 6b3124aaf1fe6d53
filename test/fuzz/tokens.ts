import fc, { type Arbitrary } from 'fast-check'
import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { createProbe, type Phase, type Probe } from './campaign.ts'
import { long, mutation, oddity, rarely, withoutLines } from './mutations.ts'
import { personOf } from './oracle.ts'
import type { People } from './people.ts'

/*
 * Access tokens: genuine ones with changed bits, characters and parts; other headers and other claims under the old signature,
 * under keys of our own, under the gateway's public key taken for a shared secret; other genuine texts passed off as one.
 */

const keys = {
  ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  ed: generateKeyPairSync('ed25519').privateKey,
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
}

const encode = (text: string): string => Buffer.from(text, 'utf8').toString('base64url')
const partsOf = (token: string): [string, string, string] => token.split('.') as [string, string, string]
const jsonOf = (part: string): Record<string, unknown> => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>

/** Values for a member of header or claims; `keep` leaves the member as it is, `drop` removes it. */
const value: Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown[]>(null, true, 0, -1, 1e308, 4_000_000_000, '', 'none', 'None', 'HS256', 'HS512', 'RS256', 'PS256', 'ES384', 'EdDSA', 'dir', 'JWT', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'secevent+jwt', 'admin', 'ada', 'orders', '*', [], ['orders'], {}, { toString: 'a' }, '../../dev/null', "' OR 1=1", 'https://app.example.com', 'https://app.example.com/'),
  fc.jsonValue({ maxDepth: 2 })
)

const headerNames = ['alg', 'typ', 'kid', 'jwk', 'jku', 'x5u', 'x5c', 'crit', 'b64', 'zip', 'enc', 'cty', '__proto__', 'constructor']
const claimNames = ['iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'jti', 'sid', 'auth_time', 'acr', 'amr', 'scope', 'client_id', 'epoch', 'gen', 'cnf', '__proto__', 'toString']

type Change = (json: string) => string

function change (names: string[]): Arbitrary<Change> {
  const name = fc.constantFrom(...names)
  return fc.oneof(
    { weight: 6, arbitrary: fc.tuple(name, value).map(([key, other]): Change => json => JSON.stringify({ ...JSON.parse(json) as object, [key]: other })) },
    { weight: 2, arbitrary: name.map((key): Change => json => JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(json) as object).filter(([given]) => given !== key)))) },
    // The same name twice, where parsers differ in which one counts.
    fc.tuple(name, value).map(([key, other]): Change => json => `{${JSON.stringify(key)}:${JSON.stringify(other)},${json.slice(1)}`),
    fc.tuple(name, value).map(([key, other]): Change => json => `${json.slice(0, -1)},${JSON.stringify(key)}:${JSON.stringify(other)}}`),
    fc.nat(2500).map((depth): Change => json => `${json.slice(0, -1)},"deep":${'['.repeat(depth)}${']'.repeat(depth)}}`),
    fc.constantFrom<Change>(json => `\ufeff${json}`, json => ` ${json}\n`, json => json.replace(':', ' : '), json => json.replace('a', '\\u0061'), json => `[${json}]`, json => json.slice(0, -1), json => `${json}${json}`, () => '', () => 'null', () => '{}')
  )
}

type Sign = (input: string, genuine: string, people: People) => string

const signature: Arbitrary<Sign> = fc.constantFrom<Sign>(
  (_, genuine) => genuine,
  () => '',
  () => Buffer.alloc(64).toString('base64url'),
  input => sign('sha256', Buffer.from(input), { key: keys.ec, dsaEncoding: 'ieee-p1363' }).toString('base64url'),
  input => sign('sha256', Buffer.from(input), keys.ec).toString('base64url'),
  input => sign(null, Buffer.from(input), keys.ed).toString('base64url'),
  input => sign('sha256', Buffer.from(input), keys.rsa).toString('base64url'),
  (input, _, { jwks }) => createHmac('sha256', JSON.stringify(jwks.keys[0])).update(input).digest('base64url'),
  (input, _, { jwks }) => createHmac('sha256', String(jwks.keys[0]?.kid)).update(input).digest('base64url'),
  input => createHmac('sha256', '').update(input).digest('base64url')
)

function forged (people: People, token: Arbitrary<string>): Arbitrary<string> {
  const none: Change = json => json
  return fc.record({ token, header: fc.oneof(fc.constant(none), change(headerNames)), claims: fc.oneof(fc.constant(none), change(claimNames)), signature })
    .map(({ token, header, claims, signature }) => {
      const [head, body, genuine] = partsOf(token)
      const input = `${encode(header(JSON.stringify(jsonOf(head))))}.${encode(claims(JSON.stringify(jsonOf(body))))}`
      return `${input}.${signature(input, genuine, people)}`
    })
}

/** Parts of several tokens in any number and order. */
function spliced (token: Arbitrary<string>): Arbitrary<string> {
  return fc.array(fc.tuple(token, fc.nat(2)).map(([from, part]) => partsOf(from)[part]!), { minLength: 0, maxLength: 6 }).map(parts => parts.join('.'))
}

/** Bits of the last character that no byte is made of: the same bytes, spelt otherwise. */
function respelt (token: Arbitrary<string>): Arbitrary<string> {
  return token.chain(genuine => fc.constantFrom(...['=', '==', '.', '%3D', '\t', ' '].map(end => genuine + end), ...[1, 2, 3].map(bits => genuine.slice(0, -1) + otherBits(genuine.at(-1)!, bits)), genuine.replaceAll('-', '+').replaceAll('_', '/'), `${genuine},${genuine}`, `"${genuine}"`))
}

function otherBits (character: string, bits: number): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return alphabet[alphabet.indexOf(character) ^ bits] ?? 'A'
}

const scheme = fc.oneof({ weight: 8, arbitrary: fc.constant('Bearer ') }, fc.constantFrom('bearer ', 'BEARER  ', 'Bearer\t', 'Bearer', 'Bearer=', 'Basic ', 'DPoP ', 'Bearer, ', 'Bearer Bearer ', ' Bearer ', '', 'Bearer \xa0', 'Bearer token='))

const places: Array<readonly [method: string, target: string]> = [['GET', '/orders/1'], ['POST', '/orders'], ['GET', '/named/1'], ['GET', '/pub/1'], ['GET', '/carried/1'], ['GET', '/auth/session'], ['GET', '/auth/sessions'], ['DELETE', '/auth/sessions/AAAAAAAAAAAAAAAAAAAAAA'], ['POST', '/auth/logout']]

function arbitrary (people: People): Arbitrary<Probe> {
  const token = fc.constantFrom(...people.tokens.map(known => known.token))
  const text = fc.oneof(
    { weight: 6, arbitrary: forged(people, token) },
    { weight: 6, arbitrary: fc.tuple(token, mutation).map(([genuine, mutate]) => mutate(genuine)) },
    { weight: 2, arbitrary: spliced(token) },
    { weight: 1, arbitrary: respelt(token) },
    { weight: 1, arbitrary: token },
    { weight: 1, arbitrary: fc.constantFrom(...people.others) },
    { weight: 1, arbitrary: long(65_536) },
    { weight: 1, arbitrary: fc.tuple(token, long(65_536)).map(([genuine, more]) => genuine + more) },
    { weight: 1, arbitrary: fc.array(oddity, { maxLength: 6 }).map(odd => odd.join('')) }
  )
  const second = rarely(12, fc.oneof(fc.constantFrom('Basic YTpi', 'Bearer a.b.c', ''), token.map(genuine => `Bearer ${genuine}`)))
  return fc.record({ scheme, text, second, first: fc.boolean(), place: fc.constantFrom(...places) }).map(({ scheme, text, second, first, place: [method, target] }): Probe => {
    const values = [withoutLines(scheme + text), ...second === null ? [] : [second]]
    const sent: Probe = { method, target, headers: (first ? values : values.toReversed()).map(value => ['Authorization', value] as const), body: null }
    // A good one signs its owner out there: that is no mutation.
    return target === '/auth/logout' && personOf(sent, people, 'origin') !== null ? { ...sent, target: '/orders/1' } : sent
  })
}

export const tokens: Phase<Probe> = { name: 'access tokens', share: 0.32, parallel: 16, arbitrary, ...createProbe() }

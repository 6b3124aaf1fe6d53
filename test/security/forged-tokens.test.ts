import { createHmac, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import t from 'tap'
import { checkConfig } from '../../config/load.ts'
import type { SigningAlgorithm, SigningKey } from '../../lib/jwt/signing-key.ts'
import { assertAllRefused, bearer, statusOf } from '../helpers/bearer.ts'
import { origin, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { claimsOf, partsOf } from '../helpers/credentials.ts'
import { encode, signForeign } from '../helpers/foreign-issuer.ts'
import { assertProblem } from '../helpers/problem.ts'

/*
 * Somebody without the key makes a token: they change a bit of a good one, sign with nothing or with a word that somebody may have
 * chosen for a secret, or take what everybody may read, the public key, for a shared secret: in each of the encodings that a
 * library once failed to recognise as a public key. Or they name another algorithm than the key's, for which its bytes may do.
 */

const algorithms: SigningAlgorithm[] = ['ES256', 'EdDSA', 'RS256']

function * withOneBitChanged (token: string, only?: number): Generator<[string, string]> {
  const parts = token.split('.')
  for (const [index, part] of parts.entries()) {
    if (only !== undefined && index !== only) continue
    const bytes = Buffer.from(part, 'base64url')
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      yield [`${['header', 'claims', 'signature'][index]!} bit ${bit}`, parts.with(index, changed.toString('base64url')).join('.')]
    }
  }
}

t.test('no bit of a token can be changed, in its header, its claims or its signature', async t => {
  for (const algorithm of algorithms) {
    const { app, url } = await startGateway(t, { keys: { algorithm } })
    const { token } = await signInForTokens(url, 'ada', ['origin'])

    // What is signed is read alike whatever has signed it, so that is tried once, and each kind of signature as well.
    await assertAllRefused(t, app, withOneBitChanged(token, algorithm === 'ES256' ? undefined : 2))

    t.equal(await statusOf(app, token), 200)
  }
})

/** Everything that is published of a key, as some library may once have taken it for an HMAC secret. */
function publicEncodings ({ publicKey, publicJwk, kid }: SigningKey, published: string): Map<string, string | Buffer> {
  const pems = [publicKey.export({ type: 'spki', format: 'pem' }).toString()]
  const ders = [publicKey.export({ type: 'spki', format: 'der' })]
  if (publicKey.asymmetricKeyType === 'rsa') {
    pems.push(publicKey.export({ type: 'pkcs1', format: 'pem' }).toString())
    ders.push(publicKey.export({ type: 'pkcs1', format: 'der' }))
  }
  const secrets = new Map<string, string | Buffer>([['the published set', published], ['kid', kid], ['JWK', JSON.stringify(publicJwk)], ['indented JWK', JSON.stringify(publicJwk, null, 2)], ['required members alone', JSON.stringify(publicKey.export({ format: 'jwk' }))], ['a set of one', JSON.stringify({ keys: [publicJwk] })]])
  for (const name of ['x', 'y', 'n', 'e'] as const) {
    const member = publicJwk[name]
    if (member !== undefined) secrets.set(`member ${name}`, member).set(`bytes of member ${name}`, Buffer.from(member, 'base64url'))
  }
  for (const der of ders) secrets.set(`DER of ${der.length} bytes`, der).set(`base64 of DER of ${der.length} bytes`, der.toString('base64')).set(`base64url of DER of ${der.length} bytes`, der.toString('base64url'))
  for (const pem of pems) {
    const label = pem.slice(0, 30)
    for (const [what, text] of Object.entries({
      as: pem,
      trimmed: pem.trim(),
      'space before': ` ${pem}`,
      'line break before': `\n${pem}`,
      'tab before': `\t${pem}`,
      'NUL before': `\0${pem}`,
      'byte order mark before': `\ufeff${pem}`,
      'a comment before': `# the key\n${pem}`,
      'headers before': `Bag Attributes: none\n${pem}`,
      'line break behind': `${pem}\n`,
      'NUL behind': `${pem}\0`,
      'Windows line ends': pem.replaceAll('\n', '\r\n'),
      'no line ends': pem.replaceAll('\n', ''),
      'without its frame': pem.replaceAll(/-----.*-----\n/g, ''),
      'another label': pem.replaceAll(/(BEGIN|END) (RSA )?PUBLIC KEY/g, '$1 CERTIFICATE'),
      twice: pem + pem
    })) secrets.set(`${label} ${what}`, text)
  }
  return secrets
}

const guessable = ['', ' ', '\0', 'null', 'undefined', 'none', 'secret', 'Secret', 'password', 'changeme', 'changeit', 'your-256-bit-secret', 'your_jwt_secret', 'jwt', 'key', 'test', 'admin', '0', '123456', 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow', origin, 'portcullis', '0'.repeat(32), 'A'.repeat(43), Buffer.alloc(32), Buffer.alloc(64)]

t.test('neither what is published of a key nor a guessable word is a shared secret', async t => {
  for (const algorithm of algorithms) {
    const { app, url } = await startGateway(t, { keys: { algorithm } })
    const { token } = await signInForTokens(url, 'ada', ['origin'])
    const { header, claims } = partsOf(token)
    const secrets = publicEncodings(app.portcullis.keys.current(), await (await fetch(`${url}/.well-known/jwks.json`)).text())
    for (const [index, word] of guessable.entries()) secrets.set(`word ${index}`, word)

    await assertAllRefused(t, app, (function * () {
      for (const alg of ['HS256', 'HS384', 'HS512', 'hs256', algorithm]) {
        for (const [what, secret] of secrets) {
          for (const kid of what.startsWith('word') ? [header['kid'], undefined, '', 'unknown'] : [header['kid']]) {
            const input = `${encode({ ...header, alg, kid })}.${encode(claims)}`
            yield [`${alg} with ${what}`, `${input}.${createHmac(`sha${/384|512/.exec(alg)?.[0] ?? '256'}`, secret).update(input).digest('base64url')}`] as const
          }
        }
      }
    })())

    t.equal(await statusOf(app, token), 200)
  }
})

t.test('a key verifies with its own algorithm alone, spelt exactly, though the signature be made with the key itself', async t => {
  for (const algorithm of algorithms) {
    const { app } = await startGateway(t, { keys: { algorithm } })
    const key = app.portcullis.keys.current()
    const { header, claims } = await ownParts(app)

    await assertAllRefused(t, app, (function * () {
      for (const alg of ['none', 'None', 'NONE', 'nOnE', '', ' ', null, undefined, true, 0, [], [algorithm], { alg: algorithm }, algorithm.toLowerCase(), algorithm === 'EdDSA' ? 'EDDSA' : algorithm.replace('S', 's'), ` ${algorithm}`, `${algorithm} `, `${algorithm}\0`, 'HS256', 'ES256K', 'ES384', 'ES512', 'RS1', 'RS384', 'RS512', 'PS256', 'PS512', 'Ed25519', 'Ed448', 'ML-DSA-44', 'dir', 'A256KW'].filter(alg => alg !== algorithm)) {
        const token = signForeign(key, claims, { ...header, alg })
        yield [`alg ${JSON.stringify(alg)}`, token]
        yield [`alg ${JSON.stringify(alg)} and a signature of zeros`, token.replace(/[^.]+$/, Buffer.alloc(algorithm === 'RS256' ? 256 : 64).toString('base64url'))]
        yield [`alg ${JSON.stringify(alg)} without a signature`, token.replace(/[^.]+$/, '')]
      }
      if (algorithm !== 'RS256') return
      for (const other of ['RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const) {
        yield [`${other} with the RS256 key`, signForeign({ ...key, algorithm: other }, claims)]
        yield [`${other} with the RS256 key, said to be RS256`, signForeign({ ...key, algorithm: other }, claims, header)]
      }
    })())

    t.equal(await statusOf(app, signForeign(key, claims, header)), 200, 'the same with nothing changed')
  }
})

t.test('signatures that fit no key are refused: of other keys, of zeros, in another form', async t => {
  const { app, url } = await startGateway(t)
  const { token } = await signInForTokens(url, 'ada', ['origin'])
  const { header, claims } = partsOf(token)
  const input = token.slice(0, token.lastIndexOf('.'))
  const theirs = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const otherCurve = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey
  const own = app.portcullis.keys.current().privateKey
  const ieee = (key: KeyObject) => sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
  const [r, s] = [ieee(own).subarray(0, 32), ieee(own).subarray(32)]
  const signatures: Record<string, Buffer> = {
    'another key': ieee(theirs),
    'another curve': ieee(otherCurve),
    'DER of the right key': sign('sha256', Buffer.from(input), own),
    'SHA-384 of the right key': sign('sha384', Buffer.from(input), { key: own, dsaEncoding: 'ieee-p1363' }),
    'two zeros': Buffer.alloc(64),
    'r zero': Buffer.concat([Buffer.alloc(32), s]),
    's zero': Buffer.concat([r, Buffer.alloc(32)]),
    'r and s the order': Buffer.concat([order, order]),
    'all ones': Buffer.alloc(64, 255),
    'too long': Buffer.concat([ieee(own), Buffer.alloc(1)]),
    'zero in front': Buffer.concat([Buffer.alloc(1), ieee(own)]),
    'too short': ieee(own).subarray(0, 63),
    'half of it': r,
    'two of them': Buffer.concat([ieee(own), ieee(own)]),
    'another token of the same key': Buffer.from((await signInForTokens(url, 'bob')).token.split('.')[2]!, 'base64url')
  }

  await assertAllRefused(t, app, Object.entries(signatures).map(([what, signature]) => [what, `${input}.${signature.toString('base64url')}`] as const))
  await assertAllRefused(t, app, [['claims of another', `${encode(header)}.${encode({ ...claims, sub: 'admin' })}.${token.split('.')[2]!}`]])

  t.equal(await statusOf(app, `${input}.${ieee(own).toString('base64url')}`), 200, 'another signature of the right key is one')
})

t.test('a forged token is worth nothing at a service, as a subprotocol, or at sign-out', async t => {
  const { app, url, orders } = await startGateway(t)
  const { token } = await signInForTokens(url)
  const { header, claims } = partsOf(token)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const forged = signForeign({ kid: String(header['kid']), algorithm: 'ES256', privateKey }, { ...claims, sub: 'admin' })

  for (const [method, path] of [['GET', '/orders'], ['DELETE', '/orders/1'], ['GET', '/auth/sessions'], ['POST', '/auth/logout']] as const) {
    await assertProblem(t, await fetch(`${url}${path}`, { method, headers: bearer(forged) }), 401, 'PTC_ERR_TOKEN_INVALID', path)
  }
  await assertProblem(t, await fetch(`${url}/orders`, { headers: { 'sec-websocket-protocol': `portcullis.bearer.${forged}` } }), 401, 'PTC_ERR_CREDENTIALS_MISSING')
  t.equal(orders.requests.length, 0)
  t.equal(await statusOf(app, token), 200, 'nor does it end anybody\'s session')
  t.equal(claimsOf(token)['sub'], 'ada')
})

t.test('a secret that is empty or short starts nothing, nor does an algorithm with a shared key', async t => {
  const config = { origin, store: { type: 'sqlite', path: ':memory:' }, identity: async () => null, upstreams: [] }
  t.ok(checkConfig({ ...config, secret: randomBytes(33).toString('base64url') }, { directory: '.', env: {} }))

  for (const secret of ['', ' ', 'secret', 'A'.repeat(42), Buffer.alloc(31, 1).toString('base64url'), [], [''], [randomBytes(33).toString('base64url'), '']]) {
    t.throws(() => checkConfig({ ...config, secret }, { directory: '.', env: {} }), { code: 'PTC_ERR_CONFIG_INVALID', message: /^secret/ }, JSON.stringify(secret))
  }
  for (const algorithm of ['HS256', 'none', 'RS1', 'es256', '']) t.throws(() => checkConfig({ ...config, keys: { algorithm } }, { directory: '.', env: {} }), { code: 'PTC_ERR_CONFIG_INVALID', message: /^keys\.algorithm/ }, algorithm)
})

async function ownParts (app: Parameters<typeof statusOf>[0]): Promise<{ header: Record<string, unknown>, claims: Record<string, unknown> }> {
  const login = await app.inject({ method: 'POST', url: '/auth/login', payload: { username: 'ada', password: 'correct horse', mode: 'tokens', audience: ['origin'] } })
  return partsOf(login.json<{ access_token: string }>().access_token)
}

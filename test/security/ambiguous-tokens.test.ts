import { sign } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { assertAllRefused, bearer, statusOf } from '../helpers/bearer.ts'
import { origin, post, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { claimsOf, partsOf } from '../helpers/credentials.ts'
import { encode, signForeign } from '../helpers/foreign-issuer.ts'
import { assertProblem } from '../helpers/problem.ts'
import { sendRaw } from '../helpers/proxy.ts'

/*
 * One token in two spellings, or one text with two meanings. Whoever was signed out sends the same token again, spelt so that what
 * was written down about it does not match: with padding, with white space, with the bits set that base64url ignores, or with the
 * other one of the two signatures that any ECDSA signature is. Or the claims are JSON that two parsers read in two ways.
 */

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** The same bytes with other last characters: base64url without padding leaves two or four bits unused. */
function withUnusedBits (token: string): string[] {
  return token.split('.').flatMap((part, index, parts) => {
    const unused = { 0: 1, 2: 16, 3: 4 }[part.length % 4] ?? 1
    const last = alphabet.indexOf(part.at(-1)!)
    return Array.from({ length: unused - 1 }, (_, bits) => parts.with(index, part.slice(0, -1) + alphabet[last ^ (bits + 1)]!).join('.'))
  })
}

function otherSpellings (token: string): Array<[string, string]> {
  const [header = '', claims = '', signature = ''] = token.split('.')
  const spellings: Record<string, string> = {
    'padding behind': `${token}=`,
    'two of them': `${token}==`,
    'padding in the header': `${header}=.${claims}.${signature}`,
    'padding in the claims': `${header}.${claims}==.${signature}`,
    'a space after a dot': `${header}. ${claims}.${signature}`,
    'a space in the signature': `${header}.${claims}.${signature.slice(0, 40)} ${signature.slice(40)}`,
    'a tab in the signature': `${header}.${claims}.${signature.slice(0, 40)}\t${signature.slice(40)}`,
    'a line break in the signature': `${header}.${claims}.${signature.slice(0, 40)}\n${signature.slice(40)}`,
    'a line break behind': `${token}\n`,
    'a form feed': `${header}.${claims}\f.${signature}`,
    'a NUL behind': `${token}\0`,
    'plain base64': token.replaceAll('-', '+').replaceAll('_', '/'),
    'plain base64 of one character': `${token}+`,
    'characters that decoders skip': `${header}.${claims}.${signature.slice(0, 40)}!${signature.slice(40)}`,
    'percent signs': token.replaceAll('.', '%2E'),
    'full width': token.replace('.', '\uff0e'),
    quotes: `"${token}"`,
    'two parts': `${header}.${claims}`,
    'two parts and a dot': `${header}.${claims}.`,
    'four parts': `${token}.`,
    'four parts, filled': `${token}.${signature}`,
    'five parts': `${header}..${claims}.${signature}.${signature}`,
    'an empty header': `.${claims}.${signature}`,
    'empty claims': `${header}..${signature}`,
    JSON: JSON.stringify({ protected: header, payload: claims, signature }),
    'general JSON': JSON.stringify({ payload: claims, signatures: [{ protected: header, signature }] }),
    'a byte behind the signature': `${header}.${claims}.${Buffer.concat([Buffer.from(signature, 'base64url'), Buffer.alloc(1)]).toString('base64url')}`
  }
  return [...Object.entries(spellings).filter(([, spelling]) => spelling !== token), ...withUnusedBits(token).map(spelling => [`unused bits ${spelling.slice(-2)}`, spelling] as [string, string])]
}

/** Of an ECDSA signature (r, s), (r, n - s) is one too, and nobody needs the key to make it. */
function mirrored (token: string): string {
  const [header = '', claims = '', signature = ''] = token.split('.')
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  const bytes = Buffer.from(signature, 'base64url')
  const s = order - BigInt(`0x${bytes.toString('hex', 32)}`)
  return `${header}.${claims}.${Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]).toString('base64url')}`
}

t.test('a token has one spelling, whatever algorithm has signed it', async t => {
  for (const algorithm of ['ES256', 'EdDSA', 'RS256'] as const) {
    const { app, url } = await startGateway(t, { keys: { algorithm } })
    // Claims of every length modulo three, so that every part has unused bits once.
    for (const username of ['a', 'ad', 'ada']) {
      const { token } = await signInForTokens(url, username, ['origin'])
      t.ok(withUnusedBits(token).length >= (algorithm === 'RS256' ? 3 : 15))
      await assertAllRefused(t, app, otherSpellings(token))
      t.equal(await statusOf(app, token), 200)
    }
  }
})

t.test('what a client library would not send is refused on the wire too', async t => {
  const { app, url } = await startGateway(t)
  const { token } = await signInForTokens(url)
  const { port } = app.server.address() as AddressInfo
  for (const [what, spelling] of otherSpellings(token).filter(([, spelling]) => !/[\n\0\uff0e]/.test(spelling))) {
    const answer = await sendRaw(t, port, `GET /orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer ${spelling}\r\n\r\n`).ended
    // What may stand in no header at all is refused by the parser.
    t.match(answer, spelling.includes('\f') ? /^HTTP\/1\.1 400 / : /^HTTP\/1\.1 401 [^]*PTC_ERR_TOKEN_INVALID/, what)
  }
})

t.test('no spelling of a revoked token gets in, not even with the other signature, while it is remembered and after', async t => {
  const revocations: Record<string, (gateway: TestGateway, claims: Record<string, unknown>) => Promise<unknown>> = {
    'by jti': async ({ app }, { jti }) => { await app.portcullis.blocklist.revoke({ jti: String(jti), issuer: origin }) },
    'by jti of any issuer': async ({ app }, { jti }) => { await app.portcullis.blocklist.revoke({ jti: String(jti) }) },
    'by sid': async ({ app }, { sid }) => { await app.portcullis.blocklist.close(String(sid)) },
    'by subject': async ({ app }, { sub }) => { await app.portcullis.blocklist.revoke({ subject: String(sub) }) }
  }
  for (const [what, revoke] of Object.entries(revocations)) {
    const gateway = await startGateway(t)
    const { app, url, orders } = gateway
    const { token } = await signInForTokens(url)
    const other = mirrored(token)
    t.not(other, token)
    for (const good of [token, other]) t.equal((await fetch(`${url}/orders`, { headers: bearer(good) })).status, 200, 'both signatures are good, and remembered')

    await revoke(gateway, claimsOf(token))

    const before = orders.requests.length
    await assertAllRefused(t, app, [['itself', token], ['mirrored', other], ...otherSpellings(token), ...otherSpellings(other)])
    for (const dead of [token, other]) await assertProblem(t, await fetch(`${url}/orders`, { headers: bearer(dead) }), 401, 'PTC_ERR_TOKEN_INVALID', what)
    t.equal(orders.requests.length, before)
  }
})

t.test('the other signature of a token that was never seen is no way around signing out', async t => {
  const { app, url } = await startGateway(t)
  const { token, cookie } = await signInForTokens(url)
  t.equal((await post(`${url}/auth/logout`, undefined, { cookie })).status, 204)
  await assertAllRefused(t, app, [['mirrored', mirrored(token)]])
})

t.test('claims and headers that are no single plain JSON object are refused, though the gateway itself has signed them', async t => {
  const { app, url } = await startGateway(t)
  const { token } = await signInForTokens(url)
  const { header, claims } = partsOf(token)
  const key = app.portcullis.keys.current()
  const json = JSON.stringify(claims)
  const head = JSON.stringify(header)
  const bytes = (...parts: Array<string | number[]>) => Buffer.concat(parts.map(part => typeof part === 'string' ? Buffer.from(part) : Buffer.from(part)))
  const texts: Record<string, string | Buffer> = {
    'an empty list': '[]',
    'a list of them': `[${json}]`,
    null: 'null',
    text: '"x"',
    'text of them': JSON.stringify(json),
    number: '1',
    true: 'true',
    'an empty object': '{}',
    nothing: ' ',
    'two objects': json + json,
    'something behind': `${json}x`,
    'a NUL behind': `${json}\0`,
    'a comma too many': json.replace(/\}$/, ',}'),
    'a comment': json.replace('{', '{/* */'),
    'single quotes': json.replaceAll('"', "'"),
    NaN: json.replace(/"exp":\d+/, '"exp":NaN'),
    'a hexadecimal number': json.replace(/"exp":\d+/, '"exp":0xffffffff'),
    'sub twice': json.replace('{', '{"sub":"admin",'),
    'sub twice, the other way round': json.replace(/\}$/, ',"sub":"admin"}'),
    'aud twice': json.replace('"aud"', '"aud":["billing"],"aud"'),
    'aud twice, once escaped': json.replace('"aud"', '"\\u0061ud":["billing"],"aud"'),
    'exp twice': json.replace('"exp"', '"exp":4000000000,"exp"'),
    'a name twice, deep down': json.replace('{', '{"x":{"y":[{"z":1,"z":2}]},'),
    'byte order mark': `\ufeff${json}`,
    'byte order mark behind': `${json}\ufeff`,
    'UTF-16': Buffer.from(json, 'utf16le'),
    'a byte that is no UTF-8': bytes('{"x":"', [0xff], '",', json.slice(1)),
    'an overlong slash': bytes('{"x":"', [0xc0, 0xaf], '",', json.slice(1)),
    'half a surrogate pair': bytes('{"x":"', [0xed, 0xa0, 0x80], '",', json.slice(1)),
    'a cut character': bytes('{"x":"', [0xe2, 0x82], '",', json.slice(1)),
    'Latin-1': Buffer.from(json.replace('{', '{"x":"é",'), 'latin1'),
    'seventeen levels': json.replace('{', `{"x":${'['.repeat(16)}${']'.repeat(16)},`),
    'two thousand levels': json.replace('{', `{"x":${'['.repeat(2000)}${']'.repeat(2000)},`),
    'as many levels as fit': `${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}`
  }
  const signed = (header: string | Buffer, claims: string | Buffer) => {
    const input = `${Buffer.from(header).toString('base64url')}.${Buffer.from(claims).toString('base64url')}`
    return `${input}.${sign('sha256', Buffer.from(input), { key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }

  await assertAllRefused(t, app, Object.entries(texts).map(([what, text]) => [`claims: ${what}`, signed(head, text)] as const))
  await assertAllRefused(t, app, Object.entries({
    'alg twice': head.replace('{', '{"alg":"none",'),
    'kid twice': head.replace('{', '{"kid":"x",'),
    'typ twice, once escaped': head.replace('{', '{"t\\u0079p":"JWT",'),
    'byte order mark': `\ufeff${head}`,
    list: `[${head}]`,
    null: 'null',
    text: JSON.stringify(head),
    '__proto__ for its members': `{"__proto__":${head}}`
  }).map(([what, text]) => [`header: ${what}`, signed(text, json)] as const))

  t.equal(await statusOf(app, signed(head, json)), 200)
  t.equal(await statusOf(app, signed(` ${head}\n`, `\t${json} `)), 200, 'white space around JSON is JSON')
})

t.test('members named like what every object has say nothing', async t => {
  const { app, url } = await startGateway(t)
  const { token } = await signInForTokens(url)
  const { header, claims } = partsOf(token)
  const key = app.portcullis.keys.current()
  const json = JSON.stringify(claims)
  const { sub: _, ...withoutSub } = claims

  await assertAllRefused(t, app, [
    ['sub in the prototype', signForeign(key, JSON.stringify(withoutSub).replace('{', '{"__proto__":{"sub":"admin"},'), header)],
    ['all in the prototype', `${encode(header)}.${encode(`{"__proto__":${json}}`)}.AAAA`],
    ['all in the prototype, signed', signForeign(key, `{"__proto__":${json}}`, header)]
  ])

  const polluting = signForeign(key, json.replace('{', '{"__proto__":{"polluted":true,"sub":"admin","aud":["billing"]},"constructor":{"prototype":{"polluted":true}},'), header)
  const response = await app.inject({ url: '/auth/session', headers: bearer(polluting) })
  t.match(response.json(), { session: { subject: 'ada' } })
  t.equal(({} as Record<string, unknown>)['polluted'], undefined)
})

t.test('tokens of any size are answered, and those that are too long are never looked into', async t => {
  const { app, url, orders } = await startGateway(t, { limits: { headers: '32KiB' } })
  const { token } = await signInForTokens(url)
  const { header, claims } = partsOf(token)
  const key = app.portcullis.keys.current()
  const sized = (bytes: number) => signForeign(key, { ...claims, x: 'a'.repeat(bytes) }, header)
  const answers: Array<[size: number, status: number, code?: string]> = [[4000, 200], [11_000, 200], [11_900, 401, 'PTC_ERR_TOKEN_INVALID'], [40_000, 431, 'PTC_ERR_HEADERS_TOO_LARGE']]
  for (const [size, status, code] of answers) {
    const before = orders.requests.length
    const response = await fetch(`${url}/orders`, { headers: bearer(sized(size)) })
    t.equal(response.status, status, `${size}`)
    if (code !== undefined) t.match(await response.json(), { code, status })
    t.equal(orders.requests.length - before, status === 200 ? 1 : 0)
  }
  await assertAllRefused(t, app, [
    ['an audience of a hundred thousand letters', signForeign(key, { ...claims, aud: 'a'.repeat(100_000) }, header)],
    ['a hundred thousand audiences', signForeign(key, { ...claims, aud: Array.from({ length: 100_000 }, () => 'a') }, header)],
    ['a million dots', '.'.repeat(1_000_000)],
    ['a million letters', 'a'.repeat(1_000_000)],
    ['a long header', signForeign(key, claims, { ...header, kid: 'k'.repeat(100_000) })]
  ])
  t.equal(await statusOf(app, token), 200)
})

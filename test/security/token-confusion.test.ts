import { createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { request } from 'node:http'
import t from 'tap'
import type { ConfigInput } from '../../config/schema.ts'
import { post, signIn, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { claimsOf, partsOf } from '../helpers/credentials.ts'
import { assertProblem } from '../helpers/problem.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * A token that is good somewhere is tried somewhere else: an upstream turns the token that it was sent against its neighbour or
 * against the gateway; a client passes a token for one service at another; an attacker signs one with a key of their own, with none,
 * or with our public key taken for a shared secret; a minted, foreign or refresh token is passed off as an access token.
 */

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** Every place that takes a bearer token, and what it answers to one that is not good there. */
async function assertWorthless (t: Parameters<typeof startGateway>[0], { url }: TestGateway, token: string, message: string): Promise<void> {
  for (const [method, path] of [['GET', '/orders'], ['POST', '/billing'], ['GET', '/auth/session'], ['GET', '/auth/sessions'], ['DELETE', `/auth/sessions/${'A'.repeat(22)}`], ['POST', '/auth/logout']] as const) {
    const response = await fetch(`${url}${path}`, { method, headers: bearer(token) })
    t.equal(response.headers.get('www-authenticate'), 'Bearer error="invalid_token"', `${message} at ${path}`)
    await assertProblem(t, response, 401, 'PTC_ERR_TOKEN_INVALID', `${message} at ${path}`)
  }
}

t.test('a token for one upstream is refused at the other one and under /auth', async t => {
  const { url, orders, billing } = await startGateway(t)
  const { token } = await signInForTokens(url, 'ada', ['orders'])

  t.equal((await fetch(`${url}/orders`, { headers: bearer(token) })).status, 200)
  for (const path of ['/billing', '/auth/session', '/auth/sessions']) await assertProblem(t, await fetch(`${url}${path}`, { headers: bearer(token) }), 401, 'PTC_ERR_TOKEN_INVALID', path)
  await assertProblem(t, await post(`${url}/auth/logout`, undefined, bearer(token)), 401, 'PTC_ERR_TOKEN_INVALID')
  t.same([orders.requests.length, billing.requests.length], [1, 0])
})

t.test('a token for /auth alone is refused at every upstream', async t => {
  const { url } = await startGateway(t)
  const { token } = await signInForTokens(url, 'ada', ['origin'])
  t.equal((await fetch(`${url}/auth/session`, { headers: bearer(token) })).status, 200)
  for (const path of ['/orders', '/billing']) await assertProblem(t, await fetch(`${url}${path}`, { headers: bearer(token) }), 401, 'PTC_ERR_TOKEN_INVALID', path)
})

t.test('what an upstream was sent is worthless everywhere, also at its own door', async t => {
  const gateway = await startGateway(t)
  const { url, orders } = gateway
  const { cookie } = await signIn(url)
  const { token } = await signInForTokens(url)
  for (const headers of [{ cookie }, bearer(token)]) {
    await fetch(`${url}/orders`, { headers })
    await assertWorthless(t, gateway, orders.requests.at(-1)!.headers.authorization!.slice(7), 'minted')
  }
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 200)
})

t.test('a minted token of a public upstream is worthless too', async t => {
  const open = await startUpstream(t)
  const gateway = await startGateway(t, { upstreams: [{ prefix: '/open', target: open.url, audience: 'open', access: 'public' }, { prefix: '/orders', target: open.url, audience: 'open' }, { prefix: '/billing', target: open.url, audience: 'billing' }] satisfies ConfigInput['upstreams'] })
  const { cookie } = await signIn(gateway.url)
  await fetch(`${gateway.url}/open`, { headers: { cookie } })
  await assertWorthless(t, gateway, open.requests[0]!.headers.authorization!.slice(7), 'minted for the same audience')
})

t.test('other credentials of the gateway are no access tokens', async t => {
  const gateway = await startGateway(t)
  const session = await signIn(gateway.url)
  const tokens = await signInForTokens(gateway.url)
  await assertWorthless(t, gateway, session.cookie.split('=')[1]!, 'a session cookie')
  await assertWorthless(t, gateway, tokens.cookie.split('=')[1]!, 'a refresh token')
  await assertWorthless(t, gateway, tokens.sid, 'a session id')
  await assertWorthless(t, gateway, String(claimsOf(tokens.token)['jti']), 'a jti')
})

t.test('tokens of another gateway with the same origin are refused', async t => {
  const [mine, theirs] = [await startGateway(t), await startGateway(t)]
  await assertWorthless(t, mine, (await signInForTokens(theirs.url)).token, 'of another gateway')
})

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

function signed (header: object, claims: unknown, key: KeyObject): string {
  const input = `${encode(header)}.${typeof claims === 'string' ? Buffer.from(claims).toString('base64url') : encode(claims)}`
  return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

t.test('a token that was not signed by the key that it names is refused', async t => {
  const gateway = await startGateway(t)
  const { token } = await signInForTokens(gateway.url)
  const { header, claims } = partsOf(token)
  const [head, body, signature] = token.split('.') as [string, string, string]
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { keys: [jwk] } = await (await fetch(`${gateway.url}/.well-known/jwks.json`)).json() as { keys: [Record<string, unknown>] }

  for (const [what, forged] of Object.entries({
    'another key': signed(header, claims, privateKey),
    'another key, in the header': signed({ ...header, jwk: privateKey.export({ format: 'jwk' }) }, claims, privateKey),
    'another key, by address': signed({ ...header, jku: 'http://127.0.0.1:1/jwks.json', x5u: 'http://127.0.0.1:1/x' }, claims, privateKey),
    'an unknown kid': signed({ ...header, kid: 'zebra' }, claims, privateKey),
    'no kid': signed({ alg: header['alg'], typ: header['typ'] }, claims, privateKey),
    'a kid that is no text': signed({ ...header, kid: [header['kid']] }, claims, privateKey),
    'no signature': `${head}.${body}.`,
    'no algorithm': `${encode({ ...header, alg: 'none' })}.${body}.`,
    'no algorithm, otherwise spelt': `${encode({ ...header, alg: 'nOnE' })}.${body}.${signature}`,
    'another header': `${encode({ ...header, alg: 'ES384' })}.${body}.${signature}`,
    'other claims': `${head}.${encode({ ...claims, sub: 'admin' })}.${signature}`,
    'a longer life': `${head}.${encode({ ...claims, exp: 4_000_000_000 })}.${signature}`,
    'zero signature': `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`,
    'DER signature': `${head}.${body}.${sign('sha256', Buffer.from('x'), privateKey).toString('base64url')}`
  })) await assertWorthless(t, gateway, forged, what)

  for (const secret of [JSON.stringify(jwk), JSON.stringify({ keys: [jwk] }), '', String(jwk['x']), String(jwk['kid'])]) {
    const input = `${encode({ ...header, alg: 'HS256' })}.${body}`
    await assertWorthless(t, gateway, `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`, 'our public key as a shared secret')
  }
})

t.test('a token has one spelling', async t => {
  const gateway = await startGateway(t)
  const { token } = await signInForTokens(gateway.url)
  const [head, body, signature] = token.split('.') as [string, string, string]
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const lastBits = alphabet[alphabet.indexOf(signature.at(-1)!) ^ 1]!
  for (const [what, other] of Object.entries({
    'unused bits': `${head}.${body}.${signature.slice(0, -1)}${lastBits}`,
    padding: `${token}=`,
    'five parts': `${token}..`,
    'an empty header': `.${body}.${signature}`,
    'base64 in place of base64url': `${token}+/`
  })) await assertWorthless(t, gateway, other, what)
  await assertProblem(t, await fetch(`${gateway.url}/orders`, { headers: { authorization: `Bearer ${token} ${token}` } }), 401, 'PTC_ERR_TOKEN_INVALID')
  await assertProblem(t, await fetch(`${gateway.url}/orders`, { headers: { authorization: `Bearer ${token},${token}` } }), 401, 'PTC_ERR_TOKEN_INVALID')
  t.equal((await fetch(`${gateway.url}/orders`, { headers: bearer(token) })).status, 200)
})

t.test('two Authorization headers are refused, whichever of them is good', async t => {
  const { url } = await startGateway(t)
  const { token } = await signInForTokens(url)
  for (const values of [[`Bearer ${token}`, 'Bearer zebra'], ['Bearer zebra', `Bearer ${token}`], [`Bearer ${token}`, `Bearer ${token}`], ['Basic YTpi', `Bearer ${token}`]]) {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const sent = request(`${url}/orders`, { headers: ['Host', 'a', ...values.flatMap(value => ['Authorization', value])] }, response => {
        response.resume()
        resolve(response.statusCode)
      })
      sent.on('error', reject)
      sent.end()
    })
    t.equal(status, 400)
  }
})

t.test('one subject\'s credentials never speak for another', async t => {
  const { url, orders } = await startGateway(t)
  const [ada, bob] = [await signInForTokens(url, 'ada'), await signInForTokens(url, 'bob')]
  const bobsSession = await signIn(url, 'bob')

  const refreshed = await post(`${url}/auth/refresh`, undefined, { cookie: ada.cookie, authorization: `Bearer ${bob.token}` })
  t.match(claimsOf((await refreshed.json() as { access_token: string }).access_token), { sub: 'ada', sid: ada.sid })

  await fetch(`${url}/orders`, { headers: { cookie: `${bobsSession.cookie}; ${ada.cookie}` } })
  t.match(claimsOf(orders.requests[0]?.headers.authorization), { sub: 'bob', sid: bobsSession.sid })

  t.equal((await post(`${url}/auth/logout`, { scope: 'all' }, { cookie: `${bobsSession.cookie}; ${ada.cookie}` })).status, 204)
  t.equal((await fetch(`${url}/orders`, { headers: bearer(ada.token) })).status, 200, 'signing out everywhere is for the one who asks')
  t.equal((await fetch(`${url}/orders`, { headers: bearer(bob.token) })).status, 401)
})

import { createPublicKey, randomBytes, verify } from 'node:crypto'
import t from 'tap'
import { publishAheadMs } from '../../lib/jwt/signing-key.ts'
import { signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { partsOf } from '../helpers/credentials.ts'
import { assertProblem } from '../helpers/problem.ts'

type PublicKey = Record<string, string> & { kid: string, alg: string, use: string }

async function readKeys (url: string): Promise<PublicKey[]> {
  return (await (await fetch(`${url}/.well-known/jwks.json`)).json() as { keys: PublicKey[] }).keys
}

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

t.test('the key set is public, has public members alone, and may be kept for a short time', async t => {
  for (const [algorithm, kty] of [['ES256', 'EC'], ['EdDSA', 'OKP'], ['RS256', 'RSA']] as const) {
    const { url } = await startGateway(t, { keys: { algorithm } })

    const response = await fetch(`${url}/.well-known/jwks.json`)

    t.equal(response.status, 200)
    t.match(response.headers.get('content-type'), /^application\/json/)
    t.match(response.headers.get('cache-control'), /^public, max-age=\d+$/)
    t.same(response.headers.getSetCookie(), [])
    const { keys, ...rest } = await response.json() as { keys: PublicKey[] }
    t.same(rest, {})
    t.equal(keys.length, 1)
    t.match(keys[0], { kty, alg: algorithm, use: 'sig', kid: /^[\w-]{8,}$/ })
    t.same(Object.keys(keys[0] ?? {}).filter(name => privateMembers.includes(name)), [])
  }
})

t.test('access tokens and minted tokens verify with the published key', async t => {
  const { url, orders } = await startGateway(t)
  const { cookie } = await signIn(url)
  const { token } = await signInForTokens(url)
  await fetch(`${url}/orders`, { headers: { cookie } })

  const keys = await readKeys(url)
  for (const jwt of [token, orders.requests[0]!.headers.authorization!.slice('Bearer '.length)]) {
    const { header } = partsOf(jwt)
    const jwk = keys.find(({ kid }) => kid === header['kid'])!
    const [head, claims, signature] = jwt.split('.')
    t.ok(verify('sha256', Buffer.from(`${head}.${claims}`), { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }, Buffer.from(signature!, 'base64url')))
  }
})

t.test('keys that are still valid stay published when another one signs, and their tokens stay good', async t => {
  const secret = randomBytes(32).toString('base64url')
  const before = await startGateway(t, { secret })
  const { token } = await signInForTokens(before.url)
  const after = await startGateway(t, { secret, keys: { algorithm: 'EdDSA' } }, { wrapStore: () => before.store })

  t.same((await readKeys(after.url)).map(({ alg }) => alg), ['ES256', 'EdDSA'])
  before.advance(publishAheadMs)
  t.equal((await fetch(`${after.url}/orders`, { headers: { authorization: `Bearer ${token}` } })).status, 200)
  const { token: next } = await signInForTokens(after.url)
  t.equal(partsOf(next).header['alg'], 'EdDSA')
  t.equal((await fetch(`${before.url}/orders`, { headers: { authorization: `Bearer ${next}` } })).status, 200, 'a process that has not read the new key does so')
})

t.test('services may keep the key set for a minute, and never longer than two thirds of what a new key is published ahead', async t => {
  for (const [publishAhead, seconds] of [[undefined, 60], ['1h', 60], ['30s', 20], ['5s', 3]] as const) {
    const { url } = await startGateway(t, { keys: publishAhead === undefined ? {} : { publishAhead } })
    t.equal((await fetch(`${url}/.well-known/jwks.json`)).headers.get('cache-control'), `public, max-age=${seconds}`)
  }
})

t.test('the key set is read, never changed', async t => {
  const { url } = await startGateway(t)
  t.equal((await fetch(`${url}/.well-known/jwks.json`, { method: 'HEAD' })).status, 200)
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    await assertProblem(t, await fetch(`${url}/.well-known/jwks.json`, { method }), 404, 'PTC_ERR_NOT_FOUND', method)
  }
})

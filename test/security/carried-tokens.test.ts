import t, { type Test } from 'tap'
import type { ConfigInput } from '../../config/schema.ts'
import { bearer } from '../helpers/bearer.ts'
import { startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { foreignClaims, foreignKey, signForeign } from '../helpers/foreign-issuer.ts'
import { password, post } from '../helpers/sign-in.ts'

/*
 * A client that is signed in with an access token signs in again, or as another user. The old session must not live on unseen. An attacker
 * shows tokens of others at a sign-in, to end their sessions: tokens that a service has seen, or that no gateway has signed.
 */

async function start (t: Test, changes: Partial<ConfigInput> = {}): Promise<TestGateway> {
  return await startGateway(t, { identity: async (given: { username: string, password: string }) => given.password === password ? { subject: given.username, scopes: ['orders:read'] } : null, ...changes } as Partial<ConfigInput>)
}

async function tokenOf (url: string, username: string, audience?: string[]): Promise<{ token: string, cookie: string }> {
  const response = await post(`${url}/auth/login`, { username, password, mode: 'tokens', ...audience === undefined ? {} : { audience } })
  const { access_token: token } = await response.json() as { access_token: string }
  return { token, cookie: response.headers.getSetCookie()[0]!.split(';')[0]! }
}

async function isAlive (url: string, { cookie }: { cookie: string }): Promise<boolean> {
  return (await post(`${url}/auth/refresh`, {}, { cookie })).status === 200
}

for (const mode of ['session', 'tokens']) {
  t.test(`a sign-in (${mode}) ends the session whose access token the request carries`, async t => {
    const { url } = await start(t)
    const [ada, other] = [await tokenOf(url, 'ada'), await tokenOf(url, 'ada')]

    const refused = await post(`${url}/auth/login`, { username: 'bob', password: 'wrong', mode }, bearer(ada.token))
    t.equal(refused.status, 401)
    t.ok(await isAlive(url, ada), 'a refused sign-in ends nothing')

    t.equal((await post(`${url}/auth/login`, { username: 'bob', password, mode }, bearer(ada.token))).status, 200)

    t.notOk(await isAlive(url, ada))
    t.equal((await fetch(`${url}/auth/session`, { headers: bearer(ada.token) })).status, 401)
    t.ok(await isAlive(url, other))
  })
}

t.test('a token that is not verified, or not for the gateway itself, ends nothing at a sign-in', async t => {
  const key = foreignKey('k1')
  const file = t.testdir({ 'keys.json': JSON.stringify({ keys: [key.jwk] }) })
  const idp = 'https://idp.example.com'
  const { url } = await start(t, { issuers: [{ name: 'idp', issuer: idp, jwks: `${file}/keys.json`, algorithms: ['ES256'], scopes: [] }] })
  const [ada, forOrders] = [await tokenOf(url, 'ada'), await tokenOf(url, 'ada', ['orders'])]
  const [header, claims, signature] = ada.token.split('.') as [string, string, string]
  const { sid } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { sid: string }
  const tokens = {
    'of orders alone': forOrders.token,
    'with another signature': `${header}.${claims}.${forOrders.token.split('.')[2]!}`,
    'without a signature': `${header}.${claims}.`,
    'of another issuer': signForeign(key, foreignClaims(idp, { sid, aud: [url, 'https://app.example.com'] })),
    'of another key': signForeign(key, JSON.parse(Buffer.from(claims, 'base64url').toString())),
    malformed: `${signature}`,
    'of two words': 'a b'
  }
  for (const [what, token] of Object.entries(tokens)) {
    t.equal((await post(`${url}/auth/login`, { username: 'bob', password }, bearer(token))).status, 200, what)
    t.ok(await isAlive(url, ada), what)
    t.ok(await isAlive(url, forOrders), what)
  }
  t.equal((await post(`${url}/auth/login`, { username: 'bob', password }, { authorization: 'Basic YWRhOmFkYQ==' })).status, 200)
})

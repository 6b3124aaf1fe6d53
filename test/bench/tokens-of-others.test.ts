import { jwtVerify } from 'jose'
import { createPublicKey } from 'node:crypto'
import t from 'tap'
import { createTokens } from '../../bench/tokens-of-others.ts'

const of = { count: 3, issuer: 'https://idp.example.com', audience: 'orders' }

t.test('tokens for other proxies are good by a JWT library, and each bad one is refused by it', async t => {
  for (const algorithm of ['ES256', 'RS256', 'EdDSA'] as const) {
    const { good, bad, jtis, publicPem } = createTokens(algorithm, of)
    const jtiOf = async (token: string): Promise<string | undefined> => (await jwtVerify(token, createPublicKey(publicPem), { algorithms: [algorithm], issuer: of.issuer, audience: of.audience })).payload.jti

    t.same(await Promise.all(good.map(jtiOf)), jtis, algorithm)
    t.equal(new Set(jtis).size, of.count, 'no two of them are the same')
    for (const [what, token] of Object.entries(bad)) await t.rejects(jtiOf(token), `${algorithm}: ${what}`)
  }
})

t.test('more tokens of a key are good by the same public key', async t => {
  const { key, publicPem } = createTokens('ES256', of)

  t.equal(createTokens('ES256', { ...of, key }).publicPem, publicPem)
})

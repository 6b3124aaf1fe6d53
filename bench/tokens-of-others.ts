import { randomUUID } from 'node:crypto'
import { generateKey, importKey, type SigningAlgorithm, type SigningKey } from '../lib/jwt/signing-key.ts'
import { signToken } from '../test/helpers/sign-token.ts'

export interface Tokens {
  key: SigningKey
  publicPem: string
  good: string[]
  jtis: string[]
  /** The invalid tokens, by what is wrong with them. */
  bad: Record<string, string>
}

/** Creates access tokens of a separate key for proxies that are configured with it, with the claims of the gateway's own tokens. */
export function createTokens (algorithm: SigningAlgorithm, { count, issuer, audience, key = newKey(algorithm) }: { count: number, issuer: string, audience: string, key?: SigningKey }): Tokens {
  const nowSeconds = Math.floor(Date.now() / 1000)
  const jtis = Array.from({ length: count }, () => randomUUID())
  const sign = (index: number, claims: object = {}, by = key): string => signToken(by, 'at+jwt', {
    iss: issuer,
    sub: `user-${index}`,
    aud: audience,
    exp: nowSeconds + 3600,
    iat: nowSeconds - 60,
    jti: jtis[index],
    sid: randomUUID(),
    auth_time: nowSeconds - 60,
    acr: '1',
    amr: ['pwd'],
    scope: 'orders:read orders:write',
    client_id: 'app',
    epoch: 0,
    ...claims
  })
  return {
    key,
    publicPem: key.publicKey.export({ type: 'spki', format: 'pem' }) as string,
    good: jtis.map((_, index) => sign(index)),
    jtis,
    bad: {
      'no token': 'none',
      'an expired token': sign(0, { exp: nowSeconds - 30 }),
      'a token of another issuer': sign(0, { iss: 'https://evil.example.com' }),
      'a token for another audience': sign(0, { aud: 'billing' }),
      'a token of another key': sign(0, {}, newKey(algorithm))
    }
  }
}

function newKey (algorithm: SigningAlgorithm): SigningKey {
  return importKey(generateKey(algorithm), algorithm, { createdAtMs: 0, signsFromMs: 0 })
}

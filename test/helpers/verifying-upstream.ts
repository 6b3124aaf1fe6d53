import { createRemoteJWKSet, errors, jwtVerify, type JWTVerifyGetKey } from 'jose'
import type { Test } from 'tap'
import { origin } from './build-gateway.ts'
import { startUpstream } from './upstream.ts'

export interface VerifyingUpstream {
  url: string
  /** Each verified token, by the key that signed it. */
  verified: Map<string, Set<string>>
  /** The reasons why tokens were refused. */
  refused: string[]
  /** Sets the gateways whose published keys are trusted; every token is verified with those of each. */
  trust (gateways: string[]): Promise<void>
}

/**
 * Starts a service that verifies every token as services do: with the keys that the gateways publish, cached for as long as the
 * gateways allow.
 */
export async function startVerifyingUpstream (t: Test, audience: string): Promise<VerifyingUpstream> {
  const verified = new Map<string, Set<string>>()
  const refused: string[] = []
  let keySets: JWTVerifyGetKey[] = []
  const verify = async (token: string): Promise<void> => {
    for (const keySet of keySets) {
      const { protectedHeader: { kid = '' } } = await jwtVerify(token, keySet, { issuer: origin, audience, typ: 'at+jwt', algorithms: ['ES256'] })
      if (!verified.has(kid)) verified.set(kid, new Set())
      verified.get(kid)!.add(token)
    }
  }
  const { url } = await startUpstream(t, (request, response) => {
    request.resume()
    verify(request.headers.authorization?.replace(/^Bearer /, '') ?? '').then(() => { response.end('ok') }, (error: unknown) => {
      refused.push(error instanceof errors.JOSEError ? error.code : String(error))
      response.writeHead(500).end()
    })
  })
  return { url, verified, refused, trust: async gateways => { keySets = await Promise.all(gateways.map(keySetOf)) } }
}

/** Never fetches the keys in between, not even for an unknown key: that would hide keys that sign too early. */
async function keySetOf (gateway: string): Promise<JWTVerifyGetKey> {
  const address = new URL('/.well-known/jwks.json', gateway)
  const seconds = /max-age=(\d+)/.exec((await fetch(address)).headers.get('cache-control') ?? '')?.[1]
  return createRemoteJWKSet(address, { cacheMaxAge: Number(seconds) * 1000, cooldownDuration: Infinity })
}

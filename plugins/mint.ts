import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { randomBytes } from 'node:crypto'
import { mintedTtlSeconds } from '../lib/jwt/claims.ts'
import type { Identity } from '../lib/identity.ts'
import { checkOptions } from '../lib/check-options.ts'
import { copyOwnClaims, isReservedClaim } from '../lib/jwt/own-claims.ts'
import type { TokenClaims } from '../lib/own-data.ts'
import { addPart, beginPart } from './portcullis.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    /**
     * Returns a token that represents an identity at one audience only; the same token is returned while it is valid. It expires no later
     * than the credential that it represents, and within five minutes. `claims` selects claims of the identity provider for the token.
     */
    mint: (identity: Identity, audience: string, claims?: MintedClaims) => string
  }
}

/** Claims of an identity provider that a minted token has. */
export interface MintedClaims {
  /** Identifies the audience and the names among all selections. */
  readonly key: string
  readonly names: readonly string[]
}

/** Selects claims of an identity provider for the tokens of an audience. Tokens of different selections are kept apart. */
export function selectClaims (audience: string, names: readonly string[]): MintedClaims {
  return { key: `\0${JSON.stringify([audience, ...names])}`, names }
}

export interface MintOptions {
  /**
   * Function that returns claims to add to each minted token: a JSON object of at most 1024 bytes. It runs once for each token that is minted,
   * not for each request.
   */
  claims?: (identity: Identity, audience: string) => TokenClaims
}

type MakeClaims = NonNullable<MintOptions['claims']>

const Options = Type.Object({ claims: Type.Optional(Type.Unsafe<MakeClaims>(Type.Function([], Type.Unknown(), { errorMessage: 'must be a function that returns claims' }))) }, { additionalProperties: false })

interface Minted { token: string, renewAtMs: number, keysVersion: number }

/** Time before its end at which a minted token is replaced, so that the upstream has time to use it. */
const marginMs = 60_000

/** Tokens for upstreams, cached by the object of the verified credential, never by data that a client sent. */
export default fp<MintOptions>(async function mintPlugin (fastify, options) {
  const { claims: makeClaims } = checkOptions('portcullis-mint', Options, options)
  const { keys, accessToken, clock } = beginPart(fastify, 'mint')
  const minted = new WeakMap<Identity, Map<string, Minted>>()
  addPart(fastify, 'mint', function mint (identity, audience, selected) {
    let byAudience = minted.get(identity)
    if (byAudience === undefined) minted.set(identity, byAudience = new Map())
    const nowMs = clock()
    const key = selected === undefined ? audience : selected.key
    const known = byAudience.get(key)
    if (known !== undefined && nowMs < known.renewAtMs && known.keysVersion === keys.version) return known.token
    const iat = Math.floor(nowMs / 1000)
    const exp = Math.min(iat + mintedTtlSeconds, identity.expiresAt)
    const claims = mintedClaims(identity, { iss: accessToken.issuer, aud: audience, iat, exp })
    const own = { ...providerClaims(identity, selected), ...makeClaims === undefined ? {} : copyOwnClaims(makeClaims(identity, audience)) }
    const token = keys.sign({ ...own, ...claims })
    byAudience.set(key, { token, keysVersion: keys.version, renewAtMs: exp < identity.expiresAt ? exp * 1000 - marginMs : exp * 1000 })
    return token
  })
}, { name: 'portcullis-mint', fastify: '5.x', dependencies: ['portcullis-keys', 'portcullis-access-token'] })

/** Returns the selected claims of the provider at which the session began. */
function providerClaims ({ provider }: Identity, selected: MintedClaims | undefined): object {
  if (selected === undefined || provider === null) return {}
  return Object.fromEntries(selected.names.flatMap(name => Object.hasOwn(provider.claims, name) && !isReservedClaim(name) ? [[name, provider.claims[name]]] : []))
}

/** Returns the claims of a minted token. Claims that another issuer did not state are omitted. */
function mintedClaims (identity: Identity, times: { iss: string, aud: string, iat: number, exp: number }): object {
  return {
    ...times,
    sub: identity.subject,
    ...identity.sid === null ? {} : { sid: identity.sid },
    jti: randomBytes(16).toString('base64url'),
    scope: identity.scopes.join(' '),
    ...identity.authTime === 0 ? {} : { auth_time: identity.authTime },
    ...identity.acr === '' ? {} : { acr: identity.acr },
    ...identity.amr.length === 0 ? {} : { amr: identity.amr }
  }
}

import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { clockToleranceSeconds } from './claims.ts'
import type { Identity } from './identity.ts'
import type { VerificationAlgorithm } from './jws-verify.ts'
import { freezeWithKeys } from './credential-keys.ts'

/** How the tokens of an issuer are read. */
export interface ForeignTokenRules {
  /** Its users are `<name>|<sub>` here. */
  name: string
  /** `iss`, exactly. */
  issuer: string
  algorithms: readonly VerificationAlgorithm[]
  /** Scopes that it may give. */
  scopes: readonly string[]
  maxTokenAgeSeconds: number
  typ: 'at+jwt' | 'any'
  /** The audience of the gateway's own endpoints, for which no other issuer speaks. */
  ownAudience: string
}

const Instant = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Text = Type.String({ minLength: 1 })

/** No more than these are read (DESIGN: the way of a request). */
const ForeignClaims = Type.Object({
  iss: Text,
  // Control characters would get into logs and headers.
  sub: Type.String({ minLength: 1, maxLength: 255, pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]*$' }),
  aud: Type.Union([Text, Type.Array(Text, { minItems: 1 })]),
  exp: Instant,
  iat: Instant,
  nbf: Type.Optional(Instant),
  jti: Text,
  scope: Type.Optional(Type.String()),
  auth_time: Type.Optional(Instant),
  acr: Type.Optional(Type.String()),
  amr: Type.Optional(Type.Array(Type.String()))
})

const foreignClaims = TypeCompiler.Compile(ForeignClaims)

/** What extends or replaces the plain meaning of a signature, or names a key of the sender's own choice. */
const dangerousParameters = ['crit', 'b64', 'jku', 'jwk', 'x5u', 'x5c', 'cty', 'enc', 'zip', 'epk', 'p2c', 'p2s']
const accessTokenTypes = ['at+jwt', 'application/at+jwt']
/** What access tokens of issuers without RFC 9068 say; any other type is explicitly something else (RFC 8725, section 3.11). */
const plainTypes = ['jwt', 'application/jwt']
/** ID tokens, logout tokens, and tokens that are good only together with a proof that is not asked for here. */
const otherTokensClaims = ['nonce', 'at_hash', 'c_hash', 's_hash', 'events', 'cnf']

/** The `kid` of a header that may be one of the issuer's, null when it names none. `false`: whatever signed it, it is no access token. */
export function kidOfForeign ({ kid, alg, typ, ...others }: Record<string, unknown>, rules: ForeignTokenRules): string | null | false {
  if (dangerousParameters.some(name => Object.hasOwn(others, name))) return false
  if (!rules.algorithms.includes(alg as VerificationAlgorithm)) return false
  if (!isTypeGood(typ, rules.typ)) return false
  if (kid === undefined) return null
  return typeof kid === 'string' && kid !== '' && kid.length <= 256 ? kid : false
}

function isTypeGood (typ: unknown, demanded: 'at+jwt' | 'any'): boolean {
  if (typ === undefined) return demanded === 'any'
  if (typeof typ !== 'string') return false
  const known = demanded === 'any' ? [...accessTokenTypes, ...plainTypes] : accessTokenTypes
  return known.includes(typ.toLowerCase())
}

/** Who a token with a good signature speaks for at `nowSeconds`, or null. Audience and revocation are judged apart. */
export function identityOfForeign (claims: Record<string, unknown>, rules: ForeignTokenRules, nowSeconds: number): Identity | null {
  if (!foreignClaims.Check(claims) || isOtherToken(claims)) return null
  const latest = nowSeconds + clockToleranceSeconds
  if (claims.iss !== rules.issuer || claims.iat > latest || (claims.nbf ?? 0) > latest || (claims.auth_time ?? 0) > latest) return null
  // Half of a surrogate pair cannot be sent on.
  if (![claims.sub, claims.jti, claims.acr ?? '', ...claims.amr ?? []].every(text => text.isWellFormed())) return null
  return toIdentity(claims, rules)
}

/** What common identity providers call their other tokens where `typ` does not. */
function isOtherToken (claims: Record<string, unknown>): boolean {
  const { typ, token_use: use } = claims
  if (otherTokensClaims.some(name => Object.hasOwn(claims, name))) return true
  return (use !== undefined && use !== 'access') || (typ !== undefined && String(typ).toLowerCase() !== 'bearer')
}

function toIdentity (claims: Static<typeof ForeignClaims>, { name, issuer, scopes, maxTokenAgeSeconds, ownAudience }: ForeignTokenRules): Identity {
  return freezeWithKeys<Identity>({
    subject: `${name}|${claims.sub}`,
    sid: null,
    credential: 'token',
    audiences: [claims.aud].flat().filter(audience => audience !== ownAudience),
    scopes: [...new Set((claims.scope ?? '').split(' '))].filter(scope => scopes.includes(scope)),
    authTime: claims.auth_time ?? 0,
    acr: claims.acr ?? '',
    amr: claims.amr ?? [],
    // Its clock may be ahead of the one that a cut is made by.
    epoch: Math.max(0, claims.iat - clockToleranceSeconds),
    issuer,
    jti: claims.jti,
    generation: null,
    expiresAt: Math.min(claims.exp, claims.iat + maxTokenAgeSeconds)
  })
}

import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { clockToleranceSeconds, TokenId } from './claims.ts'
import type { Identity } from '../identity.ts'
import { canonicalAlgorithm, type VerificationAlgorithm } from './jws.ts'
import { freezeWithKeys } from '../revocation/revocation-keys.ts'

/** Rules for the access tokens of another issuer. */
export interface ForeignTokenRules {
  /** Name of the issuer. The subjects of its users are `<name>|<sub>`. */
  name: string
  /** The exact `iss` of its tokens. */
  issuer: string
  algorithms: readonly VerificationAlgorithm[]
  /** Scopes that its tokens may carry. */
  scopes: readonly string[]
  maxTokenAgeSeconds: number
  typ: 'at+jwt' | 'any'
  /** Audience of the gateway's own endpoints, which no other issuer can grant. */
  ownAudience: string
}

/** NumericDate (RFC 7519, section 2): seconds since the epoch, which may have a fraction. */
const Instant = Type.Number({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Text = Type.String({ minLength: 1 })

/** The only claims that are read. */
const ForeignClaims = Type.Object({
  iss: Text,
  // Control characters are rejected, because they would reach logs and headers.
  sub: Type.String({ minLength: 1, maxLength: 255, pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]*$' }),
  aud: Type.Union([Text, Type.Array(Text, { minItems: 1 })]),
  exp: Instant,
  iat: Instant,
  nbf: Type.Optional(Instant),
  jti: TokenId,
  scope: Type.Optional(Type.String()),
  auth_time: Type.Optional(Instant),
  acr: Type.Optional(Type.String()),
  amr: Type.Optional(Type.Array(Type.String()))
})

const foreignClaims = TypeCompiler.Compile(ForeignClaims)

/** Header parameters that extend or replace the plain meaning of a signature, or that name a key chosen by the sender. */
const dangerousParameters = ['crit', 'b64', 'jku', 'jwk', 'x5u', 'x5c', 'cty', 'enc', 'zip', 'epk', 'p2c', 'p2s']
const accessTokenTypes = ['at+jwt', 'application/at+jwt']
/**
 * `typ` of access tokens from issuers without RFC 9068. Any other type explicitly denotes another kind of token (RFC 8725, section 3.11).
 */
const plainTypes = ['jwt', 'application/jwt']
/** Claims of ID tokens, of logout tokens, and of tokens that require a proof that the gateway does not check. */
const otherTokensClaims = ['nonce', 'at_hash', 'c_hash', 's_hash', 'events', 'cnf']

/**
 * Returns the `kid`, or null if the header names none, and the algorithm. A returned string is the reason why no token with this header is
 * an access token of the issuer.
 */
export function keyNameOfForeign ({ kid, alg, typ, ...others }: Record<string, unknown>, rules: ForeignTokenRules): { kid: string | null, algorithm: VerificationAlgorithm } | string {
  const dangerous = dangerousParameters.find(name => Object.hasOwn(others, name))
  if (dangerous !== undefined) return `its header has the parameter ${dangerous}`
  const algorithm = rules.algorithms.find(name => name === canonicalAlgorithm(alg))
  if (algorithm === undefined) return 'its alg is none of the configured algorithms of this issuer'
  if (!isTypeGood(typ, rules.typ)) return `its typ is not that of an access token (typ of the issuer is ${rules.typ})`
  if (kid === undefined) return { kid: null, algorithm }
  return typeof kid === 'string' && kid !== '' && kid.length <= 256 ? { kid, algorithm } : 'its kid is no text of 1 to 256 characters'
}

function isTypeGood (typ: unknown, demanded: 'at+jwt' | 'any'): boolean {
  if (typ === undefined) return demanded === 'any'
  if (typeof typ !== 'string') return false
  const known = demanded === 'any' ? [...accessTokenTypes, ...plainTypes] : accessTokenTypes
  return known.includes(typ.toLowerCase())
}

/**
 * Returns the identity that a token with a verified signature represents at `nowSeconds`. A returned string names the first claim that
 * excludes an access token, without the claim's value. Audience and revocation are checked separately.
 */
export function identityOfForeign (claims: Record<string, unknown>, rules: ForeignTokenRules, nowSeconds: number): Identity | string {
  if (!foreignClaims.Check(claims)) return faultOf(claims)
  const other = claimOfOtherToken(claims)
  if (other !== null) return `the claim ${other} is that of another kind of token`
  if (claims.iss !== rules.issuer) return 'the claim iss is not the issuer'
  const latest = nowSeconds + clockToleranceSeconds
  for (const name of ['iat', 'nbf', 'auth_time'] as const) if ((claims[name] ?? 0) > latest) return `the claim ${name} is in the future`
  // A lone surrogate cannot be forwarded.
  for (const name of ['sub', 'jti', 'acr', 'amr'] as const) if (![claims[name] ?? []].flat().every(text => text.isWellFormed())) return `the claim ${name} is no text in UTF-8`
  return toIdentity(claims, rules)
}

/** Describes the first invalid claim. A claim that is `null` counts as one of the wrong type, not as a missing one. */
function faultOf (claims: Record<string, unknown>): string {
  const name = foreignClaims.Errors(claims).First()?.path.split('/')[1] ?? ''
  return Object.hasOwn(claims, name) ? `the claim ${name} is not of its type (RFC 9068)` : `the claim ${name} is missing`
}

/** Returns the claim by which common identity providers mark other kinds of token if the header's `typ` does not, or null. */
function claimOfOtherToken (claims: Record<string, unknown>): string | null {
  const { typ, token_use: use } = claims
  const name = otherTokensClaims.find(name => Object.hasOwn(claims, name))
  if (name !== undefined) return name
  if (use !== undefined && use !== 'access') return 'token_use'
  return typ !== undefined && String(typ).toLowerCase() !== 'bearer' ? 'typ' : null
}

function toIdentity (claims: Static<typeof ForeignClaims>, { name, issuer, scopes, maxTokenAgeSeconds, ownAudience }: ForeignTokenRules): Identity {
  return freezeWithKeys<Identity>({
    subject: `${name}|${claims.sub}`,
    sid: null,
    credential: 'token',
    audiences: [claims.aud].flat().filter(audience => audience !== ownAudience),
    scopes: [...new Set((claims.scope ?? '').split(' '))].filter(scope => scopes.includes(scope)),
    authTime: Math.floor(claims.auth_time ?? 0),
    acr: claims.acr ?? '',
    amr: claims.amr ?? [],
    // The issuer's clock may be ahead of the clock that numbers cuts.
    epoch: Math.max(0, Math.floor(claims.iat) - clockToleranceSeconds),
    issuer,
    jti: claims.jti,
    generation: null,
    expiresAt: Math.floor(Math.min(claims.exp, claims.iat + maxTokenAgeSeconds)),
    data: null,
    claims: null,
    provider: null
  })
}

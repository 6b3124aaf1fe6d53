import { copyJson } from '../json-copy.ts'
import type { ProviderClaims } from '../session/provider-session.ts'

/* Decides by the claims of a provider's user whether the user may sign in, with which scopes, and which claims the session keeps. */

/** A claim and the value that it must have. */
export interface ClaimCondition { claim: string, value: string }

export interface AdmissionRules {
  /** Names of the claims that the session keeps. */
  claims: readonly string[]
  /** Scopes, each for users who meet its condition; for every user without a condition. */
  grant: ReadonlyArray<Partial<ClaimCondition> & { scopes: readonly string[] }>
  /** Condition that a user must meet to sign in. */
  allow?: ClaimCondition | undefined
}

/** Decision about a user. `reason` is for events; it contains no claim. */
export type Admission = { isAllowed: true, scopes: string[], claims: ProviderClaims } | { isAllowed: false, reason: string }

/** Maximum size of the claims that a session keeps, as JSON text in UTF-8. */
const maxClaimsBytes = 4096

/** A condition on the domain of a verified e-mail address. */
const emailDomain = 'email_domain'

export function admit (claims: ProviderClaims, { allow, grant, claims: kept }: AdmissionRules): Admission {
  if (allow !== undefined && !meets(claims, allow)) return { isAllowed: false, reason: `not allowed by ${allow.claim}` }
  const scopes = grant.flatMap(({ claim, value, scopes }) => claim === undefined || value === undefined || meets(claims, { claim, value }) ? scopes : [])
  const own = Object.fromEntries(kept.flatMap(name => Object.hasOwn(claims, name) ? [[name, claims[name]]] : []))
  const copy = copyOf(own)
  return typeof copy === 'string' ? { isAllowed: false, reason: copy } : { isAllowed: true, scopes: [...new Set(scopes)], claims: copy }
}

/** Returns a copy of the claims, or the reason why a session cannot keep them. */
function copyOf (claims: ProviderClaims): ProviderClaims | string {
  try {
    return copyJson('the claims to keep', claims, maxClaimsBytes)
  } catch (error) {
    return (error as Error).message
  }
}

/** Merges the claims of the userinfo endpoint and of an ID token, which take precedence. `email_verified` stays with the address that it is about. */
export function mergeClaims (userInfo: ProviderClaims, idToken: ProviderClaims): ProviderClaims {
  const { email_verified: isVerified, ...others } = userInfo
  const isAboutAnother = Object.hasOwn(idToken, 'email') && idToken['email'] !== userInfo['email']
  return { ...others, ...isVerified === undefined || isAboutAnother ? {} : { email_verified: isVerified }, ...idToken }
}

/** Returns the names of the claims that the rules need. */
export function claimsOf ({ claims, grant, allow }: AdmissionRules): string[] {
  const conditions = [...grant.flatMap(({ claim }) => claim ?? []), ...allow === undefined ? [] : [allow.claim]]
  return [...new Set([...claims, ...conditions.flatMap(claim => claim === emailDomain ? ['email', 'email_verified'] : claim)])]
}

/** Returns whether a claim has a value: as a text, a number or a boolean, or as one entry of a list. */
function meets (claims: ProviderClaims, { claim, value }: ClaimCondition): boolean {
  if (claim === emailDomain) return hasDomain(claims, value)
  const given = Object.hasOwn(claims, claim) ? claims[claim] : undefined
  return [given].flat().some(entry => ['string', 'number', 'boolean'].includes(typeof entry) && String(entry) === value)
}

/** Returns whether the provider has verified an e-mail address of this domain. Some providers state `email_verified` as a text. */
function hasDomain ({ email, email_verified: isVerified }: ProviderClaims, domain: string): boolean {
  if (typeof email !== 'string' || (isVerified !== true && isVerified !== 'true')) return false
  const at = email.lastIndexOf('@')
  return at > 0 && email.slice(at + 1).toLowerCase() === domain.toLowerCase()
}

import { foldCase } from '../fold.ts'
import { copyJson, frozenCopy } from '../json-copy.ts'
import type { DeepReadonly, TokenClaims } from '../own-data.ts'

/* Claims that an application adds to the tokens of the gateway. They take part in no decision of the gateway. */

/** Maximum size of these claims, as JSON text in UTF-8. A token with them and with the largest sign-in is short enough to be accepted. */
export const maxOwnClaimsBytes = 1024

/**
 * Claims that an application cannot add: those that the gateway writes or reads, those that mark other kinds of tokens, and those by which
 * the blocklist would take a payload for a decoded token or for an identity (lib/revocation/revocable-claims.ts).
 */
const reserved = new Set([
  'iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'sid', 'auth_time', 'acr', 'amr', 'scope', 'client_id', 'epoch', 'gen',
  'nonce', 'at_hash', 'c_hash', 's_hash', 'events', 'cnf', 'typ', 'token_use',
  'payload', 'header', 'credential'
])

/** Returns whether a claim is one that only the gateway sets, in any spelling that some services read as its name. */
export function isReservedClaim (name: string): boolean {
  return reserved.has(readName(name))
}

/** Returns a name as some services read it: their JSON parsers do not distinguish upper from lower case, or read up to a NUL. */
function readName (name: string): string {
  return foldCase(name.split('\0', 1)[0]!).toLowerCase().trim()
}

/** Returns a copy of the claims to add. Throws TypeError that names the claim if it is reserved or no JSON value, or if they are too large. */
export function copyOwnClaims (claims: DeepReadonly<TokenClaims>): object {
  const copy = copyJson('claims', claims, maxOwnClaimsBytes)
  const taken = Object.keys(copy).map(readName).find(isReservedClaim)
  if (taken !== undefined) throw new TypeError(`claims must not have ${taken}, which the gateway sets or which would change the meaning of the token; choose another name`)
  return copy
}

/** Returns the claims of a verified token that an application has added, frozen. */
export function ownClaimsOf (claims: object): DeepReadonly<TokenClaims> {
  return frozenCopy(Object.fromEntries(Object.entries(claims).filter(([name]) => !reserved.has(name))))
}

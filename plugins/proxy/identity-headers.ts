import type { FastifyRequest } from 'fastify'
import { ConfigInvalidError, TokenInvalidError } from '../../lib/errors.ts'
import type { Identity } from '../../lib/identity.ts'
import { selectClaims } from '../mint.ts'
import type { Portcullis } from '../portcullis.ts'
import type { IdentityHeaders } from '../proxy.ts'

/** Form in which an upstream receives the caller: a token that the gateway mints, the client's token, plain headers, or nothing. */
export type Forward = 'mint' | 'pass' | 'headers' | 'none'

const nothing: readonly string[] = []

/** Claims of an identity provider for an upstream, each with the name of a header. */
export type ClaimHeaders = Readonly<Record<string, string>>

/**
 * Creates the function that returns the headers for an upstream. `claims` adds claims of the identity provider: to the token with `mint`, as
 * headers with `headers`. The names of these headers belong into `identityHeaderNames` of every proxy. Throws a ConfigInvalidError for `mint`
 * without portcullis-mint.
 */
export function createIdentityHeaders (portcullis: Portcullis, forward: Forward, audience: string | null, claims: ClaimHeaders = {}): IdentityHeaders {
  if (forward === 'mint' && typeof portcullis.mint !== 'function') throw new ConfigInvalidError('createIdentityHeaders: mint needs portcullis-mint; register it before, or choose headers or none')
  switch (forward) {
    case 'mint': return mintFor(portcullis, audience, Object.keys(claims))
    case 'headers': return headersWith(Object.entries(claims).map(([claim, header]) => [claim, header.toLowerCase()]))
    case 'pass': return passOn
    case 'none': return () => nothing
  }
}

function mintFor (portcullis: Portcullis, audience: string | null, claims: readonly string[]): IdentityHeaders {
  if (audience === null) return () => nothing
  if (claims.length === 0) return ({ identityOrNull }) => identityOrNull === null ? nothing : ['authorization', `Bearer ${portcullis.mint(identityOrNull, audience)}`]
  const selected = selectClaims(audience, claims)
  return ({ identityOrNull }) => identityOrNull === null ? nothing : ['authorization', `Bearer ${portcullis.mint(identityOrNull, audience, selected)}`]
}

function headersWith (claims: ReadonlyArray<readonly [claim: string, header: string]>): IdentityHeaders {
  if (claims.length === 0) return ({ identityOrNull }) => identityOrNull === null ? nothing : plainHeaders(identityOrNull)
  const known = new WeakMap<Identity, readonly string[]>()
  return ({ identityOrNull }) => {
    if (identityOrNull === null) return nothing
    let headers = known.get(identityOrNull)
    if (headers === undefined) known.set(identityOrNull, headers = [...plainHeaders(identityOrNull), ...claimHeaders(identityOrNull, claims)])
    return headers
  }
}

/** Returns the headers of the claims that the identity has. Commas separate the entries of a list, and are encoded everywhere else. */
function claimHeaders ({ provider }: Identity, claims: ReadonlyArray<readonly [claim: string, header: string]>): string[] {
  if (provider === null) return []
  return claims.flatMap(([claim, header]) => {
    const value = Object.hasOwn(provider.claims, claim) ? provider.claims[claim] : null
    return value === null ? [] : [header, (Array.isArray(value) ? value : [value]).map(claimText).join(',')]
  })
}

/** A comma is encoded, so that no single text reads like a list. */
function claimText (value: unknown): string {
  return headerText(typeof value === 'string' ? value : JSON.stringify(value)).replaceAll(',', '%2C')
}

/**
 * Forwards the client's token only if it is valid for no other audience, because the upstream could use it there. Another issuer's token is
 * rejected, because its subject and scopes differ from those of the identity.
 */
function passOn ({ identityOrNull, headers }: FastifyRequest): readonly string[] {
  if (identityOrNull === null || headers.authorization === undefined) return nothing
  if (identityOrNull.sid === null) throw new TokenInvalidError({ cause: new Error('of another issuer') })
  if (identityOrNull.audiences.length !== 1) throw new TokenInvalidError({ cause: new Error('good for other audiences too') })
  return ['authorization', headers.authorization]
}

function plainHeaders ({ subject, sid, scopes }: Identity): readonly string[] {
  return ['x-auth-subject', headerText(subject), ...sid === null ? nothing : ['x-auth-session', sid], 'x-auth-scope', scopes.join(' ')]
}

/** Percent-encodes a text that is not plain ASCII, or that could be read as percent-encoded. */
function headerText (text: string): string {
  return /^[\x21-\x24\x26-\x7e]+$/.test(text) ? text : encodeURIComponent(text.toWellFormed())
}

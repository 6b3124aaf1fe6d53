import type { FastifyRequest } from 'fastify'
import { ConfigInvalidError, TokenInvalidError } from '../../lib/errors.ts'
import type { Identity } from '../../lib/identity.ts'
import type { Portcullis } from '../portcullis.ts'
import type { IdentityHeaders } from '../proxy.ts'

/** Form in which an upstream receives the caller: a token that the gateway mints, the client's token, plain headers, or nothing. */
export type Forward = 'mint' | 'pass' | 'headers' | 'none'

const nothing: readonly string[] = []

/** Creates the function that returns the headers for an upstream. Throws a ConfigInvalidError for `mint` without portcullis-mint. */
export function createIdentityHeaders (portcullis: Portcullis, forward: Forward, audience: string | null): IdentityHeaders {
  if (forward === 'mint' && typeof portcullis.mint !== 'function') throw new ConfigInvalidError('createIdentityHeaders: mint needs portcullis-mint; register it before, or choose headers or none')
  switch (forward) {
    case 'mint': return ({ identityOrNull }) => identityOrNull === null || audience === null ? nothing : ['authorization', `Bearer ${portcullis.mint(identityOrNull, audience)}`]
    case 'headers': return ({ identityOrNull }) => identityOrNull === null ? nothing : plainHeaders(identityOrNull)
    case 'pass': return passOn
    case 'none': return () => nothing
  }
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
  return /^[\x21-\x24\x26-\x7e]+$/.test(text) ? text : encodeURIComponent(text)
}

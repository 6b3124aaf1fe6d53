import type { FastifyRequest } from 'fastify'
import { TokenInvalidError } from '../../lib/errors.ts'
import type { Identity } from '../../lib/principal.ts'
import type { Portcullis } from '../portcullis.ts'
import type { IdentityHeaders } from '../proxy.ts'

/** How an upstream is told who a request is from: by a token of its own, by the client's token, by plain headers, or not at all. */
export type Forward = 'mint' | 'pass' | 'headers' | 'none'

const nothing: readonly string[] = []

/** What `proxy` adds for an upstream. `audience` is needed to mint. */
export function createIdentityHeaders (portcullis: Portcullis, forward: Forward, audience: string | null): IdentityHeaders {
  switch (forward) {
    case 'mint': return ({ identityOrNull }) => identityOrNull === null || audience === null ? nothing : ['authorization', `Bearer ${portcullis.mint(identityOrNull, audience)}`]
    case 'headers': return ({ identityOrNull }) => identityOrNull === null ? nothing : plainHeaders(identityOrNull)
    case 'pass': return passOn
    case 'none': return () => nothing
  }
}

/**
 * Only a token that is good nowhere else: the upstream could use any other part of it. And only our own: in another issuer's the
 * subject and the scopes are not those that it has here.
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

/** Percent-encoded where it is not plain ASCII, and where it could be taken for that. */
function headerText (text: string): string {
  return /^[\x21-\x24\x26-\x7e]+$/.test(text) ? text : encodeURIComponent(text)
}

import type { FastifyRequest } from 'fastify'
import { LoginRefusedError } from '../errors.ts'
import { isClaimText } from '../revocation/revocable-claims.ts'
import type { SessionRecord } from './record.ts'

/** A subject that has just authenticated. */
export interface SignIn {
  subject: string
  /** What the subject calls themselves at sign-in; a step-up checks the password of this name. Default: the subject. */
  username?: string
  /** Default: none. */
  scopes?: string[]
  /** Audiences that the session is good for. Default: none. */
  audiences?: string[]
  /** How strong the authentication was, and by what (RFC 9068). Defaults: `1`, `["pwd"]`. */
  acr?: string
  amr?: string[]
}

const longestUserAgent = 256

/** Most characters of a subject's scopes, joined by spaces: an access token with all of them is short enough to be accepted. */
export const maxScopesLength = 9000
/** Most characters of scopes, audiences, acr and amr together, for the same reason. */
const maxGrantLength = 11_000

/**
 * What a sign-in leaves in the session's record, the mode's own parts apart. Throws LoginRefusedError when there is no subject:
 * an author may hand on what a password check has found, and that may be nobody.
 */
export function describeSignIn (request: FastifyRequest, { subject, username = subject, scopes = [], audiences = [], acr = '1', amr = ['pwd'] }: SignIn): Pick<SessionRecord, 'subject' | 'username' | 'scopes' | 'audiences' | 'acr' | 'amr' | 'client'> {
  if (!isClaimText(subject)) throw new LoginRefusedError({ cause: new Error('no subject, or one that could not be revoked') })
  if (scopes.join(' ').length > maxScopesLength) throw new TypeError(`the scopes of a subject must have at most ${maxScopesLength} characters together, or no access token could carry them`)
  if ([...scopes, ...audiences, acr, ...amr].join(' ').length > maxGrantLength) throw new TypeError(`scopes, audiences, acr and amr of a sign-in must have at most ${maxGrantLength} characters together, or no access token could carry them`)
  const userAgent = (request.headers['user-agent'] ?? '').slice(0, longestUserAgent)
  return { subject, username, scopes, audiences, acr, amr, client: { userAgent, ip: request.ip } }
}

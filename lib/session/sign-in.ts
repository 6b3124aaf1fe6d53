import type { FastifyRequest } from 'fastify'
import { LoginRefusedError } from '../errors.ts'
import { isClaimText } from '../revocation/revocable-claims.ts'
import type { SessionRecord } from './record.ts'

/** A subject that has just authenticated. */
export interface SignIn {
  /** Permanent name of the user, by which its sessions are listed and revoked. */
  subject: string
  /** Name that the subject enters at sign-in. A step-up checks the password of this name. Default: the subject. */
  username?: string
  /** Scopes of the session. Default: none. */
  scopes?: string[]
  /** Audiences for which the session is valid. Default: none, so that it is valid nowhere. */
  audiences?: string[]
  /** Strength of the authentication (RFC 9068). Default: `1`. */
  acr?: string
  /** Methods of the authentication (RFC 8176). Default: `["pwd"]`. */
  amr?: string[]
}

const longestUserAgent = 256

/** Maximum length of a subject's scopes, joined by spaces. An access token with all of them is short enough to be accepted. */
export const maxScopesLength = 9000
/** Maximum total length of scopes, audiences, acr and amr, for the same reason. */
const maxGrantLength = 11_000

/**
 * Returns the fields of a session's record that depend on the sign-in, without those of the mode. Throws LoginRefusedError if there is no
 * subject: an author may pass on the result of a password check that found no user.
 */
export function describeSignIn (request: FastifyRequest, { subject, username = subject, scopes = [], audiences = [], acr = '1', amr = ['pwd'] }: SignIn): Pick<SessionRecord, 'subject' | 'username' | 'scopes' | 'audiences' | 'acr' | 'amr' | 'client'> {
  if (!isClaimText(subject)) throw new LoginRefusedError({ cause: new Error('no subject, or one that could not be revoked') })
  if (scopes.join(' ').length > maxScopesLength) throw new TypeError(`the scopes of a subject must have at most ${maxScopesLength} characters together, or no access token could carry them`)
  if ([...scopes, ...audiences, acr, ...amr].join(' ').length > maxGrantLength) throw new TypeError(`scopes, audiences, acr and amr of a sign-in must have at most ${maxGrantLength} characters together, or no access token could carry them`)
  const userAgent = (request.headers['user-agent'] ?? '').slice(0, longestUserAgent)
  return { subject, username, scopes, audiences, acr, amr, client: { userAgent, ip: request.ip } }
}

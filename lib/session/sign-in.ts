import type { FastifyRequest } from 'fastify'
import { LoginRefusedError } from '../errors.ts'
import type { DeepReadonly, SessionData } from '../own-data.ts'
import { isClaimText } from '../revocation/revocable-claims.ts'
import type { Strength } from './authentication.ts'
import { copyData } from './data.ts'
import type { SessionRecord } from './record.ts'

/** A subject that has just authenticated. */
export interface SignIn {
  /** Permanent name of the user, by which its sessions are listed and revoked. */
  subject: string
  /** Name that the subject enters at sign-in. A step-up checks the password of this name. Default: the subject. */
  username?: string
  /** Scopes of the session. Default: none. */
  scopes?: readonly string[]
  /** Audiences for which the session is valid. Default: none, so that it is valid nowhere. */
  audiences?: readonly string[]
  /** Strength of the authentication (RFC 9068). Default: `1`. */
  acr?: string
  /** Methods of the authentication (RFC 8176). Default: `["pwd"]`. */
  amr?: readonly string[]
  /**
   * Data that the application keeps with the session until the session ends: a JSON object of at most 4096 bytes. A copy is stored. Default:
   * none.
   */
  data?: DeepReadonly<SessionData>
}

const longestUserAgent = 256

/** Maximum length of a subject's scopes, joined by spaces. An access token with all of them is short enough to be accepted. */
export const maxScopesLength = 9000
/**
 * Maximum size of subject, scopes, audiences, acr and amr as a token encodes them, in bytes, for the same reason. It leaves room for claims of
 * the application (lib/jwt/own-claims.ts).
 */
const maxGrantBytes = 10_000

/** A scope (RFC 6749, section 3.3). */
const scopePattern = /^[\x21\x23-\x5b\x5d-\x7e]+$/
const controlCharacters = /[\x00-\x1f\x7f-\x9f]/ // eslint-disable-line no-control-regex

/**
 * Returns the fields of a session's record that depend on the sign-in, without those of the mode. Throws LoginRefusedError if there is no
 * subject: an author may pass on the result of a password check that found no user. Throws TypeError that names the field for a value that a
 * credential of the session could not carry, for data that cannot be kept, and for a demand for a second factor.
 */
export function describeSignIn (request: FastifyRequest, signIn: SignIn): Pick<SessionRecord, 'subject' | 'username' | 'scopes' | 'audiences' | 'acr' | 'amr' | 'client' | 'data'> {
  const { subject, username = subject, scopes = [], audiences = [], acr = '1', amr = ['pwd'], data = {} } = signIn
  // It may name the subject, who has not shown the factor yet.
  if ('challenge' in signIn) throw new TypeError('a demand for a second factor is no sign-in')
  if (!isClaimText(subject)) throw new LoginRefusedError({ cause: new Error('no subject, or one that could not be revoked') })
  if (typeof username !== 'string' || username === '') throw new TypeError('username must be a text')
  const granted = { scopes: checkScopes(scopes), audiences: checkTexts('audiences', audiences), ...checkStrength({ acr, amr }) }
  assertFitsToken({ subject, ...granted })
  const userAgent = (request.headers['user-agent'] ?? '').slice(0, longestUserAgent)
  return { subject, username, ...granted, client: { userAgent, ip: request.ip }, data: copyData(data) }
}

/** Returns a copy of the scopes of a subject. Throws TypeError if they are not scopes, or too long for an access token. */
export function checkScopes (scopes: readonly string[]): string[] {
  const checked = listOf('scopes', scopes)
  if (!checked.every(scope => typeof scope === 'string' && scopePattern.test(scope))) throw new TypeError('scopes must be a list of texts of visible ASCII characters without space, " and \\, one entry a scope')
  if (checked.join(' ').length > maxScopesLength) throw new TypeError(`scopes must have at most ${maxScopesLength} characters together, or no access token could carry them`)
  return checked
}

/** Returns a copy of the strength and the methods of an authentication. Throws TypeError if they are not texts. */
export function checkStrength ({ acr, amr }: { acr: string, amr: readonly string[] }): Strength {
  if (!isText(acr)) throw new TypeError('acr must be a text without control characters')
  return { acr, amr: checkTexts('amr', amr) }
}

/** Throws TypeError if no access token could carry these members of a session. */
export function assertFitsToken ({ subject, scopes, audiences, acr, amr }: Pick<SessionRecord, 'subject' | 'scopes' | 'audiences' | 'acr' | 'amr'>): void {
  const bytes = Buffer.byteLength(JSON.stringify([subject, scopes.join(' '), audiences, acr, amr]))
  if (bytes > maxGrantBytes) throw new TypeError(`subject, scopes, audiences, acr and amr must have at most ${maxGrantBytes} bytes together, as a token encodes them, or no access token could carry them; they have ${bytes}`)
}

function checkTexts (name: string, texts: readonly string[]): string[] {
  const checked = listOf(name, texts)
  if (!checked.every(text => isText(text) && text !== '')) throw new TypeError(`${name} must be a list of texts that are not empty and have no control characters`)
  return checked
}

/** Returns a copy, which has no gaps and which its author cannot change later. */
function listOf (name: string, list: readonly string[]): string[] {
  if (!Array.isArray(list)) throw new TypeError(`${name} must be a list of texts`)
  return [...list as string[]]
}

function isText (value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed() && !controlCharacters.test(value)
}

import { copyJson } from '../json-copy.ts'
import type { DeepReadonly } from '../own-data.ts'
import { isPlain } from '../settings/decode.ts'

/* A session that began at an identity provider (OpenID Connect): what its record keeps about that, and what a provider states. */

/** Claims of a user that a provider has stated, as JSON. */
export type ProviderClaims = Record<string, unknown>

/** Part of a session's record about the sign-in at an identity provider. */
export interface ProviderSession {
  /** Name of the provider in the configuration. */
  name: string
  /** Subject at the provider (`sub`). */
  sub: string
  /** Session at the provider (`sid` of the last ID token); null if the provider states none. */
  sid: string | null
  /** ID token of the last authentication, sealed, for the hint at sign-out; null if it is too long to keep. */
  idToken: string | null
  /** Claims that the configuration keeps with the session. */
  claims: ProviderClaims
}

/** Part of an identity about the sign-in at an identity provider. */
export type ProviderIdentity = DeepReadonly<Pick<ProviderSession, 'name' | 'claims'>>

/** What a provider has proved about a sign-in or a step-up, in addition to its strength. */
export interface ProviderProof {
  provider: ProviderSession
  /** Time of the authentication as the provider states it, in milliseconds; 0 if it states none, which is never recent enough. */
  authTimeMs: number
  /** Time at which the sign-in began at this gateway, by the store's clock. It is then at most `longestSignInMs` old. */
  beganAtMs: number
  /** Time from which the sign-in counts (lib/oidc/cut-judgement.ts). A cut of the subject or of everybody at that time or later refuses it. */
  countsFromMs: number
}

/** End of sessions that a provider demands with a verified logout token (OpenID Connect Back-Channel Logout 1.0). */
export interface ProviderLogout {
  /** Name of the provider. */
  provider: string
  /** Subject here (`<provider>|<sub>`); null if the token has only `sid`. */
  subject: string | null
  /** Session at the provider; null if the token has only `sub`, so that all sessions of the subject end. */
  sid: string | null
  /** Id of the logout token. The same one counts once. */
  jti: string
  /** Time for which the id is remembered: at least as long as the token could be accepted again. */
  keepJtiForMs: number
}

/**
 * Maximum time from the beginning of a sign-in at a provider until its session is opened or renewed, in milliseconds. Logouts of sessions at
 * providers are remembered for at least as long, so that a logout that was processed during the sign-in is always found.
 */
export const longestSignInMs = 900_000

/** Returns the subject of a provider's user. The names of providers have no `|`. */
export function providerSubjectOf ({ name, sub }: Pick<ProviderSession, 'name' | 'sub'>): string {
  return `${name}|${sub}`
}

/** Maximum size of the claims that are kept, as JSON text in UTF-8. */
const maxClaimsBytes = 4096
/** Maximum length of the session id and of the sealed ID token that a record keeps, in characters. */
const maxTextLength = 16_384

/** Returns a copy of what a provider has proved. Throws TypeError that names the member that a record could not keep. */
export function checkProof ({ provider: { name, sub, sid, idToken, claims }, authTimeMs, beganAtMs, countsFromMs }: ProviderProof): ProviderProof {
  for (const [member, text] of Object.entries({ sid, idToken })) {
    if (text !== null && (typeof text !== 'string' || text.length > maxTextLength)) throw new TypeError(`provider.${member} must be null or a text of at most ${maxTextLength} characters`)
  }
  for (const [member, ms] of Object.entries({ authTimeMs, beganAtMs, countsFromMs })) if (!Number.isFinite(ms) || ms < 0) throw new TypeError(`${member} must be an instant in milliseconds`)
  const copy = copyJson('claims', claims, maxClaimsBytes) as ProviderClaims
  return { provider: { name, sub, sid, idToken, claims: copy }, authTimeMs: Math.floor(authTimeMs), beganAtMs: Math.floor(beganAtMs), countsFromMs: Math.floor(countsFromMs) }
}

/** Returns the text that a store keeps; null for a session that did not begin at a provider. */
export function encodeProvider (provider: ProviderSession | null): string | null {
  if (provider === null) return null
  const { name, sub, sid, idToken, claims } = provider
  return JSON.stringify({ name, sub, sid, idToken, claims })
}

/** Returns what `encodeProvider` encoded. Records of earlier versions have no text. Throws for a damaged text. */
export function decodeProvider (text: string | null | undefined): ProviderSession | null {
  if (text === null || text === undefined) return null
  const provider = JSON.parse(text) as Partial<ProviderSession> | null
  if (typeof provider?.name !== 'string' || typeof provider.sub !== 'string' || !isPlain(provider.claims)) throw new TypeError('not the provider of a session')
  const { name, sub, sid = null, idToken = null, claims } = provider
  return { name, sub, sid, idToken, claims: claims as ProviderClaims }
}

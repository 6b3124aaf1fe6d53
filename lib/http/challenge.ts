/** Content of a `WWW-Authenticate: Bearer` challenge (RFC 6750, section 3; RFC 9470, section 3). */
export interface Challenge {
  /** Reason for the rejection; absent if the request carried no credential. */
  error?: 'invalid_request' | 'invalid_token' | 'insufficient_scope' | 'insufficient_user_authentication'
  /** All scopes that the resource requires. */
  scopes?: readonly string[]
  /** Maximum age of the authentication, in seconds. */
  maxAgeSeconds?: number
  acrValues?: readonly string[]
}

/** Requirements of a route that a challenge can express. */
export type ChallengeDetails = Omit<Challenge, 'error'>

/** Returns the value of a WWW-Authenticate header. */
export function bearerChallenge (challenge: Challenge = {}): string {
  const parameters: string[] = []
  if (challenge.error !== undefined) parameters.push(`error=${quoted(challenge.error)}`)
  if (challenge.scopes !== undefined && challenge.scopes.length > 0) parameters.push(`scope=${quoted(challenge.scopes.join(' '))}`)
  if (challenge.maxAgeSeconds !== undefined) parameters.push(`max_age=${quoted(String(challenge.maxAgeSeconds))}`)
  if (challenge.acrValues !== undefined && challenge.acrValues.length > 0) parameters.push(`acr_values=${quoted(challenge.acrValues.join(' '))}`)
  return parameters.length === 0 ? 'Bearer' : `Bearer ${parameters.join(', ')}`
}

/** Returns the challenge for an error code; null for codes that another credential would not resolve. */
export function challengeFor (code: string, details: ChallengeDetails = {}): string | null {
  const { scopes = [], maxAgeSeconds, acrValues = [] } = details
  switch (code) {
    case 'PTC_ERR_CREDENTIALS_MISSING': return bearerChallenge({ scopes })
    case 'PTC_ERR_CLAIMS_UNIDENTIFIABLE':
    case 'PTC_ERR_TOKEN_INVALID': return bearerChallenge({ error: 'invalid_token' })
    case 'PTC_ERR_SCOPE_INSUFFICIENT': return bearerChallenge({ error: 'insufficient_scope', scopes })
    case 'PTC_ERR_STEP_UP_REQUIRED':
      return bearerChallenge({ error: 'insufficient_user_authentication', acrValues, ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }) })
    // RFC 9110, section 11.6.1, requires a challenge with every 401. Browsers ignore this one.
    case 'PTC_ERR_SESSION_INVALID':
    case 'PTC_ERR_LOGIN_REFUSED':
    case 'PTC_ERR_SECOND_FACTOR_REQUIRED':
    case 'PTC_ERR_REFRESH_REFUSED': return bearerChallenge()
    default: return null
  }
}

/** Returns a quoted-string (RFC 9110, section 5.6.4). Characters that could end the header or the string are removed or escaped. */
function quoted (text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '').replace(/["\\]/g, '\\$&')}"`
}

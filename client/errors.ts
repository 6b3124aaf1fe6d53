/** What the client's calls reject with. */
export interface ClientError extends Error {
  /** The gateway's, such as `PTC_ERR_LOGIN_REFUSED`. `PTC_ERR_NETWORK`: there was no answer, or it was not the gateway's. */
  code: string
  /** HTTP status; 0 without an answer. */
  status: number
  /** Seconds until it is worth another try; null when that is not told. */
  retryAfter: number | null
  /** Of `PTC_ERR_STEP_UP_REQUIRED` alone: how old the authentication may be, in seconds; null when that is not told. */
  maxAge?: number | null
}

/** What an answer that is no good one says. */
export async function errorOf (response: Response | null, cause?: unknown): Promise<ClientError> {
  const { code } = await response?.json().catch(() => null) as { code: string } | null ?? { code: '' }
  const { headers, status = 0 } = response ?? {}
  const known = /^PTC_/.test(code) ? code : 'PTC_ERR_NETWORK'
  const challenge = headers?.get('www-authenticate') ?? ''
  const maxAge = /age="(\d+)/.exec(challenge)
  return Object.assign(new Error(known, { cause }), {
    code: known,
    status,
    // Not as a date: clients' clocks are wrong.
    retryAfter: parseInt(headers?.get('retry-after') ?? '') || null,
    ...challenge.includes('insufficient_user') && { maxAge: maxAge && Number(maxAge[1]) }
  })
}

/** By the gateway's own words the credential is no good any more. A service that answers 401 by itself says nothing of that. */
export function isRefusal ({ code, status }: ClientError): boolean {
  return status === 401 && /MISSING|INVALID|REFRESH/.test(code)
}

/** Waiting makes it no better. */
export function isFinal ({ status }: ClientError): boolean {
  return /^4(?!08|29)/.test(`${status}`)
}

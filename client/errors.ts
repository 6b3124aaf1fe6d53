/** The error that the client's calls reject with. */
export interface ClientError extends Error {
  /**
   * The gateway's code, such as `PTC_ERR_LOGIN_REFUSED`, or one of the client: `PTC_ERR_NETWORK` (there was no answer, or it was
   * not the gateway's), `PTC_ERR_CLOSED` (`close` has been called, or there is no page: the code runs on a server).
   */
  code: string
  /** The HTTP status; 0 without an answer. */
  status: number
  /** The seconds to wait before a retry; null when unknown. */
  retryAfter: number | null
  /** Set for `PTC_ERR_STEP_UP_REQUIRED` only: the maximum age of the authentication in seconds; null when unknown. */
  maxAge?: number | null | undefined
}

export function makeError (code: string, status = 0, maxAge?: number | null, retryAfter: number | null = null, cause?: unknown): ClientError {
  return Object.assign(new Error(code, { cause }), { code, status, retryAfter, maxAge })
}

/**
 * Returns the error of a Bearer challenge (RFC 6750) and the required maximum age of the authentication (RFC 9470), which is
 * undefined unless the challenge asks for a step-up.
 */
export function challengeOf (response: Response): [error: string, maxAge: ClientError['maxAge']] {
  const [, error = '', age = ''] = /error="(\w+)(?:.*age="(\d+))?/.exec(response.headers.get('www-authenticate')!) ?? []
  return [error, /user/.test(error) ? +age || null : undefined]
}

/** Returns null for an error by which the gateway refuses the credential permanently, and throws any other. */
export function nullIfRefused (error: ClientError): null {
  if (error.status === 401 && /MISS|INV|REFR/.test(error.code)) return null
  throw error
}

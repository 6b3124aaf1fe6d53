/** The error that the client's calls reject with. */
export interface ClientError extends Error {
  /**
   * The gateway's code, such as `PTC_ERR_LOGIN_REFUSED`, or one of the client: `PTC_ERR_NETWORK` (there was no answer, or it was
   * not the gateway's), `PTC_ERR_CLOSED` (`close` has been called, or there is no page: the code runs on a server).
   */
  code: string
  /** HTTP status; 0 without an answer. */
  status: number
  /** Seconds until it is worth another try; null when that is not told. */
  retryAfter: number | null
  /** Of `PTC_ERR_STEP_UP_REQUIRED` alone: how old the authentication may be, in seconds; null when that is not told. */
  maxAge?: number | null | undefined
}

export function makeError (code: string, status = 0, maxAge?: number | null, retryAfter: number | null = null, cause?: unknown): ClientError {
  return Object.assign(new Error(code, { cause }), { code, status, retryAfter, maxAge })
}

/** Describes an answer that is not a good one, given the JSON of its body. */
export function errorOf (response: Response, body: { code?: unknown } | null, cause: unknown): ClientError {
  const code = `${body?.code}`
  // Not as a date: clients' clocks are wrong.
  const retryAfter = parseInt(response.headers.get('retry-after') ?? '') || null
  return makeError(/^PTC_/.test(code) ? code : 'PTC_ERR_NETWORK', response.status, challengeOf(response).maxAge, retryAfter, cause)
}

/** The error of a Bearer challenge (RFC 6750), and how old the authentication may be (RFC 9470): undefined when that is not the matter. */
export function challengeOf ({ headers }: Response): { error: string, maxAge: ClientError['maxAge'] } {
  const [, error = '', age] = /error="(\w+)(?:.*age="(\d+))?/.exec(headers.get('www-authenticate') ?? '') ?? []
  return { error, maxAge: /user/.test(error) ? Number(age) || null : undefined }
}

/** By the gateway's own words the credential is no good any more. */
export function isRefusal ({ code, status }: ClientError): boolean {
  return status === 401 && /MISSING|INVALID|REFRESH/.test(code)
}

/** Waiting makes it no better. */
export function isFinal ({ status }: ClientError): boolean {
  return /^4(?!08|29)/.test(`${status}`)
}

import createError from '@fastify/error'

/*
 * Every error that the gateway raises, with its code, public message and status. A message is a constant. Details that would help an
 * attacker (which check failed, whose token it was) are only in `cause` and in audit events, never in the response. Codes are part of the
 * API: renaming one is a breaking change.
 */

// Configuration and registration
export const ConfigInvalidError = createError('PTC_ERR_CONFIG_INVALID', '%s', 500)

// Credentials
export const CredentialsMissingError = createError('PTC_ERR_CREDENTIALS_MISSING', 'Credentials are required', 401)
export const CredentialsAmbiguousError = createError('PTC_ERR_CREDENTIALS_AMBIGUOUS', 'More than one credential was presented', 400)
export const LoginRefusedError = createError('PTC_ERR_LOGIN_REFUSED', 'The user name or the password is wrong', 401)
/** Its members `challenge` and `challenge_token` are members of the response. */
export const SecondFactorRequiredError = createError('PTC_ERR_SECOND_FACTOR_REQUIRED', 'A second factor is required', 401)
export const TokenInvalidError = createError('PTC_ERR_TOKEN_INVALID', 'The access token is not good here', 401)
export const ClaimsUnidentifiableError = createError('PTC_ERR_CLAIMS_UNIDENTIFIABLE', 'The claims do not tell which token they are of', 401)
export const SessionInvalidError = createError('PTC_ERR_SESSION_INVALID', 'The session is not good any more', 401)
export const RefreshRefusedError = createError('PTC_ERR_REFRESH_REFUSED', 'The refresh token is not good any more', 401)

// Authorization
export const ScopeInsufficientError = createError('PTC_ERR_SCOPE_INSUFFICIENT', 'The credential does not carry the required scope', 403)
export const StepUpRequiredError = createError('PTC_ERR_STEP_UP_REQUIRED', 'A more recent or stronger authentication is required', 401)
export const DeviceProofRequiredError = createError('PTC_ERR_DEVICE_PROOF_REQUIRED', 'A proof of the key of the session\'s device is required', 403)
export const CsrfRefusedError = createError('PTC_ERR_CSRF_REFUSED', 'The request comes from another site', 403)

// Requests
export const RequestInvalidError = createError('PTC_ERR_REQUEST_INVALID', 'The request is malformed', 400)
export const MethodNotAllowedError = createError('PTC_ERR_METHOD_NOT_ALLOWED', 'The method is not allowed here', 405)
export const RequestTimeoutError = createError('PTC_ERR_REQUEST_TIMEOUT', 'The request did not arrive in time', 408)
export const BodyTooLargeError = createError('PTC_ERR_BODY_TOO_LARGE', 'The body is too large', 413)
export const MediaTypeUnsupportedError = createError('PTC_ERR_MEDIA_TYPE_UNSUPPORTED', 'The media type is not supported here', 415)
export const HeadersTooLargeError = createError('PTC_ERR_HEADERS_TOO_LARGE', 'The request headers are too large', 431)
export const CookieDuplicateError = createError('PTC_ERR_COOKIE_DUPLICATE', 'A cookie was sent more than once', 400)
export const AudienceUnknownError = createError('PTC_ERR_AUDIENCE_UNKNOWN', 'An audience is not known here', 400)
export const PathRefusedError = createError('PTC_ERR_PATH_REFUSED', 'The path can be read in more than one way', 400)
export const RateLimitedError = createError('PTC_ERR_RATE_LIMITED', 'Too many requests', 429)
export const NotFoundError = createError('PTC_ERR_NOT_FOUND', 'There is nothing here', 404)
export const SessionNotFoundError = createError('PTC_ERR_SESSION_NOT_FOUND', 'There is no such session', 404)

// Stores, issuers and upstreams
export const StoreUnavailableError = createError('PTC_ERR_STORE_UNAVAILABLE', 'The session store cannot be reached', 503)
export const IssuerUnavailableError = createError('PTC_ERR_ISSUER_UNAVAILABLE', 'The keys of the issuer cannot be reached', 503)
export const UpstreamUnreachableError = createError('PTC_ERR_UPSTREAM_UNREACHABLE', 'The upstream cannot be reached', 502)
export const UpstreamResponseInvalidError = createError('PTC_ERR_UPSTREAM_RESPONSE_INVALID', 'The upstream sent an invalid response', 502)
export const UpstreamBusyError = createError('PTC_ERR_UPSTREAM_BUSY', 'Too many requests wait for the upstream', 503)
export const UpstreamTimeoutError = createError('PTC_ERR_UPSTREAM_TIMEOUT', 'The upstream did not answer in time', 504)
export const UpstreamLoopError = createError('PTC_ERR_UPSTREAM_LOOP', 'The upstream leads back to the gateway', 508)
export const InternalError = createError('PTC_ERR_INTERNAL', 'Something went wrong', 500)

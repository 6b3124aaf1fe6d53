import { createError } from '@fastify/error'

/*
 * Every error that the gateway raises, with its code, public message and status. A message is a constant. Details that would help an
 * attacker (which check failed, whose token it was) are only in `cause` and in audit events, never in the response. Codes are part of the
 * API: renaming one is a breaking change. The package exports this file as `portcullis/errors`; each comment says when the error occurs,
 * what has happened, and what to do.
 */

// Configuration and registration
/**
 * Thrown while a plugin or the gateway is registered, if its options or its order are invalid; a running server does not throw it. Nothing
 * was opened or changed. Correct the option that the message names. As a response it would be status 500.
 */
export const ConfigInvalidError = createError('PTC_ERR_CONFIG_INVALID', '%s', 500)

// Credentials
/**
 * Status 401: the request carries no credential, or a handler reads `request.identity` on a route without one. Nothing has changed. The
 * client signs in, and repeats the request.
 */
export const CredentialsMissingError = createError('PTC_ERR_CREDENTIALS_MISSING', 'Credentials are required', 401)
/**
 * Status 400: the request carries a session cookie and a bearer token, or two bearer tokens. Neither was used. The client sends one of
 * them.
 */
export const CredentialsAmbiguousError = createError('PTC_ERR_CREDENTIALS_AMBIGUOUS', 'More than one credential was presented', 400)
/**
 * Status 401: the user is unknown or the password is wrong; both cases have the same response. No session was opened, and the failure
 * counts in the budget of the account. The client asks the user again.
 */
export const LoginRefusedError = createError('PTC_ERR_LOGIN_REFUSED', 'The user name or the password is wrong', 401)
/**
 * Status 400: the answer of an identity provider belongs to no sign-in of this browser, or is not valid. No session was opened. The user
 * starts the sign-in again.
 */
export const LoginInvalidError = createError('PTC_ERR_LOGIN_INVALID', 'The answer of the identity provider was not accepted', 400)
/**
 * Status 403: the identity provider has authenticated a user who may not sign in here, or has refused to. No session was opened. The user
 * asks the operator for access.
 */
export const LoginForbiddenError = createError('PTC_ERR_LOGIN_FORBIDDEN', 'This account may not sign in here', 403)
/**
 * Status 400: a logout token of an identity provider is not valid. No session has ended.
 */
export const LogoutTokenInvalidError = createError('PTC_ERR_LOGOUT_TOKEN_INVALID', 'The logout token is not valid', 400)
/**
 * Status 401: the first factor was right, and a second one is missing. No session was opened. The members `challenge` and `challenge_token` are
 * also those of the response. The client asks the user for the response to the challenge, and sends it with the token.
 */
export const SecondFactorRequiredError = createError('PTC_ERR_SECOND_FACTOR_REQUIRED', 'A second factor is required', 401)
/**
 * Status 401: the access token is malformed, expired, revoked, or issued for another audience. The session may still be valid. The client
 * refreshes once, and signs in if the refresh is refused.
 */
export const TokenInvalidError = createError('PTC_ERR_TOKEN_INVALID', 'The access token is not good here', 401)
/**
 * Status 401: the blocklist received claims that do not tell which token they belong to, so that a revocation could not be found. Nothing
 * has changed. Pass the verified claims, with `jti`, `sub` and `iat` or `sid`, to the blocklist.
 */
export const ClaimsUnidentifiableError = createError('PTC_ERR_CLAIMS_UNIDENTIFIABLE', 'The claims do not tell which token they are of', 401)
/**
 * Status 401: the session cookie is unknown, expired or revoked, or the device cookie that it requires is missing. The session cannot be
 * used any more. The client signs in.
 */
export const SessionInvalidError = createError('PTC_ERR_SESSION_INVALID', 'The session is not good any more', 401)
/**
 * Status 401: the refresh token is unknown, expired or already used; all cases have the same response. After a reuse the session is
 * revoked. The client signs in.
 */
export const RefreshRefusedError = createError('PTC_ERR_REFRESH_REFUSED', 'The refresh token is not good any more', 401)

// Authorization
/**
 * Status 403: a required scope is missing, or the session was opened for other audiences. The credential stays valid elsewhere. Repeating
 * the request does not help; the subject needs the scope at its next sign-in.
 */
export const ScopeInsufficientError = createError('PTC_ERR_SCOPE_INSUFFICIENT', 'The credential does not carry the required scope', 403)
/**
 * Status 401: the authentication is older or weaker than the route allows (RFC 9470). The session stays valid. The client authenticates the user
 * again (`POST /auth/step-up`), and repeats the request.
 */
export const StepUpRequiredError = createError('PTC_ERR_STEP_UP_REQUIRED', 'A more recent or stronger authentication is required', 401)
/**
 * Status 403: the request does not prove possession of the key of the session's device. The session is unchanged. The client signs the
 * challenge of `Secure-Session-Challenge`, and repeats the request.
 */
export const DeviceProofRequiredError = createError('PTC_ERR_DEVICE_PROOF_REQUIRED', 'A proof of the key of the session\'s device is required', 403)
/** Status 403: another site caused a state change. Nothing has changed. The page sends the request from the origin of the application. */
export const CsrfRefusedError = createError('PTC_ERR_CSRF_REFUSED', 'The request comes from another site', 403)

// Requests
/**
 * Status 400: the request is malformed, or its body does not match the schema of the endpoint. Nothing has changed. The client corrects the
 * request; `detail` names the first fault.
 */
export const RequestInvalidError = createError('PTC_ERR_REQUEST_INVALID', 'The request is malformed', 400)
/** Status 405: the method is never forwarded. The request did not reach an upstream. The client uses another method. */
export const MethodNotAllowedError = createError('PTC_ERR_METHOD_NOT_ALLOWED', 'The method is not allowed here', 405)
/**
 * Status 408: the request did not arrive in time, and the connection ends. The handler did not run with a complete body. The client may
 * repeat the request.
 */
export const RequestTimeoutError = createError('PTC_ERR_REQUEST_TIMEOUT', 'The request did not arrive in time', 408)
/**
 * Status 413: the body exceeds `limits.body`, or `bodyLimit` of the application. It was not processed. The client sends less, or the
 * operator raises the limit.
 */
export const BodyTooLargeError = createError('PTC_ERR_BODY_TOO_LARGE', 'The body is too large', 413)
/** Status 415: the JSON endpoints accept only JSON, the pages only forms. Nothing has changed. The client sends the other media type. */
export const MediaTypeUnsupportedError = createError('PTC_ERR_MEDIA_TYPE_UNSUPPORTED', 'The media type is not supported here', 415)
/**
 * Status 431: the request head exceeds `limits.headers`, and the connection ends. No handler ran. The client sends fewer or shorter
 * headers.
 */
export const HeadersTooLargeError = createError('PTC_ERR_HEADERS_TOO_LARGE', 'The request headers are too large', 431)
/**
 * Status 400: the request carries a cookie of the gateway twice, for example because a neighbouring host has set another one. Neither was
 * used. The user deletes the cookies of the site.
 */
export const CookieDuplicateError = createError('PTC_ERR_COOKIE_DUPLICATE', 'A cookie was sent more than once', 400)
/**
 * Status 400: the audience is not configured, or the session does not cover it. No token was issued, and a refresh token was not used up.
 * The client asks for another audience.
 */
export const AudienceUnknownError = createError('PTC_ERR_AUDIENCE_UNKNOWN', 'An audience is not known here', 400)
/** Status 400: two parsers could interpret the path differently. The request was not routed. The client normalizes the path. */
export const PathRefusedError = createError('PTC_ERR_PATH_REFUSED', 'The path can be read in more than one way', 400)
/**
 * Status 429: a budget is exhausted, or too many passwords wait to be verified. The request had no effect besides its count. The client
 * waits for the seconds of `Retry-After`.
 */
export const RateLimitedError = createError('PTC_ERR_RATE_LIMITED', 'Too many requests', 429)
/** Status 404: no endpoint and no upstream matches the request. Nothing has changed. */
export const NotFoundError = createError('PTC_ERR_NOT_FOUND', 'There is nothing here', 404)
/** Status 404: the subject has no such session. Nothing has changed; the session may have ended before. */
export const SessionNotFoundError = createError('PTC_ERR_SESSION_NOT_FOUND', 'There is no such session', 404)

// Stores, issuers and upstreams
/**
 * Status 503: the store did not answer within its deadline, or a count could not be kept. The operation may still have happened, so its
 * outcome is unknown; no cookie was changed. The client repeats the request after `Retry-After`. A store of an application rejects with
 * this error when it does not know an outcome.
 */
export const StoreUnavailableError = createError('PTC_ERR_STORE_UNAVAILABLE', 'The session store cannot be reached', 503)
/**
 * Status 503: the identity provider cannot be reached, so nobody can sign in there at the moment. Existing sessions go on. The client repeats
 * the request after `Retry-After`.
 */
export const ProviderUnavailableError = createError('PTC_ERR_PROVIDER_UNAVAILABLE', 'The identity provider cannot be reached', 503)
/**
 * Status 503: the keys of another issuer cannot be fetched, so its token was neither accepted nor rejected. The client repeats the request
 * after `Retry-After`.
 */
export const IssuerUnavailableError = createError('PTC_ERR_ISSUER_UNAVAILABLE', 'The keys of the issuer cannot be reached', 503)
/**
 * Status 502: the service cannot be reached, or it closed the connection without a response. With `Retry-After` no connection was
 * established, so the service received nothing; otherwise it may have processed the request.
 */
export const UpstreamUnreachableError = createError('PTC_ERR_UPSTREAM_UNREACHABLE', 'The upstream cannot be reached', 502)
/**
 * Status 502: the response of the service is not valid HTTP/1.1, or its head is too large. The service may have processed the request. The
 * log says what is invalid.
 */
export const UpstreamResponseInvalidError = createError('PTC_ERR_UPSTREAM_RESPONSE_INVALID', 'The upstream sent an invalid response', 502)
/**
 * Status 503: all connections to the service are in use and too many requests wait for one. The request was not sent. The client repeats it
 * after `Retry-After`.
 */
export const UpstreamBusyError = createError('PTC_ERR_UPSTREAM_BUSY', 'Too many requests wait for the upstream', 503)
/** Status 504: the service did not answer in time. It may have processed the request. The client repeats it if that is harmless. */
export const UpstreamTimeoutError = createError('PTC_ERR_UPSTREAM_TIMEOUT', 'The upstream did not answer in time', 504)
/** Status 508: the target of the upstream leads back to the gateway. No service received the request. The operator corrects the target. */
export const UpstreamLoopError = createError('PTC_ERR_UPSTREAM_LOOP', 'The upstream leads back to the gateway', 508)
/** Status 500: an unexpected error, whose details are only in the log. What the handler had changed before it failed stays changed. */
export const InternalError = createError('PTC_ERR_INTERNAL', 'Something went wrong', 500)

import { STATUS_CODES } from 'node:http'
import { challengeFor } from './challenge.ts'
import {
  BodyTooLargeError, CredentialsMissingError, HeadersTooLargeError, InternalError, MediaTypeUnsupportedError, MethodNotAllowedError, NotFoundError,
  PathRefusedError, RateLimitedError, RequestInvalidError, RequestTimeoutError,
  TokenInvalidError
} from '../errors.ts'

/** Body of an error response (RFC 9457). `type` is `urn:portcullis:error:` and the code in lower case with dashes. */
export interface ProblemBody {
  type: string
  title: string
  status: number
  code: string
  detail?: string
  /** Further members of PTC_ERR_SECOND_FACTOR_REQUIRED. */
  challenge?: string
  challenge_token?: string
  /** Path at which a browser signs in, or authenticates again, with an identity provider. */
  login_url?: string
}

export interface Problem { status: number, body: ProblemBody, headers: Record<string, string> }

/** Members of an error that this module reads, regardless of the error's source. */
interface Raised {
  name: string
  message: string
  code?: unknown
  statusCode?: unknown
  headers?: unknown
  detail?: unknown
  /** Further members of the response, of the gateway's own errors only. */
  members?: object
  expose?: unknown
  validation?: Array<{ instancePath: string, keyword: string, params: Record<string, unknown> }>
  validationContext?: string
}

interface Outcome { status: number, code: string, title: string, detail?: string | undefined, members?: object }

type OwnError = new () => { code: string, message: string, statusCode?: number }

const byStatus: Record<number, OwnError> = {
  400: RequestInvalidError,
  404: NotFoundError,
  405: MethodNotAllowedError,
  408: RequestTimeoutError,
  413: BodyTooLargeError,
  415: MediaTypeUnsupportedError,
  429: RateLimitedError,
  431: HeadersTooLargeError
}

const byFastifyCode: Record<string, OwnError> = {
  FST_ERR_BAD_URL: PathRefusedError,
  FST_ERR_MAX_PARAM_LENGTH: NotFoundError,
  FST_ERR_HANDLER_TIMEOUT: RequestTimeoutError,
  // Errors of an application's own @fastify/jwt, as in README's example.
  FST_JWT_NO_AUTHORIZATION_IN_HEADER: CredentialsMissingError,
  FST_JWT_NO_AUTHORIZATION_IN_COOKIE: CredentialsMissingError,
  FST_JWT_AUTHORIZATION_TOKEN_EXPIRED: TokenInvalidError,
  FST_JWT_AUTHORIZATION_TOKEN_UNTRUSTED: TokenInvalidError,
  FST_JWT_AUTHORIZATION_TOKEN_INVALID: TokenInvalidError,
  FAST_JWT_MISSING_SIGNATURE: TokenInvalidError
}

const details: Record<string, string> = {
  FST_ERR_CTP_EMPTY_JSON_BODY: 'body is empty',
  FST_ERR_CTP_INVALID_JSON_BODY: 'body is not JSON',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'body does not have the length that Content-Length says'
}

/** Returns whether an error is one of lib/errors.ts, by its code: an error of another copy of the package counts too. */
export function isOwnError (error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('PTC_ERR_')
}

/**
 * Returns the response to any error. It contains nothing from the request, and nothing that is only for the operator: an error that is not
 * known to be meant for the client becomes PTC_ERR_INTERNAL.
 */
export function toProblem (error: unknown, retryAfterSeconds = 1 + Math.floor(Math.random() * 5)): Problem {
  const raised = (typeof error === 'object' && error !== null ? error : {}) as Raised
  const { status, code, title, detail, members } = outcomeOf(raised)
  const headers: Record<string, string> = { 'content-type': 'application/problem+json; charset=utf-8' }
  if (status < 500 || status === 502 || status === 503) copyHeaders(raised.headers, headers)
  headers['cache-control'] = 'no-store'
  if (status === 503 || status === 429) headers['retry-after'] ??= String(retryAfterSeconds)
  const challenge = challengeFor(code)
  if (challenge !== null) headers['www-authenticate'] ??= challenge
  const body: ProblemBody = { type: `urn:portcullis:error:${code.toLowerCase().replaceAll('_', '-')}`, title, status, code }
  if (detail !== undefined) body.detail = detail
  return { status, body: members === undefined ? body : { ...body, ...members }, headers }
}

function outcomeOf (raised: Raised): Outcome {
  const { code, statusCode: status } = raised
  const name = typeof code === 'string' ? code : ''
  if (name.startsWith('PTC_ERR_') && name !== 'PTC_ERR_CONFIG_INVALID' && typeof status === 'number') {
    return { status, code: name, title: raised.message, detail: typeof raised.detail === 'string' ? raised.detail : undefined, ...membersOf(name, raised) }
  }
  if (byFastifyCode[name] !== undefined) return own(byFastifyCode[name])
  if (typeof status !== 'number' || status < 400 || status > 499) return own(InternalError)
  if (raised.validation !== undefined) return own(RequestInvalidError, describeValidation(raised))
  if (name === '' || name.startsWith('FST_')) return foreign(status, name, raised)
  // An application's own error. Its code and status are its API; its message may contain parts of the request.
  return { status, code: name, title: STATUS_CODES[status] ?? 'Error', detail: raised.expose === true ? raised.message : undefined }
}

const codesWithMembers = new Set(['PTC_ERR_SECOND_FACTOR_REQUIRED', 'PTC_ERR_CREDENTIALS_MISSING', 'PTC_ERR_SESSION_INVALID', 'PTC_ERR_STEP_UP_REQUIRED'])

/** Returns the further members of the errors that have some. */
function membersOf (name: string, { members }: Raised): { members?: object } {
  return members !== undefined && codesWithMembers.has(name) ? { members } : {}
}

function foreign (status: number, name: string, raised: Raised): Outcome {
  const known = byStatus[status]
  if (known === undefined) return { status, code: 'PTC_ERR_REQUEST_INVALID', title: STATUS_CODES[status] ?? 'Error' }
  return own(known, details[name] ?? (raised.name === 'SyntaxError' ? 'body is not JSON' : undefined))
}

function own (Class: OwnError, detail?: string): Outcome {
  const { code, message, statusCode = 500 } = new Class()
  return { status: statusCode, code, title: message, detail }
}

/** Names the first invalid field in the words of the schema. It repeats no value, and no name that only the client knows. */
function describeValidation ({ validation = [], validationContext = 'request' }: Raised): string {
  const first = validation[0]
  if (first === undefined) return `${validationContext} is not valid`
  const at = `${validationContext}${first.instancePath}`.slice(0, 100)
  if (first.keyword === 'required') return `${at}/${String(first.params.missingProperty)} is required`
  return first.keyword === 'additionalProperties' ? `${at} has a member too many` : `${at} is not valid`
}

function copyHeaders (from: unknown, to: Record<string, string>): void {
  if (typeof from !== 'object' || from === null) return
  for (const [name, value] of Object.entries(from)) {
    if (typeof value === 'string' || typeof value === 'number') to[name.toLowerCase()] = String(value)
  }
}

import { Type, type TSchema } from '@sinclair/typebox'
import { BodyTooLargeError, HeadersTooLargeError, InternalError, MediaTypeUnsupportedError, RequestInvalidError, RequestTimeoutError } from '../errors.ts'
import { Session } from '../session/view.ts'

/*
 * Descriptions of routes for OpenAPI documents: those of the gateway, and those of applications that use @fastify/swagger. The schemas only
 * describe: no serializer is derived from them, so they remove nothing from a response.
 */

/** Kind of credential that a request can carry. */
export type Credential = 'sessionCookie' | 'refreshCookie' | 'accessToken' | 'adminToken'

export interface Operation {
  operationId: string
  tags: string[]
  summary: string
  description?: string
  /**
   * Accepted credentials; any one of them is sufficient. The member is not called `security`, which refers to definitions that only a whole
   * document has.
   */
  'x-credentials'?: ReadonlyArray<Credential | 'none'>
}

/** Schema of a route that is not an API endpoint; @fastify/swagger leaves it out. */
export const hidden: object = { hide: true }

export const SessionAnswer = Type.Object({ session: Session }, { title: 'SessionAnswer', additionalProperties: false })

export const Tokens = Type.Object({
  access_token: Type.String({ description: 'A signed JWT (RFC 9068).' }),
  token_type: Type.Literal('Bearer'),
  expires_in: Type.Integer({ minimum: 0, description: 'Lifetime of the access token in seconds.' }),
  refresh_in: Type.Integer({ minimum: 1, description: 'Seconds after which the client should refresh. The number varies.' }),
  session: Session
}, { title: 'Tokens', additionalProperties: false })

const Problem = Type.Object({
  type: Type.String({ pattern: '^urn:portcullis:error:[a-z-]+$', description: 'urn:portcullis:error: and the code in lower case with dashes.' }),
  title: Type.String(),
  status: Type.Integer({ minimum: 400, maximum: 599 }),
  code: Type.String({ pattern: '^PTC_ERR_[A-Z_]+$', description: 'Stable identifier of the error.' }),
  detail: Type.Optional(Type.String({ description: 'The part of the request that caused the error.' })),
  login_url: Type.Optional(Type.String({ description: 'Path to which a page navigates so that the user signs in, or authenticates again, with an identity provider; the page may add return_to. Only with identity providers, and only in 401.' }))
}, { title: 'Problem', description: 'An error (RFC 9457).', additionalProperties: false })

const SecondFactorProblem = Type.Object({
  ...Problem.properties,
  status: Type.Literal(401),
  code: Type.Literal('PTC_ERR_SECOND_FACTOR_REQUIRED'),
  challenge: Type.String({ description: 'Method of the second factor, such as otp.' }),
  challenge_token: Type.String({ description: 'The token to send with the response to the challenge, within five minutes, from the same client.' })
}, { title: 'SecondFactorProblem', description: 'The first factor was right, and a second one is missing.', additionalProperties: false })

/** Describes a header that is always present (`required`), or only sometimes (`sometimes`). */
export const required = (description: string) => ({ type: 'string', description, required: true })
export const sometimes = (description: string) => ({ type: 'string', description })

export const noStoreHeader = { 'Cache-Control': required('no-store.') }
export const setCookieHeader = { 'Set-Cookie': required('The cookie of the requested mode, and the deletion of the other mode\'s cookie.') }
export const optionalSetCookieHeader = { 'Set-Cookie': sometimes('The next cookie.') }
export const endCookiesHeaders = { 'Set-Cookie': sometimes('Deletes both cookies, unless scope is others.'), 'Clear-Site-Data': sometimes('"cache", "storage", unless scope is others.') }
export const registrationHeader = { 'Secure-Session-Registration': sometimes('The offer to bind the session to the device, with session.deviceBound and in session mode.') }
export const budgetHeaders = {
  RateLimit: sometimes('The remaining budget, such as "signIn";r=9;t=60.'),
  'RateLimit-Policy': sometimes('The budget, such as "signIn";q=10;w=60.')
}

/** Describes a response without a body. */
export function empty (description: string, headers: object = {}): TSchema {
  return Type.Null({ description, headers })
}

/** Describes a response in JSON. */
export function json<Schema extends TSchema> (schema: Schema, description: string, headers: object = {}): Schema {
  return { ...schema, 'x-response-description': description, headers }
}

/** Describes a response in plain text. */
export function plain (description: string, headers: object = {}): TSchema {
  return Type.Unsafe({ description, headers, content: { 'text/plain': { schema: { type: 'string' } } } })
}

interface DescribedResponse { description: string, headers: object, content: Record<string, { schema: object }> }

/** Descriptions of responses by status. */
export type Described = Record<string, DescribedResponse>

type ErrorClass = new () => Error & { code: string, statusCode?: number }

/** Describes the error responses of a route by status: every error that the route can meet. */
export function problems (...classes: ErrorClass[]): Described {
  const raised = [RequestInvalidError, ...classes].map(Class => new Class())
  const statuses = [...new Set(raised.map(({ statusCode = 500 }) => statusCode))].sort()
  const described = statuses.map(status => [status, problem(raised.filter(({ statusCode }) => statusCode === status), { status, headers: headersOf(status) })] as const)
  return { ...Object.fromEntries(described), default: problem([new RequestTimeoutError(), new HeadersTooLargeError(), new InternalError()], { headers: budgetHeaders }) }
}

/** Describes the refusals of a route of an application by status. `hasBody` is false if the application writes errors itself. */
export function refusals (classes: ErrorClass[], { hasBody }: { hasBody: boolean }): Record<string, { description: string, content?: object }> {
  const { default: _, 400: __, ...described } = problems(...classes)
  return Object.fromEntries(Object.entries(described).map(([status, { description, content }]) => [status, { description, ...hasBody ? { content } : {} }]))
}

/**
 * Adds the rate limit headers to the error responses of a route that counts requests. Errors raised after the count report the remaining
 * budget, as a success does.
 */
export function counted (described: Described): Described {
  return Object.fromEntries(Object.entries(described).map(([status, answer]) => [status, { ...answer, headers: { ...answer.headers, ...budgetHeaders } }]))
}

/** Adds the response that asks for a second factor, which has two further members. */
export function describeSecondFactor (described: Described, { code, message }: { code: string, message: string }): Described {
  const known = described['401']!
  const others = known.content['application/problem+json']!.schema
  const headers = { ...known.headers, 'Set-Cookie': sometimes('The cookie to which a challenge is bound.') }
  return { ...described, 401: { description: `${known.description} ${code}: ${message}.`, headers, content: { 'application/problem+json': { schema: { anyOf: [others, SecondFactorProblem] } } } } }
}

/** Errors of routes that read a body, including DELETE, in addition to those of `problems`. */
export const bodyErrors = [BodyTooLargeError, MediaTypeUnsupportedError] as const

function problem (errors: Array<InstanceType<ErrorClass>>, { status, headers = {} }: { status?: number, headers?: object } = {}): DescribedResponse {
  const properties = { ...status === undefined ? {} : { status: { const: status } }, code: { enum: errors.map(({ code }) => code) } }
  return {
    description: errors.map(({ code, message }) => `${code}: ${message}.`).join(' '),
    headers: { ...noStoreHeader, ...headers },
    content: { 'application/problem+json': { schema: { allOf: [Problem, { type: 'object', properties }] } } }
  }
}

function headersOf (status: number): object {
  switch (status) {
    case 401: return { 'WWW-Authenticate': required('The credential that the endpoint requires (RFC 6750, RFC 9470).') }
    case 429: return { 'Retry-After': required('Seconds until the client should retry.'), ...budgetHeaders }
    case 503: return { 'Retry-After': required('Seconds until the client should retry.') }
    default: return {}
  }
}

import { Type, type Static, type TObject, type TProperties, type TUnsafe } from '@sinclair/typebox'
import {
  AudienceUnknownError, CookieDuplicateError, CredentialsAmbiguousError, CredentialsMissingError, CsrfRefusedError, IssuerUnavailableError,
  LoginRefusedError, RateLimitedError, RefreshRefusedError, SessionInvalidError, StepUpRequiredError, StoreUnavailableError, TokenInvalidError
} from '../../lib/errors.ts'
import { bodyErrors, budgetHeaders, counted, empty, endCookiesHeaders, json, noStoreHeader, optionalSetCookieHeader, problems, registrationHeader, SessionAnswer, setCookieHeader, Tokens, type Operation } from '../../lib/http/route-schema.ts'
import type { Way } from '../../sign-in/way.ts'

const Audience = Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { minItems: 1, maxItems: 100, errorMessage: 'must be a list of names' })
const loginOptions = {
  mode: Type.Optional(Type.Union([Type.Literal('session'), Type.Literal('tokens')], { errorMessage: 'must be session or tokens' })),
  audience: Type.Optional(Audience)
}
const Refresh = Type.Optional(Type.Union([Type.Null(), Type.Object({ audience: Type.Optional(Audience) }, { additionalProperties: false })], { errorMessage: 'must be an object with audience, or nothing' }))
const Scope = Type.Union([Type.Literal('this'), Type.Literal('others'), Type.Literal('all')], { errorMessage: 'must be this, others or all' })
const Logout = Type.Optional(Type.Union([Type.Null(), Type.Object({ scope: Type.Optional(Scope) }, { additionalProperties: false })], { errorMessage: 'must be an object with scope, or nothing' }))

const tags = ['Signing in']
/** The errors that every state change under /auth can answer with. */
const changeErrors = [CookieDuplicateError, CsrfRefusedError, ...bodyErrors, StoreUnavailableError]

export const createLoginSchema = (ways: readonly Way[]) => ({
  ...{ operationId: 'login', tags, summary: 'Sign in', description: 'Ends the session that the request already carries.', 'x-credentials': [] } satisfies Operation,
  body: oneOf(ways.map(({ signInFields }) => signInFields), loginOptions),
  response: {
    200: json(Type.Union([SessionAnswer, Tokens]), 'Session mode: the session, and the session cookie. Tokens mode: tokens, and the refresh cookie.', { ...noStoreHeader, ...setCookieHeader, ...registrationHeader, ...budgetHeaders }),
    ...counted(problems(...changeErrors, AudienceUnknownError, LoginRefusedError, RateLimitedError))
  }
})

export const refreshSchema = {
  ...{ operationId: 'refresh', tags, summary: 'Get the next access token', 'x-credentials': ['refreshCookie'] } satisfies Operation,
  body: Refresh,
  response: {
    200: json(Tokens, 'The next access token, and the next refresh cookie unless the client already has it.', { ...noStoreHeader, ...optionalSetCookieHeader, ...budgetHeaders }),
    ...counted(problems(...changeErrors, AudienceUnknownError, RefreshRefusedError, RateLimitedError))
  }
}

export const createStepUpSchema = (ways: readonly Way[]) => ({
  ...{ operationId: 'stepUp', tags, summary: 'Authenticate again within the session', 'x-credentials': ['sessionCookie', 'refreshCookie'] } satisfies Operation,
  body: oneOf(ways.map(({ stepUpFields }) => stepUpFields), {}),
  response: {
    200: json(Type.Union([SessionAnswer, Tokens]), 'As login: the session and a new session cookie, or tokens and the next refresh cookie.', { ...noStoreHeader, ...optionalSetCookieHeader, ...registrationHeader }),
    ...problems(...changeErrors, CredentialsAmbiguousError, CredentialsMissingError, SessionInvalidError, RefreshRefusedError, LoginRefusedError, RateLimitedError)
  }
})

export const logoutSchema = {
  ...{ operationId: 'logout', tags, summary: 'Sign out', description: 'With scope this, ends every session that the request carries, expired ones included. The request may carry none.', 'x-credentials': ['sessionCookie', 'refreshCookie', 'accessToken', 'none'] } satisfies Operation,
  body: Logout,
  response: {
    204: empty('The change is durable.', { ...noStoreHeader, ...endCookiesHeaders }),
    ...problems(...changeErrors, CredentialsAmbiguousError, CredentialsMissingError, SessionInvalidError, TokenInvalidError, RefreshRefusedError, StepUpRequiredError, IssuerUnavailableError)
  }
}

export const sessionSchema = {
  ...{ operationId: 'getSession', tags, summary: 'Return the current session', description: 'Does not count as a use of the session.', 'x-credentials': ['sessionCookie', 'accessToken'] } satisfies Operation,
  response: {
    200: json(SessionAnswer, 'The session.', noStoreHeader),
    ...problems(CookieDuplicateError, CredentialsAmbiguousError, CredentialsMissingError, SessionInvalidError, TokenInvalidError, StoreUnavailableError, IssuerUnavailableError)
  }
}

/** Builds the schema of a body: the members of one of several ways to sign in, and the common members. */
function oneOf<Common extends TProperties> (fields: TObject[], common: Common): TUnsafe<Static<TObject<Common>>> {
  const bodies = fields.map(({ properties }) => Type.Object({ ...properties, ...common }, { additionalProperties: false }))
  const members = fields.map(({ properties }) => Object.keys(properties).join(' and ')).join(', or with ')
  // TypeBox reduces a union of one schema to that schema.
  return Type.Unsafe(Type.Union(bodies, { errorMessage: `must be an object with ${members}` }))
}

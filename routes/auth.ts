import { Type, type Static, type TObject, type TProperties, type TUnsafe } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import {
  AudienceUnknownError, ConfigInvalidError, CookieDuplicateError, CredentialsAmbiguousError, CredentialsMissingError, CsrfRefusedError, IssuerUnavailableError,
  LoginRefusedError, MediaTypeUnsupportedError, RateLimitedError, RefreshRefusedError, SecondFactorRequiredError, SessionInvalidError,
  StepUpRequiredError, StoreUnavailableError, TokenInvalidError
} from '../lib/errors.ts'
import { checkOptions } from '../lib/check-options.ts'
import { withLoginUrl } from '../lib/http/login-url.ts'
import { isUnder } from '../lib/http/return-to.ts'
import { bodyErrors, budgetHeaders, counted, describeSecondFactor, empty, endCookiesHeaders, json, noStoreHeader, optionalSetCookieHeader, problems, registrationHeader, SessionAnswer, setCookieHeader, Tokens, type Described, type Operation } from '../lib/http/route-schema.ts'
import { serializerCompiler, validatorCompiler, type TypeBoxProvider } from '../lib/http/type-provider.ts'
import { partOrNull } from '../plugins/portcullis.ts'
import { addHooks, type SignInHooks } from '../sign-in/hooks.ts'
import { carriedProvider, providerLogoutUrl } from '../sign-in/provider/logout.ts'
import { refuseOtherWays } from '../sign-in/provider/step-up.ts'
import { refresh } from '../sign-in/refresh.ts'
import { Answer, isAnswer } from '../sign-in/second-factor.ts'
import { answerSignIn, signIn } from '../sign-in/sign-in.ts'
import { signOut } from '../sign-in/sign-out.ts'
import { stepUp } from '../sign-in/step-up.ts'
import type { Way } from '../sign-in/way.ts'
import { createWays, hasSecondFactor, type WaysOptions } from '../sign-in/ways.ts'
import { acceptJsonAlone, noStore } from './json-api.ts'
import { checkSignIn, signInOptions } from './options.ts'

const Audience = Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { minItems: 1, maxItems: 100, errorMessage: 'must be a list of names' })
const Mode = Type.Union([Type.Literal('session'), Type.Literal('tokens')], { errorMessage: 'must be session or tokens' })
const SessionMode = Type.Unsafe<Static<typeof Mode>>(Type.Literal('session', { errorMessage: 'must be session, because this server issues no tokens' }))
const Refresh = Type.Optional(Type.Union([Type.Null(), Type.Object({ audience: Type.Optional(Audience) }, { additionalProperties: false })], { errorMessage: 'must be an object with audience, or nothing' }))
const Scope = Type.Union([Type.Literal('this'), Type.Literal('others'), Type.Literal('all')], { errorMessage: 'must be this, others or all' })
const Logout = Type.Optional(Type.Union([Type.Null(), Type.Object({ scope: Type.Optional(Scope), provider: Type.Optional(Type.Boolean({ errorMessage: 'must be true or false', description: 'Asks for the address at which the user signs out of the identity provider of the session too.' })) }, { additionalProperties: false })], { errorMessage: 'must be an object with scope and provider, or nothing' }))
const LogoutUrl = Type.Object({ logout_url: Type.String({ description: 'Address at which the user signs out of the identity provider.' }) }, { title: 'LogoutUrl', additionalProperties: false })

const tags = ['Signing in']
/** The errors that every state change under /auth can answer with. */
const changeErrors = [CookieDuplicateError, CsrfRefusedError, ...bodyErrors, StoreUnavailableError]

export const createLoginSchema = (ways: readonly Way[], { hasTokens }: { hasTokens: boolean }) => ({
  ...{ operationId: 'login', tags, summary: 'Sign in', description: 'Ends the session that the request already carries.', 'x-credentials': [] } satisfies Operation,
  body: oneOf(ways.map(({ signInFields }) => signInFields), { mode: Type.Optional(hasTokens ? Mode : SessionMode), audience: Type.Optional(Audience) }, answersOf(ways)),
  response: {
    200: json(Type.Union([SessionAnswer, Tokens]), 'Session mode: the session, and the session cookie. Tokens mode: tokens, and the refresh cookie.', { ...noStoreHeader, ...setCookieHeader, ...registrationHeader, ...budgetHeaders }),
    ...counted(withSecondFactor(problems(...changeErrors, AudienceUnknownError, ...ways.length === 0 ? [CredentialsMissingError] : [], LoginRefusedError, RateLimitedError), ways))
  }
})

const refreshSchema = {
  ...{ operationId: 'refresh', tags, summary: 'Get the next access token', 'x-credentials': ['refreshCookie'] } satisfies Operation,
  body: Refresh,
  response: {
    200: json(Tokens, 'The next access token, and the next refresh cookie unless the client already has it.', { ...noStoreHeader, ...optionalSetCookieHeader, ...budgetHeaders }),
    ...counted(problems(...changeErrors, AudienceUnknownError, RefreshRefusedError, RateLimitedError))
  }
}

export const createStepUpSchema = (ways: readonly Way[]) => ({
  ...{ operationId: 'stepUp', tags, summary: 'Authenticate again within the session', 'x-credentials': ['sessionCookie', 'refreshCookie'] } satisfies Operation,
  body: oneOf(ways.map(({ stepUpFields }) => stepUpFields), {}, answersOf(ways)),
  response: {
    200: json(Type.Union([SessionAnswer, Tokens]), 'As login: the session and a new session cookie, or tokens and the next refresh cookie.', { ...noStoreHeader, ...optionalSetCookieHeader, ...registrationHeader }),
    ...withSecondFactor(problems(...changeErrors, CredentialsAmbiguousError, CredentialsMissingError, SessionInvalidError, RefreshRefusedError, StepUpRequiredError, LoginRefusedError, RateLimitedError), ways)
  }
})

const logoutSchema = {
  ...{ operationId: 'logout', tags, summary: 'Sign out', description: 'With scope this, ends every session that the request carries, expired ones included. The request may carry none.', 'x-credentials': ['sessionCookie', 'refreshCookie', 'accessToken', 'none'] } satisfies Operation,
  body: Logout,
  response: {
    200: json(LogoutUrl, 'The change is durable; with provider: true, and a session of an identity provider that has a page to sign out.', { ...noStoreHeader, ...endCookiesHeaders }),
    204: empty('The change is durable.', { ...noStoreHeader, ...endCookiesHeaders }),
    ...problems(...changeErrors, CredentialsAmbiguousError, CredentialsMissingError, SessionInvalidError, TokenInvalidError, RefreshRefusedError, StepUpRequiredError, IssuerUnavailableError)
  }
}

const sessionSchema = {
  ...{ operationId: 'getSession', tags, summary: 'Return the current session', description: 'Does not count as a use of the session.', 'x-credentials': ['sessionCookie', 'accessToken'] } satisfies Operation,
  response: {
    200: json(SessionAnswer, 'The session.', noStoreHeader),
    ...problems(CookieDuplicateError, CredentialsAmbiguousError, CredentialsMissingError, SessionInvalidError, TokenInvalidError, StoreUnavailableError, IssuerUnavailableError)
  }
}

/** Warns if browsers would not send the refresh cookie to these routes: tokens could not be refreshed. */
function warnOfPath ({ portcullis, prefix, log }: FastifyInstance): void {
  const [, path = '/'] = /(?:^|; )Path=([^;]*?)\/?(?:;|$)/.exec(portcullis.cookies.describe('refresh').attributes) ?? []
  if (!isUnder(`${prefix}/refresh`, path)) log.warn(`authRoutes: browsers send the refresh cookie to ${path} and not to ${prefix}/refresh; set refreshPath of portcullis-cookies to ${prefix}`)
}

/** Lets the start fail if tokens are registered too late for these routes, which would then issue none. */
function refuseLateTokens (fastify: FastifyInstance): void {
  fastify.addHook('onReady', async () => {
    if (partOrNull(fastify.portcullis, 'refreshToken') !== null) throw new ConfigInvalidError('authRoutes: register portcullis-refresh-token before it; otherwise these routes issue no tokens')
  })
}

/** Returns the answer to a challenge as a body, if one of the ways asks for second factors. */
function answersOf (ways: readonly Way[]): Array<typeof Answer> {
  return hasSecondFactor(ways) ? [Answer] : []
}

function withSecondFactor (described: Described, ways: readonly Way[]): Described {
  return hasSecondFactor(ways) ? describeSecondFactor(described, new SecondFactorRequiredError()) : described
}

/** Builds the schema of a body: the members of one of several ways to sign in with the common members, or other members. */
function oneOf<Common extends TProperties> (fields: TObject[], common: Common, others: TObject[]): TUnsafe<Static<TObject<Common>>> {
  // Without a way, every body gets the response that names the identity provider.
  if (fields.length === 0) return Type.Unsafe(Type.Unknown())
  const bodies = [...fields.map(({ properties }) => Type.Object({ ...properties, ...common }, { additionalProperties: false })), ...others]
  const members = [...fields, ...others].map(({ properties }) => Object.keys(properties).join(' and ')).join(', or with ')
  // TypeBox reduces a union of one schema to that schema.
  return Type.Unsafe(Type.Union(bodies, { errorMessage: `must be an object with ${members}` }))
}

export type { SignInHooks }

export interface AuthRoutesOptions extends WaysOptions {
  /** The audience of these routes and of the session routes. */
  origin: string
  /** The audiences that a client may request tokens for, besides `origin`. */
  audiences: readonly string[]
  /** Functions that run before and after sign-in, refresh and sign-out, for these routes and for the pages. */
  hooks?: SignInHooks
}

const Options = Type.Object(signInOptions, { additionalProperties: false })

/**
 * Registers sign-in, refresh, step-up, sign-out, and the current session. Register with a prefix, `/auth`. Without portcullis-refresh-token,
 * there are sessions only: no refresh, and no sign-in in tokens mode.
 */
export default async function authRoutes (fastify: FastifyInstance, options: AuthRoutesOptions): Promise<void> {
  const { origin, audiences, identity, hooks } = checkOptions('authRoutes', Options, options)
  const portcullis = checkSignIn(fastify, 'authRoutes', { identity, ...hooks === undefined ? {} : { hooks } })
  if (hooks !== undefined) addHooks(fastify, hooks)
  const hasTokens = partOrNull(portcullis, 'refreshToken') !== null
  if (hasTokens) warnOfPath(fastify)
  else refuseLateTokens(fastify)
  const ways = createWays({ identity })
  const app = fastify.withTypeProvider<TypeBoxProvider>().setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler)
  acceptJsonAlone(app)
  refuseForms(app)
  app.addHook('onRequest', portcullis.refuseForeign)
  app.addHook('onSend', noStore)

  app.post('/login', { schema: createLoginSchema(ways, { hasTokens }) }, async (request, reply) => {
    if (ways.length === 0) throw withLoginUrl(new CredentialsMissingError({ cause: new Error('no source of passwords is configured') }), portcullis.loginUrls.signIn())
    if (isAnswer(request.body)) return await answerSignIn(reply, { ways, answer: request.body, portcullis })
    const { mode = 'session', audience, ...posted } = request.body
    const granted = grantedAudiences(audience, origin, audiences)
    return await signIn(reply, { ways, posted, mode, audiences: mode === 'tokens' || granted.includes(origin) ? granted : [...granted, origin], portcullis })
  })

  if (hasTokens) {
    app.post('/refresh', { schema: refreshSchema }, async (request, reply) => {
      const audience = request.body?.audience
      const narrowed = audience === undefined ? {} : { audience: grantedAudiences(audience, origin, audiences) }
      return await refresh(reply, { ...narrowed, portcullis })
    })
  }

  app.post('/step-up', { schema: createStepUpSchema(ways), preValidation: async request => await refuseOtherWays(request, { origin, portcullis }) }, async (request, reply) => await stepUp(request, reply, { ways, posted: request.body, origin, portcullis }))

  app.post('/logout', { schema: logoutSchema }, async (request, reply) => {
    const { scope = 'this', provider = false } = request.body ?? {}
    const session = provider && scope !== 'others' ? await carriedProvider(request, portcullis) : null
    await signOut(request, reply, { scope, origin, portcullis })
    const hasPages = fastify.hasRoute({ method: 'GET', url: `${fastify.prefix}/sign-in` })
    const url = await providerLogoutUrl(session, { returnTo: hasPages ? `${origin}${fastify.prefix}/sign-in?signed_out` : `${origin}/`, portcullis })
    return url === null ? await reply.code(204).send() : { logout_url: url }
  })

  app.get('/session', { schema: sessionSchema, onRequest: portcullis.authenticate({ audience: origin, isUse: false }) }, async request => {
    const { sid, authTime, acr, amr } = request.identity
    const record = sid === null ? null : await portcullis.session.read(sid)
    if (record === null) throw new SessionInvalidError()
    // The authentication is that of the credential: after a step-up, an older access token of the session gets what services read
    // in that token.
    return { session: { ...portcullis.session.view(record), auth_time: authTime, acr, amr: [...amr] } }
  })
}

/** Rejects forms, which only the pages accept. The error names the page to an application whose sign-out button posts a form here. */
function refuseForms (app: FastifyInstance): void {
  app.addContentTypeParser('application/x-www-form-urlencoded', (request, _payload, done) => {
    const detail = request.routeOptions.url === `${app.prefix}/logout` ? `body is not JSON: a form signs out at ${app.prefix}/sign-out, with pages: true` : undefined
    done(Object.assign(new MediaTypeUnsupportedError(), { detail }))
  })
}

/** Returns the requested audiences, or all. A request may give `origin` literally or by its name. */
function grantedAudiences (asked: string[] | undefined, origin: string, audiences: readonly string[]): string[] {
  if (asked === undefined) return [...audiences, origin]
  const known = asked.map(name => name === 'origin' && !audiences.includes('origin') ? origin : name)
  if (!known.every(name => name === origin || audiences.includes(name))) throw new AudienceUnknownError()
  return [...new Set(known)]
}

import { Type, type Static } from '@sinclair/typebox'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { checkOptions } from '../lib/check-options.ts'
import { ConfigInvalidError, CredentialsMissingError, CsrfRefusedError, LogoutTokenInvalidError, MediaTypeUnsupportedError, NotFoundError, ProviderUnavailableError, RequestInvalidError, StoreUnavailableError } from '../lib/errors.ts'
import { isForeign } from '../lib/http/csrf.ts'
import { isNavigation } from '../lib/http/navigation.ts'
import { redirectPage } from '../lib/http/problem-page.ts'
import { isUnder, localAddress } from '../lib/http/return-to.ts'
import { hidden, noStoreHeader, plain, problems, type Operation } from '../lib/http/route-schema.ts'
import { ownHeaders } from '../lib/http/security-headers.ts'
import { serializerCompiler, validatorCompiler, type TypeBoxProvider } from '../lib/http/type-provider.ts'
import { sendLoginProblem } from '../plugins/errors.ts'
import type { AuthorizationDemands, Provider } from '../plugins/oidc/provider.ts'
import { partOrNull, type Portcullis } from '../plugins/portcullis.ts'
import { addressKey } from '../plugins/rate-limit/budget.ts'
import { addHooks, assertHooks, type SignInHooks } from '../sign-in/hooks.ts'
import { beginLogin, sessionToStepUp } from '../sign-in/provider/begin.ts'
import { completeLogin } from '../sign-in/provider/complete.ts'
import { logOutByProvider } from '../sign-in/provider/logout.ts'
import { noStore } from './json-api.ts'
import { needParts, signInOptions } from './options.ts'
import { acceptFormsAlone } from './pages/forms.ts'

export interface ProviderRoutesOptions {
  /** Origin that browsers use, and the audience of these routes. */
  origin: string
  /** Audiences of a session, besides `origin`. */
  audiences: readonly string[]
  /** SameSite attribute of the session cookie, as in portcullis-cookies. Default: lax. */
  sameSite?: 'lax' | 'strict'
  /** Functions that run before and after sign-in and sign-out. Those of `authRoutes` apply to these routes too. */
  hooks?: SignInHooks
}

const { origin, audiences, hooks } = signInOptions
const Options = Type.Object({ origin, audiences, hooks, sameSite: Type.Union([Type.Literal('lax'), Type.Literal('strict')], { default: 'lax', errorMessage: 'must be lax or strict' }) }, { additionalProperties: false })

const LogoutForm = Type.Object({ logout_token: Type.String({ minLength: 1, maxLength: 16_384 }) }, { errorMessage: 'must be a form with logout_token' })

const logoutSchema = {
  ...{ operationId: 'backchannelLogout', tags: ['Signing in'], summary: 'End the sessions that an identity provider has logged out', description: 'For providers (OpenID Connect Back-Channel Logout 1.0). The body is a form.', 'x-credentials': ['none'] } satisfies Operation,
  body: LogoutForm,
  response: { 200: plain('The sessions have ended, durably.', noStoreHeader), ...problems(NotFoundError, MediaTypeUnsupportedError, LogoutTokenInvalidError, StoreUnavailableError, ProviderUnavailableError) }
}

/** Sign-ins that one client address may begin. It bounds loops, and requests to providers. */
const startBudget = { max: 120, window: '1m' } as const

interface Routes { options: Static<typeof Options>, portcullis: Portcullis, app: FastifyInstance }
type Named = FastifyRequest<{ Params: { name: string } }>

/**
 * Registers sign-in, step-up and sign-out with identity providers. Register with the prefix of `authRoutes`, `/auth`, after
 * portcullis-oidc.
 */
export default async function providerRoutes (fastify: FastifyInstance, given: ProviderRoutesOptions): Promise<void> {
  const options = checkOptions('providerRoutes', Options, given)
  if (options.hooks !== undefined) {
    assertHooks('providerRoutes', options.hooks)
    addHooks(fastify, options.hooks)
  }
  const portcullis = needParts(fastify, 'providerRoutes', ['store', 'cookies', 'blocklist', 'session', 'authenticate', 'oidc'])
  if (portcullis.cookies.origin !== options.origin) throw new ConfigInvalidError('providerRoutes: origin must be that of portcullis-cookies')
  const routes = { options, portcullis, app: fastify }
  await fastify.register(async function loginRoutes (scope) { addLoginRoutes(scope, routes) })
  await fastify.register(async function backchannelRoutes (scope) { await addLogoutRoute(scope, routes) })
}

function addLoginRoutes (app: FastifyInstance, routes: Routes): void {
  const { options, portcullis } = routes
  const security = ownHeaders(options.origin)
  const starts = partOrNull(portcullis, 'rateLimit')?.createBudget('login', startBudget)
  app.addHook('onSend', noStore)
  app.setErrorHandler((error: FastifyError, request, reply) => { sendLoginProblem(error, request, reply, security, linksFor(request as Named, routes)) })

  app.get('/login/:name', { schema: { ...hidden }, exposeHeadRoute: false }, async (request: Named, reply) => {
    const provider = providerOf(request, portcullis)
    const query = queryOf(request)
    assertNavigation(request, options.origin)
    await starts?.take(request, addressKey(request))
    const isStepUp = query.get('step_up') === '1'
    if (isStepUp && mayLackCookies(request, query, routes)) return await leadOn(reply, query)
    const { maxAgeSeconds, ...demands } = demandsOf(query)
    const stepUpSid = isStepUp ? (await sessionToStepUp(reply, provider.name, { origin: options.origin, portcullis })).sid : null
    const maxAge = maxAgeSeconds ?? (isStepUp ? 0 : undefined)
    const address = await beginLogin(reply, { provider, returnTo: returnToOf(query.get('return_to'), routes), demands: { ...demands, ...maxAge === undefined ? {} : { maxAgeSeconds: maxAge } }, stepUpSid, portcullis })
    return reply.redirect(address, 303)
  })

  app.get('/callback/:name', { schema: { ...hidden }, exposeHeadRoute: false }, async (request: Named, reply) => {
    const provider = providerOf(request, portcullis)
    const query = queryOf(request)
    assertNavigation(request, options.origin)
    if (mayLackCookies(request, query, routes)) return await leadOn(reply, query)
    query.delete('again')
    const completed = await completeLogin(reply, { provider, query, origin: options.origin, audiences: [...new Set([...options.audiences, options.origin])], portcullis })
    return reply.redirect(completed.to === 'provider' ? completed.address : completed.path ?? defaultPath(routes), 303)
  })
}

async function addLogoutRoute (scope: FastifyInstance, { portcullis }: Routes): Promise<void> {
  const app = scope.withTypeProvider<TypeBoxProvider>().setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler)
  await acceptFormsAlone(app)
  app.addHook('onSend', noStore)
  app.post('/backchannel-logout/:name', { schema: logoutSchema, bodyLimit: 32_768 }, async (request, reply) => {
    await logOutByProvider(request, { provider: providerOf(request as unknown as Named, portcullis), token: request.body.logout_token, portcullis })
    return await reply.code(200).send()
  })
}

/** Returns the provider that the path names. Throws NotFoundError for an unknown name. */
function providerOf ({ params: { name } }: Named, { oidc }: Portcullis): Provider {
  const provider = oidc.providers.get(name)
  if (provider === undefined) throw new NotFoundError()
  return provider
}

/** Maximum length of the query of these routes, in characters. A code and its `iss` need some hundred. */
const longestQuery = 8192

/** Returns the query. Throws RequestInvalidError if a parameter is present twice, because two parsers may choose different ones. */
function queryOf ({ raw: { url = '' } }: FastifyRequest): URLSearchParams {
  const at = url.indexOf('?')
  const text = at === -1 ? '' : url.slice(at + 1)
  const query = new URLSearchParams(text)
  if (text.length > longestQuery) throw new RequestInvalidError({ cause: new Error('the query is too long') })
  if (new Set(query.keys()).size !== query.size) throw new RequestInvalidError({ cause: new Error('a parameter was sent twice') })
  return query
}

/**
 * Throws unless the user sees the response as a page: images, frames and scripts, of this or another site, begin and complete no sign-in.
 * Browsers state both headers; some clients that are no browsers state the mode alone.
 */
function assertNavigation ({ raw: { method, headers } }: FastifyRequest, origin: string): void {
  if (headers['sec-fetch-mode'] === undefined || headers['sec-fetch-site'] === undefined || isNavigation(method, headers)) return
  throw isForeign(headers, origin) ? new CsrfRefusedError({ cause: new Error('not a navigation') }) : new CredentialsMissingError({ cause: new Error('not a navigation') })
}

/**
 * Returns whether the request may lack cookies that the browser has: a redirect from another site carries no SameSite=Strict cookie and no
 * expired device cookie.
 */
function mayLackCookies (request: FastifyRequest, query: URLSearchParams, { options: { sameSite }, portcullis }: Routes): boolean {
  const site = request.headers['sec-fetch-site']
  if ((site !== 'cross-site' && site !== 'same-site') || query.has('again')) return false
  return sameSite === 'strict' || (partOrNull(portcullis, 'deviceBound') !== null && portcullis.cookies.read(request, 'session') !== null)
}

/** Answers with a page that requests the same address again, with every cookie of this origin. */
async function leadOn (reply: FastifyReply, query: URLSearchParams): Promise<FastifyReply> {
  query.set('again', '1')
  return await reply.headers(ownHeaders(reply.server.portcullis.cookies.origin)).header('referrer-policy', 'no-referrer').type('text/html; charset=utf-8').send(redirectPage(`?${query}`))
}

/** Returns the demands of a request that begins a sign-in. Throws RequestInvalidError for values that no provider could apply. */
function demandsOf (query: URLSearchParams): AuthorizationDemands {
  const maxAge = query.get('max_age')
  const acrValues = query.get('acr_values')?.split(' ') ?? []
  if (maxAge !== null && !/^\d{1,9}$/.test(maxAge)) throw new RequestInvalidError({ cause: new Error('max_age is no number of seconds') })
  if (acrValues.length > 10 || !acrValues.every(value => /^[\x21-\x7e]{1,128}$/.test(value))) throw new RequestInvalidError({ cause: new Error('acr_values is no list of names') })
  return { ...maxAge === null ? {} : { maxAgeSeconds: Number(maxAge) }, ...acrValues.length === 0 ? {} : { acrValues } }
}

/** Returns the path to return to; null unless it is one of this origin. Of the paths of these routes, only the account page is for users. */
function returnToOf (asked: string | null, { options, app: { prefix } }: Routes): string | null {
  const path = asked === null ? null : localAddress(asked, options.origin)
  return path === null || (isUnder(path, prefix) && !isUnder(path, `${prefix}/account`)) ? null : path
}

function defaultPath (routes: Routes): string {
  return hasPages(routes) ? `${routes.app.prefix}/account` : '/'
}

function hasPages ({ app }: Routes): boolean {
  return app.hasRoute({ method: 'GET', url: `${app.prefix}/sign-in` })
}

/** Returns the links of a page that explains an error. */
function linksFor (request: Named, routes: Routes): { loginPath: string | null, signInPath: string | null } {
  const { app: { prefix }, portcullis: { oidc } } = routes
  const { params: { name } } = request
  return { loginPath: oidc.providers.has(name) ? `${prefix}/login/${name}` : null, signInPath: hasPages(routes) ? `${prefix}/sign-in?failed` : null }
}

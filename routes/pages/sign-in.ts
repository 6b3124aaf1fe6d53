import { Type, type Static, type TUnsafe } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Identity } from '../../lib/identity.ts'
import { loginAddress, readStepUp } from '../../lib/http/login-url.ts'
import { isNavigation } from '../../lib/http/navigation.ts'
import { isUnder, signInAddress, type StepUpQuery } from '../../lib/http/return-to.ts'
import { hidden } from '../../lib/http/route-schema.ts'
import type { TypeBoxProvider } from '../../lib/http/type-provider.ts'
import { providerNames } from '../../plugins/authenticate/login-urls.ts'
import { Password, Username } from '../../sign-in/password.ts'
import type { PendingChallenge } from '../../lib/session/challenge-token.ts'
import { Answer, isAnswer } from '../../sign-in/second-factor.ts'
import { answerSignIn, isSignIn, signIn } from '../../sign-in/sign-in.ts'
import { isStepUp, stepUpSession } from '../../sign-in/step-up.ts'
import type { Way } from '../../sign-in/way.ts'
import { hasSecondFactor } from '../../sign-in/ways.ts'
import { whoIsSignedIn, type Pages } from './page.ts'
import { asksForSecondFactor, showAnswerRefusal, showSecondFactor } from './second-factor.ts'
import { knownProvider } from './sign-out.ts'
import { isRefusal, needsSignIn } from './words.ts'

const returnToField = { return_to: Type.Optional(Type.String()) }
const SignInForm = Type.Object({ username: Username, password: Password, ...returnToField }, { additionalProperties: false })
/** Password managers need the name; the step-up uses the name of the session. */
const StepUpForm = Type.Object({ step_up: Type.Literal('1'), username: Type.Optional(Type.String()), password: Password, ...returnToField }, { additionalProperties: false })

/** Answers a challenge; with `step_up`, that of a step-up. */
const AnswerForm = Type.Object({ ...Answer.properties, step_up: Type.Optional(Type.Literal('1')), ...returnToField }, { additionalProperties: false })

type PostedForm = Static<typeof SignInForm> | Static<typeof StepUpForm> | Static<typeof AnswerForm>

/** The query affects only the redirect. */
interface Query { return_to?: unknown, step_up?: unknown, max_age?: unknown, acr_values?: unknown, signed_out?: unknown, failed?: unknown, again?: unknown }

export function addSignInPage (fastify: FastifyInstance, pages: Pages): void {
  const app = fastify.withTypeProvider<TypeBoxProvider>()
  const { ways } = pages

  app.get<{ Querystring: Query }>('/sign-in', { schema: { ...hidden } }, async (request, reply) => {
    const { query } = request
    const returnTo = pages.returnTo(query.return_to)
    const stepUp = { isStepUp: query.step_up === '1', ...readStepUp(query) }
    const who = await whoIsSignedIn(request, pages, { isUse: false })
    const shown = who === null ? null : await showSignedIn(reply, who, { returnTo, stepUp }, pages)
    if (shown !== null) return shown
    if (who === null && mayLackCookies(request, pages)) {
      const kept = (['signed_out', 'failed'] as const).filter(name => query[name] !== undefined).map(name => `&${name}=1`).join('')
      const next = `${signInAddress(pages.signInPath, returnTo, stepUp)}${kept}&again=1`
      // An operator who sets strict cookies wants no other site to cause a request with them, so the page asks for a click.
      return pages.sameSite === 'strict' ? await pages.show(reply, 'from-elsewhere', { title: 'Continue', link: next, returnTo }) : await leadOn(reply, next, pages)
    }
    const isSignedOut = query.signed_out !== undefined
    const only = isSignedOut || query.failed !== undefined ? null : onlyProvider(pages)
    return only === null
      ? await pages.show(reply, 'sign-in', { title: isSignedOut ? 'Signed out' : 'Sign in', refusal: null, ...signInForm(pages, { returnTo, isSignedOut }) })
      : await leadToProvider(reply, loginAddress(only, returnTo), pages)
  })

  if (ways.length === 0) addFormerForm(app, pages)
  else addForm(app, pages)
}

/** Accepts the form of a page from before a change of the configuration, and shows the page as it is now. */
function addFormerForm (app: FastifyInstance, pages: Pages): void {
  app.post<{ Body: { return_to?: unknown } | null }>('/sign-in', { schema: { ...hidden } }, async ({ body }, reply) => pages.redirect(reply, signInAddress(pages.signInPath, pages.returnTo(body?.return_to))))
}

function addForm (fastify: FastifyInstance, pages: Pages): void {
  const app = fastify.withTypeProvider<TypeBoxProvider>()
  const { portcullis, ways, origin } = pages
  const audiences = [...new Set([...pages.audiences, origin])]

  app.post('/sign-in', { schema: { ...hidden, body: formOf(ways) } }, async (request, reply) => {
    const { body } = request
    const returnTo = pages.returnTo(body.return_to)
    try {
      if ('step_up' in body) await stepUpSession(request, reply, { ways, posted: isAnswer(body) ? answerOf(body) : { password: body.password }, origin, portcullis })
      else if (isAnswer(body)) await answerSignIn(reply, { ways, answer: body, mode: 'session', portcullis })
      else await signIn(reply, { ways, posted: { username: body.username, password: body.password }, mode: 'session', audiences, portcullis })
    } catch (error) {
      return await showFailure(error, reply, body, returnTo, pages)
    }
    return await leadOnFromForm(request, reply, returnTo, pages)
  })
}

/**
 * Responds to a user who is signed in: with the redirect, or with what a step-up needs. Returns null for a session whose user cannot
 * authenticate again, because its provider or the passwords were removed: a new sign-in replaces it.
 */
async function showSignedIn (reply: FastifyReply, who: Identity, { returnTo, stepUp }: { returnTo: string, stepUp: StepUpQuery }, pages: Pages): Promise<FastifyReply | null> {
  if (stepUp.isStepUp !== true) return pages.redirect(reply, returnTo)
  if (who.provider !== null) return knownProvider(who.provider.name, pages) === null ? null : await leadToProvider(reply, loginAddress(who.provider.name, returnTo, stepUp), pages)
  return pages.ways.length === 0 ? null : await pages.show(reply, 'step-up', { title: 'Confirm that it is you', returnTo, refusal: null, username: await nameOf(who, pages) })
}

/**
 * Returns the provider if it is the only way to sign in. After a sign-out or an error, the page must not go there at once: a provider that
 * remembers the user would sign in again, or repeat the error.
 */
function onlyProvider ({ portcullis, ways }: Pages): string | null {
  const [only, ...others] = providerNames(portcullis)
  return only !== undefined && others.length === 0 && ways.length === 0 ? only : null
}

/** Returns the schema of the forms that the page accepts. */
function formOf (ways: readonly Way[]): TUnsafe<PostedForm> {
  return Type.Unsafe<PostedForm>(Type.Union([SignInForm, StepUpForm, ...hasSecondFactor(ways) ? [AnswerForm] : []]))
}

/** Shows the form that continues or repeats a sign-in or a step-up. Rethrows other errors. */
async function showFailure (error: unknown, reply: FastifyReply, body: PostedForm, returnTo: string, pages: Pages): Promise<FastifyReply> {
  const { request } = reply
  const isStepUpForm = 'step_up' in body
  if (isStepUpForm && needsSignIn(error)) return pages.redirect(reply, signInAddress(pages.signInPath, returnTo))
  if (isStepUpForm && (error as { code?: string }).code === 'PTC_ERR_STEP_UP_REQUIRED') return pages.redirect(reply, signInAddress(pages.signInPath, returnTo, { isStepUp: true }))
  const who = isStepUpForm ? await whoIsSignedIn(request, pages, { isUse: false }) : null
  const continued = {
    action: null,
    fields: { ...isStepUpForm ? { step_up: '1' } : {}, return_to: returnTo },
    restart: signInAddress(pages.signInPath, returnTo, { isStepUp: isStepUpForm }),
    isFor: (pending: PendingChallenge) => isStepUpForm ? isStepUp(pending, who?.sid ?? '') : isSignIn(pending, 'session')
  }
  if (asksForSecondFactor(error)) return await showSecondFactor(error, reply, continued, pages)
  const again = isAnswer(body) && isRefusal(error) ? await showAnswerRefusal(error, reply, body, continued, pages) : null
  if (again !== null) return again
  const asked = isAnswer(body) ? 'restarted' : undefined
  return isStepUpForm
    ? await pages.showRefusal(error, reply, 'step-up', { returnTo, username: who === null ? '' : await nameOf(who, pages) }, asked)
    : await pages.showRefusal(error, reply, 'sign-in', signInForm(pages, { returnTo, ...'username' in body ? { username: body.username } : {} }), asked)
}

/** Returns what the sign-in page shows. */
function signInForm ({ portcullis, ways }: Pages, { returnTo, username = '', isSignedOut = false }: { returnTo: string, username?: string, isSignedOut?: boolean }): { returnTo: string, username: string, isSignedOut: boolean, hasPasswords: boolean, providers: Array<{ name: string, link: string }> } {
  return { returnTo, username, isSignedOut, hasPasswords: ways.length > 0, providers: providerNames(portcullis).map(name => ({ name, link: loginAddress(name, returnTo) })) }
}

/** Returns an answer without the other fields of its form. */
function answerOf ({ challenge_token: token, response }: Answer): Answer {
  return { challenge_token: token, response }
}

/** Returns the name to show beside the password field. */
async function nameOf ({ sid, subject }: Identity, { portcullis }: Pages): Promise<string> {
  const record = sid === null ? null : await portcullis.session.read(sid)
  return record?.username ?? subject
}

/**
 * Returns whether the request may lack cookies that the browser has. A navigation from another site, and any redirect that follows,
 * carries no SameSite=Strict cookie and no expired device cookie, because browsers renew none for other sites. A request that our
 * own page starts carries them.
 */
function mayLackCookies (request: FastifyRequest, { sameSite, portcullis }: Pages): boolean {
  const site = request.headers['sec-fetch-site']
  const isFromElsewhere = site === 'cross-site' || site === 'same-site'
  return isFromElsewhere && (request.query as Query).again === undefined && (sameSite === 'strict' || portcullis.cookies.read(request, 'session') !== null)
}

/** Answers with a page that navigates to the next address by script, or by a refresh when scripts do not run. */
async function leadOn (reply: FastifyReply, next: string, pages: Pages): Promise<FastifyReply> {
  return await pages.show(reply, 'again', { title: 'One moment', next })
}

/** Navigates to the routes of a provider; by a page for a browser, whose script adds the fragment to the address to return to. */
async function leadToProvider (reply: FastifyReply, next: string, pages: Pages): Promise<FastifyReply> {
  const { method, headers } = reply.request.raw
  const isOfBrowser = isNavigation(method, headers) && headers['sec-fetch-dest'] === 'document'
  return isOfBrowser ? await pages.show(reply, 'again', { title: 'One moment', next, isLogin: true }) : pages.redirect(reply, next)
}

/**
 * Navigates by a page and not by a redirect, because browsers apply the form-action policy of the form (CSP) to every redirect that
 * follows it.
 */
async function leadOnFromForm (request: FastifyRequest, reply: FastifyReply, returnTo: string, pages: Pages): Promise<FastifyReply> {
  const isOfBrowser = request.headers['sec-fetch-mode'] === 'navigate'
  if (!isOfBrowser || isUnder(returnTo, pages.accountPath)) return pages.redirect(reply, returnTo)
  return await leadOn(reply, returnTo, pages)
}

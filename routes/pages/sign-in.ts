import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Identity } from '../../lib/identity.ts'
import { isUnder, signInAddress } from '../../lib/http/return-to.ts'
import { hidden } from '../../lib/http/route-schema.ts'
import type { TypeBoxProvider } from '../../lib/http/type-provider.ts'
import { Password, Username } from '../../sign-in/password.ts'
import { signIn } from '../../sign-in/sign-in.ts'
import { stepUpSession } from '../../sign-in/step-up.ts'
import { whoIsSignedIn, type Pages } from './page.ts'
import { needsSignIn } from './words.ts'

const returnToField = { return_to: Type.Optional(Type.String()) }
const SignInForm = Type.Object({ username: Username, password: Password, ...returnToField }, { additionalProperties: false })
/** Password managers need the name; the step-up uses the name of the session. */
const StepUpForm = Type.Object({ step_up: Type.Literal('1'), username: Type.Optional(Type.String()), password: Password, ...returnToField }, { additionalProperties: false })

/** The query affects only the redirect. */
interface Query { return_to?: unknown, step_up?: unknown, signed_out?: unknown, again?: unknown }

export function addSignInPage (fastify: FastifyInstance, pages: Pages): void {
  const app = fastify.withTypeProvider<TypeBoxProvider>()
  const { portcullis, ways, origin } = pages
  const audiences = [...new Set([...pages.audiences, origin])]

  app.get<{ Querystring: Query }>('/sign-in', { schema: { ...hidden } }, async (request, reply) => {
    const { query } = request
    const returnTo = pages.returnTo(query.return_to)
    const isStepUp = query.step_up === '1'
    const who = await whoIsSignedIn(request, pages, { isUse: false })
    if (who !== null) return isStepUp ? await pages.show(reply, 'step-up', { title: 'Confirm that it is you', returnTo, refusal: null, username: await nameOf(who, pages) }) : pages.redirect(reply, returnTo)
    if (mayLackCookies(request, pages)) {
      const next = `${signInAddress(pages.signInPath, returnTo, { isStepUp })}&again=1`
      // An operator who sets strict cookies wants no other site to cause a request with them, so the page asks for a click.
      return pages.sameSite === 'strict' ? await pages.show(reply, 'from-elsewhere', { title: 'Continue', link: next, returnTo }) : await leadOn(reply, next, pages)
    }
    const isSignedOut = query.signed_out !== undefined
    return await pages.show(reply, 'sign-in', { title: isSignedOut ? 'Signed out' : 'Sign in', returnTo, refusal: null, username: '', isSignedOut })
  })

  app.post('/sign-in', { schema: { ...hidden, body: Type.Union([SignInForm, StepUpForm]) } }, async (request, reply) => {
    const { body } = request
    const returnTo = pages.returnTo(body.return_to)
    if ('step_up' in body) {
      try {
        await stepUpSession(request, reply, { ways, posted: { password: body.password }, origin, portcullis })
      } catch (error) {
        if (needsSignIn(error)) return pages.redirect(reply, signInAddress(pages.signInPath, returnTo))
        const who = await whoIsSignedIn(request, pages, { isUse: false })
        return await pages.showRefusal(error, reply, 'step-up', { returnTo, username: who === null ? '' : await nameOf(who, pages) })
      }
    } else {
      const { username, password } = body
      try {
        await signIn(reply, { ways, posted: { username, password }, mode: 'session', audiences, portcullis })
      } catch (error) {
        return await pages.showRefusal(error, reply, 'sign-in', { returnTo, username, isSignedOut: false })
      }
    }
    return await leadOnFromForm(request, reply, returnTo, pages)
  })
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

/**
 * Navigates by a page and not by a redirect, because browsers apply the form-action policy of the form (CSP) to every redirect that
 * follows it.
 */
async function leadOnFromForm (request: FastifyRequest, reply: FastifyReply, returnTo: string, pages: Pages): Promise<FastifyReply> {
  const isOfBrowser = request.headers['sec-fetch-mode'] === 'navigate'
  if (!isOfBrowser || isUnder(returnTo, pages.accountPath)) return pages.redirect(reply, returnTo)
  return await leadOn(reply, returnTo, pages)
}

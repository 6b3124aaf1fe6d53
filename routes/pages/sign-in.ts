import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Identity } from '../../lib/principal.ts'
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
/** The name is there for password managers alone: it is the session's that counts. */
const StepUpForm = Type.Object({ step_up: Type.Literal('1'), username: Type.Optional(Type.String()), password: Password, ...returnToField }, { additionalProperties: false })

/** Nothing is decided by it but where to go. */
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
      // Strict cookies are for whoever wants no other site to decide what is asked for with them.
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

/** What a password is asked for. */
async function nameOf ({ sid, subject }: Identity, { portcullis }: Pages): Promise<string> {
  const record = sid === null ? null : await portcullis.session.read(sid)
  return record?.username ?? subject
}

/**
 * A link from another site comes without the cookies that are SameSite=Strict, and without a device cookie that has run out: browsers
 * renew none for other sites. So does where it is redirected to; what a page of ours asks for next does not.
 */
function mayLackCookies (request: FastifyRequest, { sameSite, portcullis }: Pages): boolean {
  const site = request.headers['sec-fetch-site']
  const isFromElsewhere = site === 'cross-site' || site === 'same-site'
  return isFromElsewhere && (request.query as Query).again === undefined && (sameSite === 'strict' || portcullis.cookies.read(request, 'session') !== null)
}

/** Answers with a page that goes to the next address by script, or by a refresh where no script runs. */
async function leadOn (reply: FastifyReply, next: string, pages: Pages): Promise<FastifyReply> {
  return await pages.show(reply, 'again', { title: 'One moment', next })
}

/** By a page rather than a redirect: to where an application leads from there, browsers apply the policy of the form that began it (CSP, form-action). */
async function leadOnFromForm (request: FastifyRequest, reply: FastifyReply, returnTo: string, pages: Pages): Promise<FastifyReply> {
  const isOfBrowser = request.headers['sec-fetch-mode'] === 'navigate'
  if (!isOfBrowser || isUnder(returnTo, pages.accountPath)) return pages.redirect(reply, returnTo)
  return await leadOn(reply, returnTo, pages)
}

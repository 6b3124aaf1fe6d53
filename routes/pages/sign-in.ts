import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Identity } from '../../lib/identity.ts'
import { signInAddress } from '../../lib/return-to.ts'
import { hidden } from '../../lib/route-schema.ts'
import type { TypeBoxProvider } from '../../lib/type-provider.ts'
import { Password, Username } from '../auth/schemas.ts'
import { signIn } from '../auth/sign-in.ts'
import { stepUpSession } from '../auth/step-up.ts'
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
  const { portcullis, identity, origin } = pages
  const audiences = [...new Set([...pages.audiences, origin])]

  app.get<{ Querystring: Query }>('/sign-in', { schema: { ...hidden } }, async (request, reply) => {
    const { query } = request
    const returnTo = pages.returnTo(query.return_to)
    const isStepUp = query.step_up === '1'
    const who = await whoIsSignedIn(request, pages, { isUse: false })
    if (who !== null) return isStepUp ? await pages.show(reply, 'step-up', { title: 'Confirm that it is you', returnTo, refusal: null, username: await nameOf(who, pages) }) : pages.redirect(reply, returnTo)
    if (isWithoutStrictCookies(request, pages)) return await pages.show(reply, 'again', { title: 'One moment', next: `${signInAddress(pages.signInPath, returnTo, { isStepUp })}&again=1` })
    const isSignedOut = query.signed_out !== undefined
    return await pages.show(reply, 'sign-in', { title: isSignedOut ? 'Signed out' : 'Sign in', returnTo, refusal: null, username: '', isSignedOut })
  })

  app.post('/sign-in', { schema: { ...hidden, body: Type.Union([SignInForm, StepUpForm]) } }, async (request, reply) => {
    const { body } = request
    const returnTo = pages.returnTo(body.return_to)
    if ('step_up' in body) {
      try {
        await stepUpSession(request, reply, { password: body.password, identity, origin, portcullis })
      } catch (error) {
        if (needsSignIn(error)) return pages.redirect(reply, signInAddress(pages.signInPath, returnTo))
        const who = await whoIsSignedIn(request, pages, { isUse: false })
        return await pages.showRefusal(error, reply, 'step-up', { returnTo, username: who === null ? '' : await nameOf(who, pages) })
      }
    } else {
      const { username, password } = body
      try {
        await signIn(reply, { username, password, mode: 'session', audiences, identity, portcullis })
      } catch (error) {
        return await pages.showRefusal(error, reply, 'sign-in', { returnTo, username, isSignedOut: false })
      }
    }
    return pages.redirect(reply, returnTo)
  })
}

/** What a password is asked for. */
async function nameOf ({ sid, subject }: Identity, { portcullis }: Pages): Promise<string> {
  const record = sid === null ? null : await portcullis.session.read(sid)
  return record?.username ?? subject
}

/** With SameSite=Strict a link from another site comes without the cookie, and so does where it is redirected to; what the page itself asks for next does not. */
function isWithoutStrictCookies ({ headers, query }: FastifyRequest, { sameSite }: Pages): boolean {
  const site = headers['sec-fetch-site']
  return sameSite === 'strict' && (site === 'cross-site' || site === 'same-site') && (query as Query).again === undefined
}

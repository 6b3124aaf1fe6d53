import { Type, type Static } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Identity } from '../../lib/identity.ts'
import { loginAddress } from '../../lib/http/login-url.ts'
import { signInAddress } from '../../lib/http/return-to.ts'
import { hidden } from '../../lib/http/route-schema.ts'
import { freshSeconds, seconds } from '../../lib/session/record.ts'
import { isSid } from '../../lib/session/sid.ts'
import type { PendingChallenge } from '../../lib/session/challenge-token.ts'
import type { TypeBoxProvider } from '../../lib/http/type-provider.ts'
import { describeError } from '../../plugins/errors.ts'
import { endSession } from '../../sign-in/end-session.ts'
import { Password } from '../../sign-in/password.ts'
import { Answer, isAnswer } from '../../sign-in/second-factor.ts'
import { isStepUp, stepUpSession } from '../../sign-in/step-up.ts'
import { hasSecondFactor } from '../../sign-in/ways.ts'
import { whoIsSignedIn, type Pages } from './page.ts'
import { asksForSecondFactor, showAnswerRefusal, showSecondFactor } from './second-factor.ts'
import { knownProvider, signOutByForm } from './sign-out.ts'
import { describeSessions, type DescribedSession } from './sessions.ts'
import { isRefusal } from './words.ts'

/* Unknown fields of these forms are ignored, because a session must not remain open on account of a field that an extension or a proxy added. */
const SignOutForm = Type.Object({ action: Type.Union([Type.Literal('sign-out'), Type.Literal('sign-out-provider'), Type.Literal('sign-out-everywhere')]) })
const EndForm = Type.Object({
  action: Type.Literal('end'),
  sid: Type.String(),
  /** Present when the last authentication is too old. */
  password: Type.Optional(Password),
  /** Present in the form that asks for a second factor. */
  ...Type.Partial(Answer).properties,
  /** Present for password managers only. */
  username: Type.Optional(Type.String())
})

const notices = new Map([
  ['ended', 'The other session is signed out.'],
  ['gone', 'That session was over already.'],
  ['failed', 'Your password is right, but the session could not be signed out. Try again in a moment.']
])

/** The members that step up. */
type Proof = { password: string } | Answer

interface Query { end?: unknown, notice?: unknown }

export function addAccountPage (fastify: FastifyInstance, pages: Pages): void {
  const app = fastify.withTypeProvider<TypeBoxProvider>()
  const { portcullis, accountPath, signInPath } = pages

  app.get<{ Querystring: Query }>('/account', { schema: { ...hidden } }, async (request, reply) => {
    const { end, notice } = request.query
    const who = await whoIsSignedIn(request, pages, { isUse: true })
    if (who === null) return pages.redirect(reply, signInAddress(signInPath, accountPath))
    const { current, others } = await describeSessions(who, portcullis)
    if (current === null) return pages.redirect(reply, signInAddress(signInPath, accountPath))
    const ended = end === undefined ? undefined : others.find(({ sid }) => sid === end)
    if (ended !== undefined) return await pages.show(reply, 'confirm', { title: 'Confirm that it is you', ...confirmation(ended, current), proof: proofFor(ended, who, pages), refusal: null })
    return await pages.show(reply, 'account', { title: 'Your account', current, provider: knownProvider(current.provider, pages), others, notice: notices.get(end === undefined ? String(notice) : 'gone') ?? null })
  })

  app.post('/account', { schema: { ...hidden, body: Type.Union([SignOutForm, EndForm]) } }, async (request, reply) => {
    const { body } = request
    if (body.action === 'end') return await end(request, reply, body, pages)
    return await signOutByForm(request, reply, { scope: body.action === 'sign-out-everywhere' ? 'all' : 'this', andProvider: body.action === 'sign-out-provider' }, pages)
  })
}

/** Ends another session, or asks for the password first. A form with the password steps up and ends the session in one request. */
async function end (request: FastifyRequest, reply: FastifyReply, form: Static<typeof EndForm>, pages: Pages): Promise<FastifyReply> {
  const { portcullis, origin, accountPath } = pages
  const { sid } = form
  const who = await portcullis.identify(request, { audience: origin, access: 'session' })
  // A malformed sid is not copied into an address.
  if (!isSid(sid)) return pages.redirect(reply, `${accountPath}?notice=gone`)
  // A password of this gateway proves nothing about the user of a provider.
  const posted = who.provider === null ? proofOf(form, pages) : null
  if (posted !== null) return await confirmAndEnd(request, reply, { sid, posted, who }, pages)
  try {
    await endSession(request, { sid, by: who, portcullis })
    return pages.redirect(reply, `${accountPath}?notice=ended`)
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === 'PTC_ERR_SESSION_NOT_FOUND') return pages.redirect(reply, `${accountPath}?notice=gone`)
    if (code === 'PTC_ERR_STEP_UP_REQUIRED') return pages.redirect(reply, `${accountPath}?end=${encodeURIComponent(sid)}`)
    throw error
  }
}

/** Returns what a form proves that the user is there with; null without any. */
function proofOf ({ password, challenge_token: token, response }: Static<typeof EndForm>, { ways }: Pages): Proof | null {
  if (password !== undefined) return { password }
  return hasSecondFactor(ways) && token !== undefined && response !== undefined ? { challenge_token: token, response } : null
}

async function confirmAndEnd (request: FastifyRequest, reply: FastifyReply, { sid, posted, who }: { sid: string, posted: Proof, who: Identity }, pages: Pages): Promise<FastifyReply> {
  const { portcullis, ways, origin, accountPath } = pages
  let authTime: number
  try {
    const { session } = await stepUpSession(request, reply, { ways, posted, origin, portcullis })
    authTime = session.auth_time
  } catch (error) {
    const { current, others } = await describeSessions(who, portcullis)
    const ended = others.find(other => other.sid === sid)
    if (current === null || ended === undefined) throw error
    const continued = { action: accountPath, fields: { action: 'end', sid }, restart: accountPath, isFor: (pending: PendingChallenge) => isStepUp(pending, current.sid) }
    if (asksForSecondFactor(error)) return await showSecondFactor(error, reply, continued, pages)
    const again = isAnswer(posted) && isRefusal(error) ? await showAnswerRefusal(error, reply, posted, continued, pages) : null
    return again ?? await pages.showRefusal(error, reply, 'confirm', { ...confirmation(ended, current), proof: { kind: 'password' } }, isAnswer(posted) ? 'restarted' : 'password')
  }
  // The step-up has replaced the secret of the session cookie, so the response must reach the browser even when ending fails.
  const notice = await endSession(request, { sid, by: { ...who, authTime }, portcullis }).then(() => 'ended', (error: unknown) => {
    if ((error as { code?: string }).code === 'PTC_ERR_SESSION_NOT_FOUND') return 'gone'
    request.log.warn({ error: describeError(error) }, 'a session could not be ended')
    return 'failed'
  })
  return pages.redirect(reply, `${accountPath}?notice=${notice}`)
}

/** What the page that ends another session asks for. */
type AskedProof = { kind: 'password' | 'none' } | { kind: 'provider', name: string, link: string } | { kind: 'new-sign-in' }

/** Returns how the user of a session proves to be there before another session ends. */
function proofFor (ended: DescribedSession, { provider, authTime }: Identity, pages: Pages): AskedProof {
  const { portcullis: { store }, accountPath, ways } = pages
  if (provider === null) return { kind: ways.length > 0 ? 'password' : 'new-sign-in' }
  if (seconds(store.nowMs()) - authTime <= freshSeconds) return { kind: 'none' }
  if (knownProvider(provider.name, pages) === null) return { kind: 'new-sign-in' }
  const returnTo = `${accountPath}?end=${encodeURIComponent(ended.sid)}`
  return { kind: 'provider', name: provider.name, link: loginAddress(provider.name, returnTo, { isStepUp: true, maxAgeSeconds: freshSeconds }) }
}

function confirmation (ended: DescribedSession, { username }: DescribedSession): { ended: DescribedSession, username: string } {
  return { ended, username }
}

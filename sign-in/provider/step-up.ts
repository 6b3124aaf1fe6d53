import type { FastifyReply, FastifyRequest } from 'fastify'
import { LoginForbiddenError, LoginInvalidError, StepUpRequiredError } from '../../lib/errors.ts'
import { publish, sourceOf } from '../../lib/events.ts'
import { withLoginUrl } from '../../lib/http/login-url.ts'
import { providerSubjectOf } from '../../lib/session/provider-session.ts'
import { parseSessionCookie } from '../../lib/session/sid.ts'
import type { SessionRecord } from '../../lib/session/record.ts'
import type { Authenticated } from '../../plugins/oidc/provider.ts'
import type { Portcullis } from '../../plugins/portcullis.ts'
import { admitted, proofOf, strengthOf, type AtProviderOptions, type Opened } from './open.ts'
import { refused, type Reason } from './refusal.ts'

/**
 * Strengthens the session that began the step-up, if the provider has authenticated its user. The session must still be that of the browser:
 * a session cookie of another one refuses it. Nothing has changed if it rejects.
 */
export async function stepUpAtProvider (reply: FastifyReply, user: Authenticated, options: Omit<AtProviderOptions, 'audiences'> & { sid: string }): Promise<Opened> {
  const { provider, sid, portcullis } = options
  const { request } = reply
  const refuse = (reason: Reason, error: Error): Error => refused(request, { provider: provider.name, reason, subject: providerSubjectOf({ name: provider.name, sub: user.sub }), portcullis }, error)
  const record = await carriedSession(request, sid, portcullis)
  if (record?.provider?.name !== provider.name) throw refuse('no-session', new LoginInvalidError({ cause: new Error('the session has ended, or is not that of this browser') }))
  if (record.provider.sub !== user.sub) throw refuse('other-user', new LoginForbiddenError({ cause: new Error('the provider has authenticated another user') }))
  const { claims } = admitted(user, options, refuse)
  const { outcome } = await portcullis.session.renewFromProvider(reply, sid, strengthOf(user), proofOf(user, claims, options))
  if (outcome === 'gone') throw refuse('no-session', new LoginInvalidError({ cause: new Error('the session has ended') }))
  if (outcome === 'logged-out') throw refuse('logged-out', new LoginInvalidError({ cause: new Error('the provider has ended its session meanwhile') }))
  publish({ event: 'step_up.done', sid, subject: record.subject, provider: provider.name, ...sourceOf(request) }, portcullis)
  return 'done'
}

async function carriedSession (request: FastifyRequest, sid: string, { cookies, session }: Portcullis): Promise<SessionRecord | null> {
  const cookie = cookies.read(request, 'session')
  if (cookie === null || parseSessionCookie(cookie)?.sid !== sid) return null
  return await session.find(cookie) === null ? null : await session.read(sid)
}

/** Returns the error that asks a script to step a session up at its provider, with the path that begins it if the provider is configured. */
export function stepUpElsewhere (provider: string, { loginUrls }: Portcullis): Error {
  const cause = new Error('the session began at an identity provider, which alone authenticates its user')
  return withLoginUrl(new StepUpRequiredError({ cause }), loginUrls.stepUp(provider))
}

/** Throws the error of `stepUpElsewhere` if the session cookie of the request is that of a valid session that began at a provider. */
export async function refuseOtherWays (request: FastifyRequest, { origin, portcullis }: { origin: string, portcullis: Portcullis }): Promise<void> {
  const cookie = portcullis.cookies.read(request, 'session')
  const record = cookie === null ? null : await portcullis.session.find(cookie)
  if (record === null || record.provider === null) return
  await portcullis.identify(request, { audience: origin, access: 'session' })
  throw stepUpElsewhere(record.provider.name, portcullis)
}

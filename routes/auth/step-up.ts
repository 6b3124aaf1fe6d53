import type { FastifyReply, FastifyRequest } from 'fastify'
import { CredentialsMissingError, LoginRefusedError, RefreshRefusedError, SessionInvalidError, StoreUnavailableError } from '../../lib/errors.ts'
import { publish, sourceOf } from '../../lib/events.ts'
import type { SessionView } from '../../lib/session/lifetime.ts'
import type { Portcullis } from '../../plugins/portcullis.ts'
import type { TokenResponse } from '../../plugins/refresh-token/refresh-tokens.ts'
import type { SessionRecord } from '../../lib/session/record.ts'
import type { PasswordVerifier } from './password-verifier.ts'
import { limitStepUp } from './limits.ts'

export interface StepUpOptions {
  password: string
  identity: PasswordVerifier
  origin: string
  portcullis: Portcullis
}

/** What a password proves; the same as at sign-in. */
const byPassword = { acr: '1', amr: ['pwd'] }

/**
 * A fresh authentication for the session that the request carries (RFC 9470). What the client holds is replaced with it, so that
 * whoever has an older copy gains nothing: the cookie's secret, or the generation of the refresh token.
 */
export async function stepUp (request: FastifyRequest, reply: FastifyReply, options: StepUpOptions): Promise<{ session: SessionView } | TokenResponse> {
  const { cookies } = options.portcullis
  if (cookies.read(request, 'session') !== null) return await stepUpSession(request, reply, options)
  if (cookies.read(request, 'refresh') !== null) return await stepUpFamily(request, reply, options)
  throw new CredentialsMissingError()
}

/** The same for the session cookie alone. */
export async function stepUpSession (request: FastifyRequest, reply: FastifyReply, options: StepUpOptions): Promise<{ session: SessionView }> {
  const { origin, portcullis } = options
  const { sid } = await portcullis.identify(request, { audience: origin, access: 'session' })
  const record = sid === null ? null : await portcullis.session.read(sid)
  if (record === null) throw new SessionInvalidError()
  await assertPassword(record, request, options)
  const renewed = await portcullis.session.renew(reply, record.sid, byPassword)
  if (renewed === null) throw new SessionInvalidError()
  publish({ event: 'step_up.done', sid: renewed.sid, subject: renewed.subject, ...sourceOf(request) }, portcullis)
  return { session: portcullis.session.view(renewed) }
}

/** It needs the refresh cookie: a fresh `auth_time` must never reach whoever merely holds an older access token. */
async function stepUpFamily (request: FastifyRequest, reply: FastifyReply, options: StepUpOptions): Promise<TokenResponse> {
  const { cookies, refreshToken, session } = options.portcullis
  const parsed = refreshToken.parse(cookies.read(request, 'refresh') ?? '')
  if (parsed.result === 'unknown-key') throw new StoreUnavailableError({ cause: new Error('a refresh token of a secret that is not known here (yet)') })
  const record = parsed.result === 'genuine' ? await session.read(parsed.sid) : null
  if (record === null) throw new RefreshRefusedError()
  await assertPassword(record, request, options)
  const answer = await reply.rotateFamily({ fresh: byPassword })
  publish({ event: 'step_up.done', sid: record.sid, subject: record.subject, ...sourceOf(request) }, options.portcullis)
  return answer
}

/** The password of the name that was signed in with; another subject's is a wrong one. */
async function assertPassword ({ sid, subject, username }: SessionRecord, request: FastifyRequest, { password, identity, portcullis }: StepUpOptions): Promise<void> {
  const verified = await limitStepUp(request, username, portcullis, async () => {
    const principal = await identity.verify({ username, password })
    return principal?.subject === subject ? principal : null
  }, { sid, subject })
  if (verified !== null) return
  publish({ event: 'login.refused', sid, subject, ...sourceOf(request), outcome: 'step-up' }, portcullis)
  throw new LoginRefusedError()
}

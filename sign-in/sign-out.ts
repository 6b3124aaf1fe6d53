import type { FastifyReply, FastifyRequest } from 'fastify'
import { readBearer } from '../lib/http/credentials.ts'
import { CredentialsAmbiguousError, CredentialsMissingError, RefreshRefusedError, TokenInvalidError } from '../lib/errors.ts'
import { publish, sourceOf } from '../lib/events.ts'
import { freshSeconds } from '../lib/session/record.ts'
import { partOrNull, type Portcullis } from '../plugins/portcullis.ts'
import { assertNoCookieTwice, clearCookies, endSessions, presentedSids } from '../plugins/session/carried-sessions.ts'
import { presentedRefreshToken } from './presented-refresh-token.ts'
import { hasHook, runAfter, runBefore, type SignOutFacts } from './hooks.ts'

export interface SignOutOptions {
  scope: 'this' | 'others' | 'all'
  origin: string
  portcullis: Portcullis
}

/** Ends the sessions that the scope names, durably, and then clears the cookies. Nothing is answered before the sessions have ended. */
export async function signOut (request: FastifyRequest, reply: FastifyReply, options: SignOutOptions): Promise<void> {
  const { scope, portcullis } = options
  assertNoCookieTwice(request, portcullis)
  await (scope === 'this' ? endPresented(request, options) : endOfSubject(request, options))
  if (scope === 'others') return
  clearCookies(reply, portcullis, ['session', 'refresh'], { onlyPresent: false })
  clearCookies(reply, portcullis, ['device', 'challenge'], { onlyPresent: true })
  void reply.header('clear-site-data', '"cache", "storage"')
}

async function endPresented (request: FastifyRequest, options: SignOutOptions): Promise<void> {
  const { portcullis } = options
  const sids = [...new Set(await ownSids(request, options))]
  if (sids.length > 0) await betweenHooks(request, { scope: 'this', sids, subject: await findSubject(sids, portcullis) }, portcullis, async () => await endSessions(sids, portcullis, request))
  // The check comes after the sessions have ended: a planted cookie must not keep valid ones from ending.
  presentedRefreshToken(request, portcullis)
}

/** The sessions that the request is entitled to end, expired ones included. */
async function ownSids (request: FastifyRequest, { origin, portcullis }: SignOutOptions): Promise<string[]> {
  const bearer = readBearer(request.raw)
  if (bearer !== null && portcullis.cookies.read(request, 'session') !== null) throw new CredentialsAmbiguousError()
  const sids = await presentedSids(request, portcullis)
  const accessToken = partOrNull(portcullis, 'accessToken')
  if (bearer === null || accessToken === null) return sids
  const identity = await accessToken.verifyExpired(bearer)
  if (!identity.audiences.includes(origin)) throw new TokenInvalidError({ cause: new Error('not for this audience') })
  return identity.sid === null ? sids : [...sids, identity.sid]
}

async function endOfSubject (request: FastifyRequest, { scope, origin, portcullis }: SignOutOptions): Promise<void> {
  const { subject, sid } = await liveSession(request, { scope, origin, portcullis })
  await betweenHooks(request, { scope, subject, sids: sid === null ? [] : [sid] }, portcullis, async () => {
    await portcullis.blocklist.revoke({ subject, exceptSid: scope === 'others' ? sid : null }, sourceOf(request))
    publish({ event: 'session.closed', subject, ...sourceOf(request), outcome: scope }, portcullis)
  })
}

/** Ends sessions between the hooks of the application. */
async function betweenHooks (request: FastifyRequest, facts: SignOutFacts, portcullis: Portcullis, end: () => Promise<void>): Promise<void> {
  await runBefore('beforeSignOut', request, facts, portcullis)
  await end()
  await runAfter('afterSignOut', request, facts, portcullis)
}

/** Returns the subject of the sessions for the hooks, without which no record is read; null if no session has a record. */
async function findSubject (sids: string[], portcullis: Portcullis): Promise<string | null> {
  if (!hasHook(portcullis, 'beforeSignOut', 'afterSignOut')) return null
  for (const sid of sids) {
    const record = await portcullis.store.read(sid)
    if (record !== null) return record.subject
  }
  return null
}

/** The session of a credential that is valid now: only such a credential may end other sessions of its subject. */
async function liveSession (request: FastifyRequest, { scope, origin, portcullis }: SignOutOptions): Promise<{ subject: string, sid: string | null }> {
  const stepUp = scope === 'others' ? { stepUp: { maxAge: freshSeconds * 1000 } } : {}
  const hasOther = portcullis.cookies.read(request, 'session') !== null || readBearer(request.raw) !== null
  if (hasOther) return await portcullis.identify(request, { audience: origin, ...stepUp })
  const parsed = presentedRefreshToken(request, portcullis)
  if (parsed === null) throw new CredentialsMissingError()
  const record = parsed.result === 'genuine' ? await portcullis.session.read(parsed.sid) : null
  if (record === null || parsed.result !== 'genuine' || record.family?.generation !== parsed.generation) throw new RefreshRefusedError()
  if (scope === 'others') portcullis.assertRecent(Math.floor(record.authTimeMs / 1000), freshSeconds)
  return record
}

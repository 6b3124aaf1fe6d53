import type { FastifyReply, FastifyRequest } from 'fastify'
import { publish, sourceOf } from '../../lib/events.ts'
import type { CookieKind } from '../../lib/http/own-cookies.ts'
import { parseSessionCookie } from '../../lib/session/session-cookie.ts'
import type { SessionMode } from '../../lib/session/record.ts'
import { partsAlike, type Portcullis } from '../portcullis.ts'

/** Throws CookieDuplicateError, for before anything is done: an error afterwards would be the answer to what has happened all the same. */
export function assertNoCookieTwice (request: FastifyRequest, { cookies }: Pick<Portcullis, 'cookies'>): void {
  for (const kind of ['session', 'refresh', 'device'] as const) cookies.readAll(request, kind)
}

async function foundSids (values: string[], parts: Pick<Portcullis, 'cookies'>): Promise<string[]> {
  const sids: string[] = []
  for (const value of values) {
    for (const session of partsAlike(parts, 'session')) {
      const record = await session.find(value)
      if (record !== null) sids.push(record.sid)
    }
  }
  return sids
}

/**
 * The sessions whose cookies the request carries rightly: by secret, or by MAC. A cookie under a former name counts too, also beside one
 * under the present name. An application may have one kind of them alone, or each kind in another scope.
 */
export async function presentedSids (request: FastifyRequest, parts: Pick<Portcullis, 'cookies'>): Promise<string[]> {
  const sids = await foundSids(parts.cookies.readAll(request, 'session'), parts)
  for (const value of parts.cookies.readAll(request, 'refresh')) {
    for (const refreshToken of partsAlike(parts, 'refreshToken')) {
      const parsed = refreshToken.parse(value)
      if (parsed.result === 'genuine') sids.push(parsed.sid)
    }
  }
  return sids
}

/** Ends the sessions whose session cookies the request carries beside that of `sid`, before the answer replaces them. */
export async function endOthers ({ request }: FastifyReply, sid: string, parts: Pick<Portcullis, 'cookies' | 'blocklist'>): Promise<void> {
  const others = parts.cookies.readAll(request, 'session').filter(value => parseSessionCookie(value)?.sid !== sid)
  if (others.length > 0) await endSessions(await foundSids(others, parts), parts, request)
}

export async function endSessions (sids: Iterable<string>, portcullis: Pick<Portcullis, 'blocklist'>, request: FastifyRequest): Promise<void> {
  for (const sid of new Set(sids)) {
    const record = await portcullis.blocklist.close(sid)
    if (record !== null) publish({ event: 'session.closed', sid, subject: record.subject, ...sourceOf(request) }, portcullis)
  }
}

export function clearCookies (reply: FastifyReply, { cookies }: Pick<Portcullis, 'cookies'>, kinds: CookieKind[], { onlyPresent }: { onlyPresent: boolean }): void {
  for (const kind of kinds) if (!onlyPresent || cookies.readAll(reply.request, kind).length > 0) cookies.clear(reply, kind)
}

/** The sessions that a request was found to carry before its password was verified. */
const carried = new WeakMap<FastifyReply, string[]>()

/** Looks ahead for `takeOver`, so that a sign-in waits for nothing between its password and the end. */
export async function findCarried (reply: FastifyReply, parts: Pick<Portcullis, 'cookies'>): Promise<void> {
  carried.set(reply, await presentedSids(reply.request, parts))
}

/** The sessions that each answer has been given, whose cookies no client has yet. */
const opened = new WeakMap<FastifyReply, string[]>()

/**
 * Lets a session that was opened a moment ago take the place of those that the request carries, and of those that the same answer was
 * given before. When one of them cannot be ended, the new one is ended again as far as possible, and no cookie is set: rejects with
 * StoreUnavailableError. Nothing may be waited for before the session is opened, so the request is looked at afterwards.
 */
export async function takeOver (reply: FastifyReply, sid: string, mode: SessionMode, parts: Pick<Portcullis, 'cookies' | 'blocklist'>): Promise<void> {
  const { request } = reply
  const before = opened.get(reply) ?? []
  // Before anything is waited for: a second session of the same answer has to find this one.
  opened.set(reply, [...before, sid])
  try {
    await endSessions([...carried.get(reply) ?? await presentedSids(request, parts), ...before], parts, request)
  } catch (error) {
    await parts.blocklist.close(sid).catch(() => null)
    throw error
  }
  const other = mode === 'session' ? 'refresh' : 'session'
  if (before.length > 0) parts.cookies.clear(reply, other)
  clearCookies(reply, parts, [other, 'device'], { onlyPresent: true })
}

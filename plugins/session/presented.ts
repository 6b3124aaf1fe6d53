import type { FastifyReply, FastifyRequest } from 'fastify'
import { publish, sourceOf } from '../../lib/events.ts'
import type { CookieKind } from '../../lib/http/own-cookies.ts'
import type { SessionMode } from '../../lib/session/record.ts'
import { partOrNull, type Portcullis } from '../portcullis.ts'

/** Throws CookieDuplicateError, for before anything is done: an error afterwards would be the answer to what has happened all the same. */
export function assertNoCookieTwice (request: FastifyRequest, { cookies }: Pick<Portcullis, 'cookies'>): void {
  for (const kind of ['session', 'refresh', 'device'] as const) cookies.read(request, kind)
}

/** The sessions whose cookies the request carries rightly: by secret, or by MAC. An application may have one kind of them alone. */
export async function presentedSids (request: FastifyRequest, parts: Pick<Portcullis, 'cookies'>): Promise<string[]> {
  const { cookies } = parts
  const sessionCookie = cookies.read(request, 'session')
  const refreshCookie = cookies.read(request, 'refresh')
  const record = sessionCookie === null ? null : await partOrNull(parts, 'session')?.find(sessionCookie) ?? null
  const parsed = refreshCookie === null ? null : partOrNull(parts, 'refreshToken')?.parse(refreshCookie)
  return [...record === null ? [] : [record.sid], ...parsed?.result === 'genuine' ? [parsed.sid] : []]
}

export async function endSessions (sids: Iterable<string>, portcullis: Pick<Portcullis, 'blocklist'>, request: FastifyRequest): Promise<void> {
  for (const sid of new Set(sids)) {
    const record = await portcullis.blocklist.close(sid)
    if (record !== null) publish({ event: 'session.closed', sid, subject: record.subject, ...sourceOf(request) }, portcullis)
  }
}

export function clearCookies (reply: FastifyReply, { cookies }: Pick<Portcullis, 'cookies'>, kinds: CookieKind[], { onlyPresent }: { onlyPresent: boolean }): void {
  for (const kind of kinds) if (!onlyPresent || cookies.read(reply.request, kind) !== null) cookies.clear(reply, kind)
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

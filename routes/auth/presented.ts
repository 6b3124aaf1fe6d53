import type { FastifyReply, FastifyRequest } from 'fastify'
import { publish, sourceOf } from '../../lib/events.ts'
import type { CookieKind } from '../../lib/own-cookies.ts'
import type { Portcullis } from '../../plugins/portcullis.ts'

/** Throws CookieDuplicateError, for before anything is done: an error afterwards would be the answer to what has happened all the same. */
export function assertNoCookieTwice (request: FastifyRequest, { cookies }: Portcullis): void {
  for (const kind of ['session', 'refresh', 'device'] as const) cookies.read(request, kind)
}

/** The sessions whose cookies the request carries rightly: by secret, or by MAC. */
export async function presentedSids (request: FastifyRequest, { cookies, session, refreshToken }: Portcullis): Promise<string[]> {
  const sessionCookie = cookies.read(request, 'session')
  const refreshCookie = cookies.read(request, 'refresh')
  const record = sessionCookie === null ? null : await session.find(sessionCookie)
  const parsed = refreshCookie === null ? null : refreshToken.parse(refreshCookie)
  return [...record === null ? [] : [record.sid], ...parsed?.result === 'genuine' ? [parsed.sid] : []]
}

export async function endSessions (sids: Iterable<string>, portcullis: Portcullis, request: FastifyRequest): Promise<void> {
  for (const sid of new Set(sids)) {
    const record = await portcullis.blocklist.close(sid)
    if (record !== null) publish({ event: 'session.closed', sid, subject: record.subject, ...sourceOf(request) }, portcullis)
  }
}

export function clearCookies (reply: FastifyReply, { cookies }: Portcullis, kinds: CookieKind[], { onlyPresent }: { onlyPresent: boolean }): void {
  for (const kind of kinds) if (!onlyPresent || cookies.read(reply.request, kind) !== null) cookies.clear(reply, kind)
}

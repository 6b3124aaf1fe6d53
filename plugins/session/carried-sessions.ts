import type { FastifyReply, FastifyRequest } from 'fastify'
import { TokenInvalidError } from '../../lib/errors.ts'
import { publish, sourceOf } from '../../lib/events.ts'
import { readBearer } from '../../lib/http/credentials.ts'
import type { CookieKind } from '../../lib/http/own-cookies.ts'
import { parseSessionCookie } from '../../lib/session/sid.ts'
import type { SessionMode } from '../../lib/session/record.ts'
import { partsAlike, type Portcullis } from '../portcullis.ts'

/**
 * Throws CookieDuplicateError if a cookie is present twice. Call it before any change: a later error would be the response to a change that
 * has happened.
 */
export function assertNoCookieTwice (request: FastifyRequest, { cookies }: Pick<Portcullis, 'cookies'>): void {
  for (const kind of ['session', 'refresh', 'device', 'challenge'] as const) cookies.readAll(request, kind)
}

async function foundSids (values: string[], parts: Pick<Portcullis, 'cookies'>): Promise<string[]> {
  const sids: string[] = []
  for (const value of values) {
    for (const session of partsAlike(parts, 'session')) {
      const record = await session.find(value, { ofAnyOrigin: true })
      if (record !== null) sids.push(record.sid)
    }
  }
  return sids
}

/**
 * Returns the sessions whose cookies the request carries with a valid secret or MAC. A cookie under a former name counts too, even beside
 * one under the present name. A session of another origin counts too: its secret proves that it is the client's, and the cookie, which
 * deployments on one host may share, is about to be replaced or deleted. An application may have only one kind of session, or each kind in
 * another scope.
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

/**
 * Returns the session of the access token that the request carries, also if the token has expired. A token that is not verified, that another
 * issuer has signed, or that is not for the gateway's own endpoints belongs to no session here: services see such tokens.
 */
async function bearerSids (request: FastifyRequest, parts: Pick<Portcullis, 'cookies'>): Promise<string[]> {
  const sids: string[] = []
  for (const accessToken of partsAlike(parts, 'accessToken')) {
    try {
      const bearer = readBearer(request.raw)
      const { sid, audiences } = bearer === null ? { sid: null, audiences: [] } : await accessToken.verifyExpired(bearer)
      if (sid !== null && audiences.includes(parts.cookies.origin)) sids.push(sid)
    } catch (error) {
      if (!(error instanceof TokenInvalidError)) throw error
    }
  }
  return sids
}

async function carriedSids (request: FastifyRequest, parts: Pick<Portcullis, 'cookies'>): Promise<string[]> {
  return [...await presentedSids(request, parts), ...await bearerSids(request, parts)]
}

/** Ends the sessions whose session cookies the request carries besides that of `sid`, before the response replaces them. */
export async function endOthers ({ request }: FastifyReply, sid: string, parts: Pick<Portcullis, 'cookies' | 'blocklist'>): Promise<void> {
  const others = parts.cookies.readAll(request, 'session').filter(value => parseSessionCookie(value)?.sid !== sid)
  if (others.length > 0) await endSessions(await foundSids(others, parts), parts, request)
}

/** Ends sessions whose credentials the request carries, of any origin. */
export async function endSessions (sids: Iterable<string>, portcullis: Pick<Portcullis, 'blocklist'>, request: FastifyRequest): Promise<void> {
  for (const sid of new Set(sids)) {
    const record = await portcullis.blocklist.close(sid, { ofAnyOrigin: true })
    if (record !== null) publish({ event: 'session.closed', sid, subject: record.subject, ...sourceOf(request) }, portcullis)
  }
}

export function clearCookies (reply: FastifyReply, { cookies }: Pick<Portcullis, 'cookies'>, kinds: CookieKind[], { onlyPresent }: { onlyPresent: boolean }): void {
  for (const kind of kinds) if (!onlyPresent || cookies.readAll(reply.request, kind).length > 0) cookies.clear(reply, kind)
}

/** Sessions that a request was found to carry before its password was verified. */
const carried = new WeakMap<FastifyReply, string[]>()

/** Finds the sessions for `takeOver` in advance, so that a sign-in waits for nothing between its password and its end. */
export async function findCarried (reply: FastifyReply, parts: Pick<Portcullis, 'cookies'>): Promise<void> {
  carried.set(reply, await carriedSids(reply.request, parts))
}

/** Sessions that each response has opened, whose cookies no client has received yet. */
const opened = new WeakMap<FastifyReply, string[]>()

/**
 * Replaces the sessions that the request carries, and those that the same response opened before, by a session that was just opened. If one
 * of them cannot be ended, the new one is ended as far as possible, no cookie is set, and the promise rejects with StoreUnavailableError.
 * The request is read afterwards, because nothing may be awaited before the session is opened.
 */
export async function takeOver (reply: FastifyReply, sid: string, mode: SessionMode, parts: Pick<Portcullis, 'cookies' | 'blocklist'>): Promise<void> {
  const { request } = reply
  const before = opened.get(reply) ?? []
  // The session is added before the first await, so that a second session of the same response finds it.
  opened.set(reply, [...before, sid])
  try {
    await endSessions([...carried.get(reply) ?? await carriedSids(request, parts), ...before], parts, request)
  } catch (error) {
    await parts.blocklist.close(sid).catch(() => null)
    throw error
  }
  const other = mode === 'session' ? 'refresh' : 'session'
  if (before.length > 0) parts.cookies.clear(reply, other)
  clearCookies(reply, parts, [other, 'device', 'challenge'], { onlyPresent: true })
}

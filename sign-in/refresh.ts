import type { FastifyReply } from 'fastify'
import { partOrNull, type Portcullis } from '../plugins/portcullis.ts'
import type { TokenResponse } from '../plugins/refresh-token/refresh-tokens.ts'

export interface RefreshOptions {
  /** Audiences of the next access token. Default: those of the session. */
  audience?: string[]
  portcullis: Portcullis
}

/**
 * Rotates the refresh token that the request carries. A genuine token is counted by its session, because many clients may share one
 * address. A forged token has no session and is counted by address, so that guessing ends and uses up the budget of no session.
 * A request without a refresh token is no guess and is not counted.
 */
export async function refresh (reply: FastifyReply, { audience, portcullis }: RefreshOptions): Promise<TokenResponse> {
  const { cookies, refreshToken } = portcullis
  const rateLimit = partOrNull(portcullis, 'rateLimit')
  const narrowed = audience === undefined ? {} : { audience }
  const cookie = cookies.read(reply.request, 'refresh')
  if (rateLimit === null || cookie === null) return await reply.rotateFamily(narrowed)
  const parsed = refreshToken.parse(cookie)
  if (parsed.result === 'unknown-key') return await reply.rotateFamily(narrowed)
  const sid = parsed.result === 'genuine' ? parsed.sid : null
  return await rateLimit.refresh(reply, sid, async budget => await reply.rotateFamily({ ...narrowed, budget }))
}

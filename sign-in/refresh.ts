import type { FastifyReply } from 'fastify'
import { partOrNull, type Portcullis } from '../plugins/portcullis.ts'
import type { RotateRequest, TokenResponse } from '../plugins/refresh-token/refresh-tokens.ts'
import { hasHook, runAfter, runBefore } from './hooks.ts'

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
  const parsed = cookie === null ? null : refreshToken.parse(cookie)
  const sid = parsed?.result === 'genuine' ? parsed.sid : null
  if (rateLimit === null || parsed === null || parsed.result === 'unknown-key') return await rotate(reply, sid, narrowed, portcullis)
  return await rateLimit.refresh(reply, sid, async budget => await rotate(reply, sid, { ...narrowed, budget }, portcullis))
}

/** Rotates between the hooks of the application. A refresh that a hook refuses is counted as one that the store refuses. */
async function rotate (reply: FastifyReply, sid: string | null, options: RotateRequest, portcullis: Portcullis): Promise<TokenResponse> {
  const { request } = reply
  const record = sid !== null && hasHook(portcullis, 'beforeRefresh') ? await portcullis.session.read(sid) : null
  if (record !== null) {
    try {
      await runBefore('beforeRefresh', request, { session: portcullis.session.view(record) }, portcullis)
    } catch (error) {
      await options.budget?.spend(reply, `sid ${record.sid}`, record)
      throw error
    }
  }
  const response = await reply.rotateFamily(options)
  await runAfter('afterRefresh', request, { session: response.session }, portcullis)
  return response
}

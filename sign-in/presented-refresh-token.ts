import type { FastifyRequest } from 'fastify'
import { StoreUnavailableError } from '../lib/errors.ts'
import type { ParsedRefreshToken } from '../lib/session/refresh-token.ts'
import { partOrNull, type Portcullis } from '../plugins/portcullis.ts'

/**
 * Returns the refresh token of a request without a query of the store; null without one, or if the application has no refresh tokens. Throws
 * StoreUnavailableError for a token of a secret that is being rolled out: this process cannot judge it yet, so its session is not known to
 * have ended.
 */
export function presentedRefreshToken (request: FastifyRequest, portcullis: Portcullis): Exclude<ParsedRefreshToken, { result: 'unknown-key' }> | null {
  const cookie = portcullis.cookies.read(request, 'refresh')
  const parsed = cookie === null ? null : partOrNull(portcullis, 'refreshToken')?.parse(cookie) ?? null
  if (parsed?.result === 'unknown-key') throw new StoreUnavailableError({ cause: new Error('a refresh token of a secret that is not known here (yet)') })
  return parsed
}

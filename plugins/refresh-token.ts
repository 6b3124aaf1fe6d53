import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { ConfigInvalidError } from '../lib/errors.ts'
import { DurationOption, checkOptions, durationMs, type Duration } from '../lib/options.ts'
import type { SignIn } from '../lib/session/sign-in.ts'
import { deriveSecrets } from './keys.ts'
import { addPart, beginPart } from './portcullis.ts'
import { RefreshTokens, type AccessTokenRequest, type MakeAccessToken, type RefreshToken, type RotateRequest, type TokenResponse } from './refresh-token/refresh-tokens.ts'

export type { AccessTokenRequest, RefreshToken }

declare module 'fastify' {
  interface FastifyReply {
    /**
     * Opens a session with a token family for a subject that has just authenticated; sets the refresh cookie. Ends the sessions whose
     * cookies the request carries, and deletes the session cookie.
     */
    openFamily (signIn: SignIn): Promise<TokenResponse>
    /**
     * Rotates the refresh token that the request carries. Rejects with RefreshRefusedError, and touches no cookie, when it is
     * not good; with StoreUnavailableError when that could not be found out.
     */
    rotateFamily (options?: RotateRequest): Promise<TokenResponse>
  }
}

declare module './portcullis.ts' {
  interface Portcullis {
    refreshToken: RefreshToken
  }
}

export interface RefreshTokenOptions {
  /** Derives the refresh tokens; at least 32 bytes, base64url. A list while it is changed: the first one issues. */
  secret: string | string[]
  /** Makes the access token that goes with a refresh token: a JWT with `exp`. */
  accessToken: MakeAccessToken
  /** How long a superseded token is still honoured once its successor was received (parallel tabs). Default 10s. */
  overlap?: Duration
  /** How long the predecessor of a token that never arrived is honoured (lost responses). Default: the idle timeout. */
  retryWindow?: Duration
  /** Longest time between two refreshes. Default 30m. */
  idleTimeout?: Duration
  /** Longest life of a family, whatever its use. Default 24h. */
  absoluteTimeout?: Duration
  /** At this many sessions of one subject the oldest is closed. 1 to 1000, default 20. */
  maxPerSubject?: number
}

const Options = Type.Object({
  secret: Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], { errorMessage: 'must be a base64url text, or a list of them' }),
  accessToken: Type.Unsafe<MakeAccessToken>(Type.Function([], Type.Unknown(), { errorMessage: 'must be a function that makes an access token' })),
  overlap: Type.Union(DurationOption.anyOf, { ...DurationOption, default: '10s' }),
  retryWindow: Type.Optional(DurationOption),
  idleTimeout: Type.Union(DurationOption.anyOf, { ...DurationOption, default: '30m' }),
  absoluteTimeout: Type.Union(DurationOption.anyOf, { ...DurationOption, default: '24h' }),
  maxPerSubject: Type.Integer({ minimum: 1, maximum: 1000, default: 20 })
}, { additionalProperties: false })

/** Refresh tokens that rotate on every use, notice theft, and never log honest people out. */
export default fp<RefreshTokenOptions>(async function refreshTokenPlugin (fastify, options) {
  const { secret, accessToken, maxPerSubject, ...durations } = checkOptions('portcullis-refresh-token', Options, options)
  const idleTimeoutMs = durationMs(durations.idleTimeout)
  const absoluteTimeoutMs = durationMs(durations.absoluteTimeout)
  if (idleTimeoutMs === 0 || idleTimeoutMs > absoluteTimeoutMs) throw new ConfigInvalidError('portcullis-refresh-token: idleTimeout must be above 0 and at most absoluteTimeout')
  const families = new RefreshTokens(beginPart(fastify, 'refreshToken'), {
    secrets: deriveSecrets('portcullis-refresh-token', secret),
    accessToken,
    maxPerSubject,
    idleTimeoutMs,
    absoluteTimeoutMs,
    windows: { overlapMs: durationMs(durations.overlap), retryWindowMs: durationMs(durations.retryWindow ?? idleTimeoutMs) }
  })
  addPart(fastify, 'refreshToken', families)
  if (fastify.hasReplyDecorator('openFamily')) return
  fastify.decorateReply('openFamily', async function (signIn) { return await this.server.portcullis.refreshToken.open(this, signIn) })
  fastify.decorateReply('rotateFamily', async function (options = {}) { return await this.server.portcullis.refreshToken.rotate(this, options) })
}, { name: 'portcullis-refresh-token', fastify: '5.x', dependencies: ['portcullis-store', 'portcullis-cookies', 'portcullis-blocklist'] })

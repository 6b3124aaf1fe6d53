import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { checkOptions } from '../lib/check-options.ts'
import type { SignIn } from '../lib/session/sign-in.ts'
import { durationOption, optionsOf, type OptionsFrom } from '../lib/settings/options.ts'
import { defaultOverlapMs, refreshToken } from '../lib/settings/refresh-token.ts'
import { secretOption } from '../lib/settings/secret.ts'
import { lifetimes } from '../lib/settings/session.ts'
import { deriveSecrets } from './keys.ts'
import { addPart, beginPart } from './portcullis.ts'
import { lifetimesOf } from './session/lifetimes.ts'
import { RefreshTokens, type AccessTokenRequest, type MakeAccessToken, type RefreshToken, type RotateRequest, type TokenResponse } from './refresh-token/refresh-tokens.ts'

export type { AccessTokenRequest, RefreshToken }

declare module 'fastify' {
  interface FastifyReply {
    /**
     * Opens a session with a token family for a subject that has just authenticated, and sets the refresh cookie. Ends the sessions whose
     * cookies or access token the request carries, and deletes the session cookie.
     */
    openFamily (signIn: SignIn): Promise<TokenResponse>
    /**
     * Rotates the refresh token that the request carries. Rejects with RefreshRefusedError, and changes no cookie, if the token is invalid;
     * with StoreUnavailableError if its validity could not be determined.
     */
    rotateFamily (options?: RotateRequest): Promise<TokenResponse>
  }
}

declare module './portcullis.ts' {
  interface Portcullis {
    refreshToken: RefreshToken
  }
}

const own = {
  /** Secret from which refresh tokens are derived; at least 32 bytes, base64url. A list serves to change it: the first one issues. */
  secret: secretOption,
  /** Function that creates the access token for a refresh token: a JWT with `exp`. */
  accessToken: Type.Unsafe<MakeAccessToken>(Type.Function([], Type.Unknown(), { errorMessage: 'must be a function that makes an access token' })),
  /** Time for which a superseded token is still accepted after its successor was received (parallel tabs). */
  overlap: durationOption({ default: defaultOverlapMs })
}

export interface RefreshTokenOptions extends OptionsFrom<typeof refreshToken.properties & typeof lifetimes, typeof own> {}

const Options = optionsOf({ ...refreshToken.properties, ...lifetimes }, own)

/** Refresh tokens that rotate on every use and detect theft, without signing out legitimate clients. */
export default fp<RefreshTokenOptions>(async function refreshTokenPlugin (fastify, options) {
  const { secret, accessToken, overlapMs, retryWindowMs, ...checked } = checkOptions('portcullis-refresh-token', Options, options)
  const portcullis = beginPart(fastify, 'refreshToken')
  const lifetimes = lifetimesOf(fastify, 'portcullis-refresh-token', options, checked)
  const families = new RefreshTokens(portcullis, {
    secrets: deriveSecrets('portcullis-refresh-token', secret),
    accessToken,
    lifetimes,
    windows: { overlapMs, retryWindowMs: retryWindowMs ?? lifetimes.idleTimeoutMs }
  })
  addPart(fastify, 'refreshToken', families)
  if (fastify.hasReplyDecorator('openFamily')) return
  fastify.decorateReply('openFamily', async function (signIn) { return await this.server.portcullis.refreshToken.open(this, signIn) })
  fastify.decorateReply('rotateFamily', async function (options = {}) { return await this.server.portcullis.refreshToken.rotate(this, options) })
}, { name: 'portcullis-refresh-token', fastify: '5.x', dependencies: ['portcullis-store', 'portcullis-cookies', 'portcullis-blocklist'] })

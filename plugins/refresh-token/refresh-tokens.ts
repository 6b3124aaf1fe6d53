import type { FastifyReply } from 'fastify'
import { randomInt } from 'node:crypto'
import { strengthen, type Strength } from '../../lib/session/authentication.ts'
import { AudienceUnknownError, RateLimitedError, RefreshRefusedError, StoreUnavailableError } from '../../lib/errors.ts'
import { publish, sourceOf, type SecurityEvent } from '../../lib/events.ts'
import { createExpiryReport, type ReportExpiry } from '../session/expiries.ts'
import { isIdle, isOfOtherOrigin, type SessionRecord } from '../../lib/session/record.ts'
import { viewSession, type SessionView } from '../../lib/session/view.ts'
import { formatRefreshToken, parseRefreshToken, type ParsedRefreshToken } from '../../lib/session/refresh-token.ts'
import type { RotationWindows } from '../../lib/session/rotation.ts'
import type { DerivedSecret } from '../../lib/secrets.ts'
import { assertFitsToken, checkStrength, type SignIn } from '../../lib/session/sign-in.ts'
import type { Rotation } from '../../stores/store.ts'
import type { Portcullis } from '../portcullis.ts'
import type { Budget } from '../rate-limit.ts'
import { openRecord, type Lifetimes } from '../session/lifetimes.ts'
import { takeOver } from '../session/carried-sessions.ts'

/** What the function that creates an access token receives. */
export interface AccessTokenRequest {
  /** Subject, for the claim `sub`. */
  subject: string
  /** Session, for the claim `sid`. A revocation of the session finds the token by it. */
  sid: string
  /**
   * Generation for the claim `gen`: that of the refresh token that is issued with the access token, or of the presented one if none is
   * issued.
   */
  generation: number
  /** Audiences of the token, for the claim `aud`. */
  audience: string[]
  /** Record of the session. A "sign out everywhere" finds the token by `record.epoch`, for the claim `epoch`. */
  record: SessionRecord
}

export type MakeAccessToken = (request: AccessTokenRequest) => string | Promise<string>

export interface RefreshToken {
  /** Implements `reply.openFamily` in this scope. */
  open (reply: FastifyReply, signIn: SignIn): Promise<TokenResponse>
  /** Implements `reply.rotateFamily` in this scope. */
  rotate (reply: FastifyReply, options: RotateRequest): Promise<TokenResponse>
  /** Returns the session and the generation of a refresh token with a genuine MAC, without a query of the store. */
  parse (token: string): ParsedRefreshToken
  /**
   * Records that the client has received a generation, because an access token contained it. It does so once per object, and does not delay
   * the request.
   */
  noteReceived (token: { sid: string | null, generation: number | null }): void
}

/** Successful response of RFC 6749 without the refresh token, which only its cookie carries. */
export interface TokenResponse {
  /** What the option `accessToken` created. */
  access_token: string
  /** How the token is presented (RFC 6750). */
  token_type: 'Bearer'
  /** Lifetime of the access token, in seconds. */
  expires_in: number
  /** Time after which the client should refresh, in seconds. It varies, so that it cannot be predicted. */
  refresh_in: number
  /** The session, as its owner may see it. */
  session: SessionView
}

export interface RotateRequest {
  /** Audiences of the access token; by default all audiences of the session. */
  audience?: readonly string[] | null
  /**
   * Strength of a new authentication of the subject; `acr` and `amr` of the session are never lowered. If the refresh token is superseded
   * or on hold, it applies only to the access token of this response.
   */
  fresh?: Strength
  /** Budget of the session, counted with the rotation. The rotation rejects with RateLimitedError if it is used up. */
  budget?: Budget
}

interface Settings {
  secrets: [DerivedSecret, ...DerivedSecret[]]
  accessToken: MakeAccessToken
  lifetimes: Lifetimes
  windows: RotationWindows
}

export class RefreshTokens implements RefreshToken {
  readonly #parts: Pick<Portcullis, 'store' | 'cookies' | 'blocklist' | 'clock'>
  readonly #settings: Settings
  readonly #received = new WeakSet<object>()
  readonly #reportExpiry: ReportExpiry

  constructor (parts: Pick<Portcullis, 'store' | 'cookies' | 'blocklist' | 'clock'>, settings: Settings) {
    this.#parts = parts
    this.#settings = settings
    this.#reportExpiry = createExpiryReport(parts)
  }

  parse (token: string): ParsedRefreshToken {
    return parseRefreshToken(this.#settings.secrets, token)
  }

  noteReceived (token: { sid: string | null, generation: number | null }): void {
    const { windows } = this.#settings
    if (token.sid === null || token.generation === null || this.#received.has(token)) return
    this.#received.add(token)
    if (windows.overlapMs + windows.retryWindowMs === 0) return
    // A lost note is made up for by the next one, or by the next refresh.
    this.#parts.store.noteReceived(token.sid, token.generation, windows).catch(() => this.#received.delete(token))
  }

  async open (reply: FastifyReply, signIn: SignIn): Promise<TokenResponse> {
    const record = await openRecord(reply, signIn, { mode: 'tokens', secretHash: null, lifetimes: this.#settings.lifetimes }, this.#parts)
    const response = await this.#respondFirst(record)
    await takeOver(reply, record.sid, 'tokens', this.#parts)
    this.#setCookie(reply, record)
    this.#publish({ event: 'session.opened', sid: record.sid, subject: record.subject, outcome: 'tokens' }, reply)
    return response
  }

  async rotate (reply: FastifyReply, { audience = null, fresh, ...others }: RotateRequest): Promise<TokenResponse> {
    if (audience?.length === 0) throw new AudienceUnknownError()
    const request: Omit<RotateRequest, 'audience'> = fresh === undefined ? others : { ...others, fresh: checkStrength(fresh) }
    const { sid, generation } = this.#accept(this.#parts.cookies.read(reply.request, 'refresh'), reply)
    if (audience !== null) await this.#assertAudience(sid, audience)
    if (request.fresh !== undefined) await this.#assertFits(sid, request.fresh)
    const rotation = await this.#rotateInStore(reply, sid, generation, request)
    this.#report(rotation, reply, sid)
    switch (rotation.outcome) {
      case 'rotated':
      case 'repeated':
      case 'recovered': {
        const response = await this.#respond({ ...rotation.record, ...rotation.granted }, generationOf(rotation.record), audience)
        this.#setCookie(reply, rotation.record)
        return response
      }
      // The client has this generation, or its browser has a newer one. Sending one again could overwrite a newer one that is in transit.
      case 'held': return await this.#respond({ ...rotation.record, ...rotation.granted }, generation, audience)
      case 'expired':
      case 'reused':
      case 'unknown': throw new RefreshRefusedError({ cause: new Error(rotation.outcome) })
    }
  }

  /** Rotates in the store. Rejects if the session's budget is used up; then nothing was rotated. */
  async #rotateInStore (reply: FastifyReply, sid: string, generation: number, { fresh, budget }: RotateRequest): Promise<Exclude<Rotation, { outcome: 'limited' }>> {
    const { store, blocklist, cookies } = this.#parts
    const { windows, lifetimes: { idleTimeoutMs } } = this.#settings
    const rotation = await store.rotate(sid, generation, {
      ...windows,
      idleTimeoutMs,
      maxTokenAgeMs: blocklist.maxTokenAgeMs,
      origin: cookies.origin,
      ...fresh === undefined ? {} : { fresh },
      ...budget === undefined ? {} : { limit: budget.limits }
    })
    if (rotation.counted !== null) budget?.tell(reply, rotation.counted, { sid, subject: rotation.record?.subject })
    if (rotation.outcome === 'limited') throw new RateLimitedError()
    return rotation
  }

  /** Rejects tokens that can be rejected without a query of the store. */
  #accept (token: string | null, reply: FastifyReply): { sid: string, generation: number } {
    const parsed = token === null ? null : this.parse(token)
    if (parsed?.result === 'unknown-key') throw new StoreUnavailableError({ cause: new Error('a refresh token of a secret that is not known here (yet)') })
    if (parsed === null) throw new RefreshRefusedError({ cause: new Error('no refresh token') })
    if (parsed.result !== 'genuine') {
      this.#publish({ event: 'refresh.refused', outcome: parsed.result }, reply)
      throw new RefreshRefusedError({ cause: new Error(parsed.result) })
    }
    const { sid, generation } = parsed
    if (this.#parts.blocklist.knowsAsRevoked({ issuer: null, jti: null, sid, subject: null, epoch: null })) {
      this.#publish({ event: 'refresh.refused', sid, outcome: 'revoked' }, reply)
      throw new RefreshRefusedError({ cause: new Error('revoked') })
    }
    return { sid, generation }
  }

  async #assertAudience (sid: string, audience: readonly string[]): Promise<void> {
    const { store, cookies } = this.#parts
    const record = await store.read(sid)
    if (record === null || isOfOtherOrigin(record, cookies.origin)) throw new RefreshRefusedError({ cause: new Error('unknown') })
    if (!audience.every(name => record.audiences.includes(name))) throw new AudienceUnknownError()
  }

  /** Throws TypeError if no access token could carry the session after a step-up. */
  async #assertFits (sid: string, fresh: Strength): Promise<void> {
    const record = await this.#parts.store.read(sid)
    if (record !== null) assertFitsToken({ ...record, ...strengthen(record, fresh, 0) })
  }

  #report ({ outcome, record }: Exclude<Rotation, { outcome: 'limited' }>, reply: FastifyReply, sid: string): void {
    const event = outcome === 'expired' || outcome === 'unknown' ? 'refresh.refused' : `refresh.${outcome}` as const
    this.#publish({ event, sid, outcome, ...record === null ? {} : { subject: record.subject } }, reply)
    if (outcome === 'reused') this.#noteEnded(sid)
    if (outcome !== 'expired') return
    const wasIdle = isIdle(record, this.#parts.store.nowMs(), this.#settings.lifetimes.idleTimeoutMs)
    this.#reportExpiry(record, wasIdle ? 'idle' : 'late', reply.request)
  }

  #publish (event: SecurityEvent, { request }: FastifyReply): void {
    publish({ ...event, ...sourceOf(request) }, this.#parts)
  }

  #noteEnded (sid: string): void {
    const { store, blocklist } = this.#parts
    blocklist.note({ kind: 'sid', sid, expiresAtMs: store.nowMs() + blocklist.maxTokenAgeMs })
  }

  #setCookie (reply: FastifyReply, record: SessionRecord): void {
    this.#parts.cookies.set(reply, 'refresh', formatRefreshToken(this.#settings.secrets[0], record.sid, generationOf(record)))
  }

  /** Creates the response to a sign-in. The session ends if there is no access token to answer with, because no client would hold its cookie. */
  async #respondFirst (record: SessionRecord): Promise<TokenResponse> {
    try {
      return await this.#respond(record, generationOf(record), record.audiences)
    } catch (error) {
      await this.#parts.blocklist.close(record.sid).catch(() => null)
      throw error
    }
  }

  /** Creates the response. `record` has the authentication that was granted, as the client may know it. */
  async #respond (record: SessionRecord, generation: number, audience: readonly string[] | null): Promise<TokenResponse> {
    const { subject, sid } = record
    const token = await this.#settings.accessToken({ subject, sid, generation, audience: [...audience ?? record.audiences], record })
    const expiresIn = secondsLeft(token, this.#parts.clock())
    return {
      access_token: token,
      token_type: 'Bearer',
      expires_in: expiresIn,
      refresh_in: Math.max(1, Math.floor(expiresIn * randomInt(60, 86) / 100)),
      session: viewSession(record, this.#settings.lifetimes.idleTimeoutMs)
    }
  }
}

function generationOf ({ family }: SessionRecord): number {
  if (family === null) throw new Error('a session without a token family')
  return family.generation
}

/** Returns the remaining lifetime of a token that was just created, in seconds. */
function secondsLeft (token: string, nowMs: number): number {
  const { exp } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { exp?: number }
  if (typeof exp !== 'number') throw new Error('the accessToken option has to make JWTs with exp')
  return Math.max(0, exp - Math.floor(nowMs / 1000))
}

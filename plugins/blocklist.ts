import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import fp from 'fastify-plugin'
import { ConfigInvalidError, TokenInvalidError } from '../lib/errors.ts'
import { publish, type SecurityEvent } from '../lib/events.ts'
import { tokenKeyOf } from '../lib/revocation-key.ts'
import { DurationOption, checkOptions, durationMs, type Duration } from '../lib/options.ts'
import type { CredentialClaims, LogEntry, SessionRecord, Store } from '../stores/store.ts'
import { LogFollower } from './blocklist/log-follower.ts'
import { addPart, type Portcullis } from './portcullis.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    /** Revocations in force; answers from memory. */
    blocklist: Blocklist
  }
}

/**
 * Claims as JWT libraries give them. `iss` counts for `jti` only; `sid`, `sub` and `epoch` are those of tokens issued here. A cut of
 * a subject, or of everybody, reaches what has no `epoch` by its `iat`, which is whole seconds: what is issued later in that very
 * second is cut off too.
 */
export interface RevocableClaims {
  iss?: unknown
  jti?: unknown
  sid?: unknown
  sub?: unknown
  epoch?: unknown
  iat?: unknown
}

export type RevokeRequest =
  /** `issuer`: default any. `expiresAt`: the token's `exp`, seconds since the epoch; default: as long as any token can live. */
  | { jti: string, issuer?: string, expiresAt?: number }
  | { sid: string }
  | { subject: string, exceptSid?: string | null }
  | { all: true }

/** What the audit log says of a revocation's origin. `by`: the operator; `sessions`: how many it ends. */
export type RevokedBy = Pick<SecurityEvent, 'ip' | 'request' | 'by' | 'sessions'>

export interface BlocklistOptions {
  /** Longest life of a token that can be revoked. Default 15m. */
  maxTokenAge?: Duration
  /** The same of tokens that others have issued. Default that of `maxTokenAge`. */
  maxForeignTokenAge?: Duration
  /** Longest life of a session; a cut of a subject stays that long. Default 24h. */
  absoluteTimeout?: Duration
  /** How long the replica answers without having heard from the store. 100ms to 60s, default 2s. */
  maxStaleness?: Duration
  /** How much longer it answers when the store cannot be reached. Fails open, for that long. Default 0s. */
  staleFor?: Duration
}

export interface Blocklist {
  /** Longest life of a revoked token, with the tolerance for clocks. */
  readonly maxTokenAgeMs: number
  /** The same of tokens that others have issued. */
  readonly maxForeignTokenAgeMs: number
  /**
   * Whether the credential was revoked, from memory. Throws StoreUnavailableError when the store was not heard from in time: ask
   * `assertNotRevoked` then. Never answers "no" because it does not know.
   */
  isRevoked (claims: RevocableClaims): boolean
  /** Throws TokenInvalidError when revoked. Asks the store when the replica is stale; StoreUnavailableError when that fails too. */
  assertNotRevoked (claims: RevocableClaims): Promise<void>
  /**
   * Makes a revocation true and durable. This process knows at once, every other one as soon as it hears from the store.
   * `by`: who wants it, for the audit log.
   */
  revoke (request: RevokeRequest, by?: RevokedBy): Promise<void>
  /** Ends one session, as `revoke({ sid })`, and tells which it was; null when its record was gone already. */
  close (sid: string): Promise<SessionRecord | null>
  /** Whether the replica has heard from the store within `maxStaleness`. */
  isFresh (): boolean
  /** Whether the replica knows the credential as revoked, however stale it is. */
  knowsAsRevoked (claims: CredentialClaims): boolean
  /** By the store itself, whatever the replica's age. `mayBeStale`: within `staleFor` the replica answers when the store cannot. */
  isGoodInStore (claims: CredentialClaims, mayBeStale: boolean): Promise<boolean>
  /** Whether, the store being away, the replica and what is remembered may still decide: within `staleFor`. */
  mayAnswerStale (): boolean
  /** Every entry of the log, or `gap` when entries may have been missed and nothing cached counts any more. */
  subscribe (listener: (entry: LogEntry | 'gap') => void): void
  /** A revocation that this process knows to be in the log. */
  note (entry: LogEntry): void
  /** Number of revocations in force here; some that ended a short time ago may still count. */
  readonly size: number
  readonly stalenessMs: number
}

const Options = Type.Object({
  maxTokenAge: Type.Union(DurationOption.anyOf, { ...DurationOption, default: '15m' }),
  maxForeignTokenAge: Type.Optional(DurationOption),
  absoluteTimeout: Type.Union(DurationOption.anyOf, { ...DurationOption, default: '24h' }),
  maxStaleness: Type.Union(DurationOption.anyOf, { ...DurationOption, default: '2s' }),
  staleFor: Type.Union(DurationOption.anyOf, { ...DurationOption, default: '0s' })
}, { additionalProperties: false })

const Text = Type.String({ minLength: 1 })
const RevokeRequest = Type.Union([
  Type.Object({ jti: Text, issuer: Type.Optional(Type.Union([Type.String(), Type.Undefined()])), expiresAt: Type.Optional(Type.Union([Type.Number(), Type.Undefined()])) }, { additionalProperties: false }),
  Type.Object({ sid: Text }, { additionalProperties: false }),
  Type.Object({ subject: Text, exceptSid: Type.Optional(Type.Union([Type.String(), Type.Null(), Type.Undefined()])) }, { additionalProperties: false }),
  Type.Object({ all: Type.Literal(true) }, { additionalProperties: false })
])

/** Tokens are accepted this long after `exp`, so revocations of them live that much longer. */
const toleranceMs = 5000

/** Refuses what was revoked before it expired: a replica of the store's revocation log in this process's memory. */
export default fp<BlocklistOptions>(async function blocklistPlugin (fastify, options) {
  const checked = checkOptions('portcullis-blocklist', Options, options)
  const maxStalenessMs = durationMs(checked.maxStaleness)
  if (maxStalenessMs < 100 || maxStalenessMs > 60_000) throw new ConfigInvalidError('portcullis-blocklist: maxStaleness must be from 100ms to 60s')
  const maxForeignTokenAgeMs = durationMs(checked.maxForeignTokenAge ?? checked.maxTokenAge) + toleranceMs
  // Sessions of before a cut live for `absoluteTimeout` at most, tokens of theirs not a moment longer; foreign ones as long as they may.
  const keepCutsForMs = Math.max(durationMs(checked.absoluteTimeout) + toleranceMs, maxForeignTokenAgeMs)
  const follower = new LogFollower(fastify.portcullis.store, { maxStalenessMs, longestMs: keepCutsForMs }, fastify.portcullis)
  await follower.start()
  fastify.addHook('onClose', () => follower.stop())
  addPart(fastify, 'blocklist', new ReplicatedBlocklist(fastify.portcullis, follower, {
    maxTokenAgeMs: durationMs(checked.maxTokenAge) + toleranceMs,
    maxForeignTokenAgeMs,
    keepCutsForMs,
    maxStalenessMs,
    staleForMs: durationMs(checked.staleFor)
  }))
}, { name: 'portcullis-blocklist', fastify: '5.x', dependencies: ['portcullis-store'] })

interface Limits { maxTokenAgeMs: number, maxForeignTokenAgeMs: number, keepCutsForMs: number, maxStalenessMs: number, staleForMs: number }

class ReplicatedBlocklist implements Blocklist {
  readonly maxTokenAgeMs: number
  readonly #where: object
  readonly maxForeignTokenAgeMs: number
  readonly #store: Store
  readonly #follower: LogFollower
  readonly #limits: Limits

  constructor (portcullis: Pick<Portcullis, 'store'>, follower: LogFollower, limits: Limits) {
    this.#where = portcullis
    this.#store = portcullis.store
    this.#follower = follower
    this.#limits = limits
    this.maxTokenAgeMs = limits.maxTokenAgeMs
    this.maxForeignTokenAgeMs = limits.maxForeignTokenAgeMs
  }

  get size (): number { return this.#follower.replica.size }
  get stalenessMs (): number { return this.#follower.stalenessMs }

  isRevoked (claims: RevocableClaims): boolean {
    const credential = credentialOf(claims)
    if (this.knowsAsRevoked(credential)) return true
    this.#follower.assertFresh()
    return false
  }

  async assertNotRevoked (claims: RevocableClaims): Promise<void> {
    const credential = credentialOf(claims)
    if (this.knowsAsRevoked(credential)) throw new TokenInvalidError()
    if (!this.isFresh() && !await this.isGoodInStore(credential, true)) throw new TokenInvalidError()
  }

  isFresh (): boolean {
    return this.#follower.stalenessMs <= this.#limits.maxStalenessMs
  }

  knowsAsRevoked (claims: CredentialClaims): boolean {
    return this.#follower.replica.isRevoked(claims)
  }

  async isGoodInStore (claims: CredentialClaims, mayBeStale: boolean): Promise<boolean> {
    try {
      return await this.#store.isGood(claims)
    } catch (error) {
      if (mayBeStale && this.mayAnswerStale()) return !this.knowsAsRevoked(claims)
      throw error
    }
  }

  mayAnswerStale (): boolean {
    const { maxStalenessMs, staleForMs } = this.#limits
    return this.#follower.stalenessMs <= maxStalenessMs + staleForMs
  }

  async revoke (request: RevokeRequest, by: RevokedBy = {}): Promise<void> {
    assertRevokeRequest(request)
    let subject = 'subject' in request ? request.subject : undefined
    if ('sid' in request) subject = (await this.close(request.sid))?.subject
    else if ('jti' in request) await this.#revokeToken(request)
    else if ('subject' in request) this.note(await this.#store.revokeSubject(request.subject, { exceptSid: request.exceptSid ?? null, keepForMs: this.#limits.keepCutsForMs }))
    else this.note(await this.#store.revokeAll({ keepForMs: this.#limits.keepCutsForMs }))
    publish({
      ...by,
      event: 'revocation.added',
      outcome: kindOf(request),
      ...'sid' in request ? { sid: request.sid, sessions: subject === undefined ? 0 : 1 } : {},
      ...subject === undefined ? {} : { subject }
    }, this.#where)
  }

  async close (sid: string): Promise<SessionRecord | null> {
    const closed = await this.#store.close(sid, { maxTokenAgeMs: this.maxTokenAgeMs })
    this.note({ kind: 'sid', sid, expiresAtMs: this.#store.nowMs() + this.maxTokenAgeMs })
    return closed
  }

  subscribe (listener: (entry: LogEntry | 'gap') => void): void {
    this.#follower.subscribe(listener)
  }

  note (entry: LogEntry): void {
    this.#follower.note(entry)
  }

  async #revokeToken ({ jti, issuer = '', expiresAt }: { jti: string, issuer?: string, expiresAt?: number }): Promise<void> {
    const expiresAtMs = expiresAt === undefined ? this.#store.nowMs() + Math.max(this.maxTokenAgeMs, this.maxForeignTokenAgeMs) : expiresAt * 1000 + toleranceMs
    await this.#store.revokeToken({ issuer, jti, expiresAtMs })
    this.note({ kind: 'jti', tokenKey: tokenKeyOf(issuer, jti), expiresAtMs })
  }
}

/** What names nothing would revoke nothing, and say that it did: claims that a token lacks, for one. */
function assertRevokeRequest (request: RevokeRequest): void {
  if (Value.Check(RevokeRequest, request)) return
  throw new TypeError('revoke takes { jti, issuer?, expiresAt? }, { sid }, { subject, exceptSid? } or { all: true }, none of them empty')
}

function kindOf (request: RevokeRequest): 'sid' | 'jti' | 'subject' | 'all' {
  if ('sid' in request) return 'sid'
  if ('jti' in request) return 'jti'
  return 'subject' in request ? 'subject' : 'all'
}

function credentialOf ({ iss, jti, sid, sub, epoch, iat }: RevocableClaims): CredentialClaims {
  return { issuer: textOf(iss), jti: textOf(jti), sid: textOf(sid), subject: textOf(sub), epoch: numberOf(epoch) ?? numberOf(iat) }
}

function numberOf (value: unknown): number | null {
  return typeof value === 'number' ? value : null
}

function textOf (value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { SessionNotFoundError, TokenInvalidError } from '../lib/errors.ts'
import { publish, type SecurityEvent } from '../lib/events.ts'
import { credentialOf, type RevocableClaims } from '../lib/revocation/revocable-claims.ts'
import { isOfOtherOrigin } from '../lib/session/origin.ts'
import { tokenKeyOf } from '../lib/revocation/revocation-id.ts'
import { checkRevokeRequest, type RevokeRequest } from '../lib/revocation/revoke-request.ts'
import { checkOptions } from '../lib/options.ts'
import type { CredentialClaims, LogEntry } from '../lib/revocation/entries.ts'
import type { SessionRecord } from '../lib/session/record.ts'
import { longestTokenTtl } from '../lib/settings/access-token.ts'
import { durationOption, optionsOf, type OptionsFrom } from '../lib/settings/options.ts'
import { replica } from '../lib/settings/revocation.ts'
import { lifetimes } from '../lib/settings/session.ts'
import type { Store } from '../stores/store.ts'
import { LogFollower } from './blocklist/log-follower.ts'
import { addPart, beginPart, partOrNull, type Portcullis } from './portcullis.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    /** Revocations in force; answers from memory. */
    blocklist: Blocklist
  }
}

export type { RevocableClaims, RevokeRequest }

/** What the audit log says of a revocation's origin. `by`: the operator; `sessions`: how many it ends. */
export type RevokedBy = Pick<SecurityEvent, 'ip' | 'request' | 'by' | 'sessions'>

const own = {
  /** Longest life of a token that can be revoked. */
  maxTokenAge: durationOption({ default: longestTokenTtl }),
  /** Longest life of a token of another issuer that can be revoked. By default `maxTokenAge`. */
  maxForeignTokenAge: Type.Optional(durationOption()),
  /** Longest life of a session; a cut of a subject stays that long. */
  absoluteTimeout: durationOption({ default: lifetimes.absoluteTimeout.default })
}

export interface BlocklistOptions extends OptionsFrom<typeof replica, typeof own> {}

const Options = optionsOf(replica, own)

export interface Blocklist {
  /** Longest life of a revoked token, with the tolerance for clocks; the longest of all blocklists on the store, in any scope. */
  readonly maxTokenAgeMs: number
  /** The longest life of tokens that others have issued, likewise. */
  readonly maxForeignTokenAgeMs: number
  /**
   * Whether the credential was revoked, from memory. Throws StoreUnavailableError when the store was not heard from in time: ask
   * `assertNotRevoked` then. Throws ClaimsUnidentifiableError for claims that do not tell which token they are of. Never answers "no"
   * because it does not know.
   */
  isRevoked (claims: RevocableClaims): boolean
  /** Throws TokenInvalidError when revoked, and otherwise as `isRevoked` does. Asks the store when the replica is stale; StoreUnavailableError when that fails too. */
  assertNotRevoked (claims: RevocableClaims): Promise<void>
  /**
   * Makes a revocation true and durable. This process knows at once, every other one as soon as it hears from the store.
   * `by`: who wants it, for the audit log. Rejects with a TypeError that names the field when the request is malformed, and with
   * SessionNotFoundError for a `sid` of another origin.
   */
  revoke (request: RevokeRequest, by?: RevokedBy): Promise<void>
  /** Ends one session of this origin, as `revoke({ sid })`, and tells which it was; null when its record was gone already, or is another origin's. */
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

/** Tokens are accepted this long after `exp`, so revocations of them live that much longer. */
const toleranceMs = 5000

/** Refuses what was revoked before it expired: a replica of the store's revocation log in this process's memory. */
export default fp<BlocklistOptions>(async function blocklistPlugin (fastify, options) {
  const portcullis = beginPart(fastify, 'blocklist')
  const { maxTokenAgeMs, maxForeignTokenAgeMs = maxTokenAgeMs, absoluteTimeoutMs, maxStalenessMs, staleForMs } = checkOptions('portcullis-blocklist', Options, options)
  const retention = lengthen(portcullis.store, {
    maxTokenAgeMs: maxTokenAgeMs + toleranceMs,
    maxForeignTokenAgeMs: maxForeignTokenAgeMs + toleranceMs,
    // Sessions of before a cut live for `absoluteTimeout` at most, tokens of theirs not a moment longer; foreign ones as long as they may.
    keepCutsForMs: Math.max(absoluteTimeoutMs, maxForeignTokenAgeMs) + toleranceMs
  })
  const follower = new LogFollower(portcullis.store, { maxStalenessMs, get longestMs () { return retention.keepCutsForMs } }, portcullis)
  await follower.start()
  fastify.addHook('onClose', () => follower.stop())
  addPart(fastify, 'blocklist', new ReplicatedBlocklist(portcullis, follower, { retention, maxStalenessMs, staleForMs }))
}, { name: 'portcullis-blocklist', fastify: '5.x', dependencies: ['portcullis-store'] })

interface Retention { maxTokenAgeMs: number, maxForeignTokenAgeMs: number, keepCutsForMs: number }

interface Limits { retention: Readonly<Retention>, maxStalenessMs: number, staleForMs: number }

/**
 * How long the revocations of each store are kept: the longest that any of its blocklists demands. A scope may revoke what another scope
 * has issued, and verifies.
 */
const retentions = new WeakMap<Store, Retention>()

function lengthen (store: Store, demanded: Retention): Readonly<Retention> {
  const retention = retentions.get(store) ?? demanded
  retentions.set(store, retention)
  for (const name of ['maxTokenAgeMs', 'maxForeignTokenAgeMs', 'keepCutsForMs'] as const) retention[name] = Math.max(retention[name], demanded[name])
  return retention
}

class ReplicatedBlocklist implements Blocklist {
  readonly #parts: Portcullis
  readonly #store: Store
  readonly #follower: LogFollower
  readonly #limits: Limits

  constructor (portcullis: Portcullis, follower: LogFollower, limits: Limits) {
    this.#parts = portcullis
    this.#store = portcullis.store
    this.#follower = follower
    this.#limits = limits
  }

  get maxTokenAgeMs (): number { return this.#limits.retention.maxTokenAgeMs }
  get maxForeignTokenAgeMs (): number { return this.#limits.retention.maxForeignTokenAgeMs }
  get size (): number { return this.#follower.replica.size }
  get stalenessMs (): number { return this.#follower.stalenessMs }

  isRevoked (claims: RevocableClaims): boolean {
    const credential = credentialOf(claims, this.#store.nowMs() / 1000)
    if (this.knowsAsRevoked(credential)) return true
    this.#follower.assertFresh()
    return false
  }

  async assertNotRevoked (claims: RevocableClaims): Promise<void> {
    const credential = credentialOf(claims, this.#store.nowMs() / 1000)
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

  async revoke (given: RevokeRequest, by: RevokedBy = {}): Promise<void> {
    const request = checkRevokeRequest(given, { nowMs: this.#store.nowMs(), toleranceMs })
    let subject = 'subject' in request ? request.subject : undefined
    if ('sid' in request) subject = (await this.#closeOwn(request.sid))?.subject
    else if ('jti' in request) await this.#revokeToken(request)
    else if ('subject' in request) this.note(await this.#store.revokeSubject(request.subject, { exceptSid: request.exceptSid ?? null, keepForMs: this.#limits.retention.keepCutsForMs }))
    else this.note(await this.#store.revokeAll({ keepForMs: this.#limits.retention.keepCutsForMs }))
    publish({
      ...by,
      event: 'revocation.added',
      outcome: kindOf(request),
      ...'sid' in request ? { sid: request.sid, sessions: subject === undefined ? 0 : 1 } : {},
      ...subject === undefined ? {} : { subject }
    }, this.#parts)
  }

  async close (sid: string): Promise<SessionRecord | null> {
    try {
      return await this.#closeOwn(sid)
    } catch (error) {
      if (error instanceof SessionNotFoundError) return null
      throw error
    }
  }

  async #closeOwn (sid: string): Promise<SessionRecord | null> {
    // Cookies are registered later, if at all: they name the origin that sessions have to belong to.
    const origin = partOrNull(this.#parts, 'cookies')?.origin ?? null
    const closed = await this.#store.close(sid, { maxTokenAgeMs: this.maxTokenAgeMs, origin })
    // Not noted: this process would assert the end of that session in the store later on.
    if (closed !== null && isOfOtherOrigin(closed, origin)) throw new SessionNotFoundError({ cause: new Error('a session of another origin') })
    this.note({ kind: 'sid', sid, expiresAtMs: this.#store.nowMs() + this.maxTokenAgeMs })
    return closed
  }

  subscribe (listener: (entry: LogEntry | 'gap') => void): void {
    this.#follower.subscribe(listener)
  }

  note (entry: LogEntry): void {
    if (!isLogEntry(entry)) throw new TypeError('note takes an entry of the revocation log')
    this.#follower.note(entry)
  }

  async #revokeToken ({ jti, issuer = '', expiresAt }: { jti: string, issuer?: string, expiresAt?: number }): Promise<void> {
    const expiresAtMs = expiresAt === undefined ? this.#store.nowMs() + Math.max(this.maxTokenAgeMs, this.maxForeignTokenAgeMs) : Math.ceil(expiresAt) * 1000 + toleranceMs
    await this.#store.revokeToken({ issuer, jti, expiresAtMs })
    this.note({ kind: 'jti', tokenKey: tokenKeyOf(issuer, jti), expiresAtMs })
  }
}

/** An entry without an end would be in force for no time at all. */
function isLogEntry (entry: LogEntry): boolean {
  switch (entry.kind) {
    case 'keys': return true
    case 'changed': return typeof entry.sid === 'string'
    case 'sid': return typeof entry.sid === 'string' && Number.isFinite(entry.expiresAtMs)
    case 'jti': return Number.isFinite(entry.expiresAtMs)
    case 'subject':
    case 'all': return Number.isFinite(entry.belowEpoch) && Number.isFinite(entry.expiresAtMs)
    default: return false
  }
}

function kindOf (request: RevokeRequest): 'sid' | 'jti' | 'subject' | 'all' {
  if ('sid' in request) return 'sid'
  if ('jti' in request) return 'jti'
  return 'subject' in request ? 'subject' : 'all'
}

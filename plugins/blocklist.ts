import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { SessionNotFoundError, TokenInvalidError } from '../lib/errors.ts'
import { durationMs } from '../lib/units.ts'
import { publish, type SecurityEvent } from '../lib/events.ts'
import { credentialOf, type RevocableClaims } from '../lib/revocation/revocable-claims.ts'
import { isOfOtherOrigin, type SessionRecord } from '../lib/session/record.ts'
import { retentionOf, toleranceMs, type Retention } from '../lib/revocation/retention.ts'
import { tokenKeyOf } from '../lib/revocation/revocation-keys.ts'
import { checkRevokeRequest, type RevokeRequest } from '../lib/revocation/revoke-request.ts'
import { checkOptions } from '../lib/check-options.ts'
import type { Identity } from '../lib/identity.ts'
import type { CredentialClaims, LogEntry } from '../lib/revocation/entries.ts'
import { longestTokenTtl } from '../lib/settings/access-token.ts'
import { durationOption, optionsOf, type OptionsFrom } from '../lib/settings/options.ts'
import { replica } from '../lib/settings/revocation.ts'
import { lifetimes } from '../lib/settings/session.ts'
import type { ProviderLogout } from '../lib/session/provider-session.ts'
import type { ProviderSessionsEnd, Store } from '../stores/store.ts'
import { endProviderSessions } from './blocklist/provider-logout.ts'
import { LogFollower } from './blocklist/log-follower.ts'
import { addPart, beginPart, partOrNull, type Portcullis } from './portcullis.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    /** Revocations in force, answered from memory. */
    blocklist: Blocklist
  }
}

export type { RevocableClaims, RevokeRequest }

/** Origin of a revocation for the audit log. `by` is the operator; `sessions` is the number of sessions that it ends. */
export type RevokedBy = Pick<SecurityEvent, 'ip' | 'request' | 'by' | 'sessions'>

const own = {
  /** Maximum lifetime of a token that can be revoked. */
  maxTokenAge: durationOption({ default: longestTokenTtl }),
  /** Maximum lifetime of another issuer's token that can be revoked. Default: `maxTokenAge`. */
  maxForeignTokenAge: Type.Optional(durationOption()),
  /** Maximum lifetime of a session; a cut of a subject is kept for this long. */
  absoluteTimeout: durationOption({ default: lifetimes.absoluteTimeout.default })
}

export interface BlocklistOptions extends OptionsFrom<typeof replica, typeof own> {}

const Options = optionsOf(replica, own)

export interface Blocklist {
  /** Maximum lifetime of a revoked token plus the clock tolerance: the longest of all blocklists on the store, in any scope. */
  readonly maxTokenAgeMs: number
  /** Maximum lifetime of other issuers' tokens, computed in the same way. */
  readonly maxForeignTokenAgeMs: number
  /**
   * Returns whether the credential was revoked, from memory. Throws StoreUnavailableError if the store has not answered in time; call
   * `assertNotRevoked` then. Throws ClaimsUnidentifiableError for claims that do not identify a token. It never returns false because of
   * missing knowledge. `claims` are the payload of a token, or an identity such as `request.identity`.
   */
  isRevoked (claims: RevocableClaims | Identity): boolean
  /**
   * Throws TokenInvalidError if the credential was revoked, and otherwise as `isRevoked` does. Queries the store if the replica is stale,
   * and throws StoreUnavailableError if that fails too.
   */
  assertNotRevoked (claims: RevocableClaims | Identity): Promise<void>
  /**
   * Makes a revocation effective and durable. It applies in this process at once, and in every other process as soon as that process reads
   * it from the store. `by` is its origin for the audit log. Rejects with a TypeError that names the field if the request is malformed, and
   * with SessionNotFoundError for a `sid` of another origin.
   */
  revoke (request: RevokeRequest, by?: RevokedBy): Promise<void>
  /**
   * Ends one session of this origin, as `revoke({ sid })` does, and returns its record; null if the record is already gone, or belongs to
   * another origin. `ofAnyOrigin` ends it in both cases; it is for a session whose credential the client has presented.
   */
  close (sid: string, options?: { ofAnyOrigin?: boolean }): Promise<SessionRecord | null>
  /**
   * Ends the sessions that an identity provider has logged out with a verified logout token, in the store and in this process, and makes the
   * store remember the logout. `repeated`: the same token has ended them before. Rejects with StoreUnavailableError if the outcome is
   * unknown; the provider then repeats the token.
   */
  endProviderSessions (logout: ProviderLogout, by?: RevokedBy): Promise<Pick<ProviderSessionsEnd, 'outcome' | 'sessions'>>
  /** Returns whether the store has answered within `maxStaleness`. */
  isFresh (): boolean
  /** Returns whether the replica contains a revocation of the credential, however stale it is. */
  knowsAsRevoked (claims: CredentialClaims): boolean
  /**
   * Returns whether the store itself considers the credential valid (`isGood`), regardless of the age of the replica. With `mayBeStale`,
   * the replica decides within `staleFor` if the store is unavailable.
   */
  isGoodInStore (claims: CredentialClaims, mayBeStale: boolean): Promise<boolean>
  /** Returns whether the replica and cached data may decide while the store is unavailable: within `staleFor`. */
  mayAnswerStale (): boolean
  /** Calls back for every entry of the log, and with `gap` if entries may have been missed, so that all cached data is stale. */
  subscribe (listener: (entry: LogEntry | 'gap') => void): void
  /** Applies a revocation that this process knows to be in the log. */
  note (entry: LogEntry): void
  /** Number of revocations in force in this process, and of some that ended recently. */
  readonly size: number
  /** Time since the store last answered. */
  readonly stalenessMs: number
}

const longestTokenAgeMs = durationMs(longestTokenTtl) + toleranceMs

/**
 * Rejects credentials that were revoked before they expired. It holds a replica of the store's revocation log in the memory of this
 * process.
 */
export default fp<BlocklistOptions>(async function blocklistPlugin (fastify, options) {
  const portcullis = beginPart(fastify, 'blocklist')
  const { maxTokenAgeMs, maxForeignTokenAgeMs = maxTokenAgeMs, absoluteTimeoutMs, maxStalenessMs, staleForMs } = checkOptions('portcullis-blocklist', Options, options)
  const retention = lengthen(portcullis.store, retentionOf({ maxTokenAgeMs, maxForeignTokenAgeMs, absoluteTimeoutMs }))
  const follower = new LogFollower(portcullis.store, { maxStalenessMs, get longestMs () { return retention.keepCutsForMs } }, portcullis)
  await follower.start()
  fastify.addHook('onClose', () => follower.stop())
  addPart(fastify, 'blocklist', new ReplicatedBlocklist(portcullis, follower, { retention, maxStalenessMs, staleForMs }))
}, { name: 'portcullis-blocklist', fastify: '5.x', dependencies: ['portcullis-store'] })

interface Limits { retention: Readonly<Retention>, maxStalenessMs: number, staleForMs: number }

/**
 * Retention of the revocations of each store: the longest that any of its blocklists requires. One scope may revoke what another scope has
 * issued and verifies.
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

  isRevoked (claims: RevocableClaims | Identity): boolean {
    const credential = credentialOf(claims, this.#store.nowMs() / 1000)
    if (this.knowsAsRevoked(credential)) return true
    this.#follower.assertFresh()
    return false
  }

  async assertNotRevoked (claims: RevocableClaims | Identity): Promise<void> {
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

  async close (sid: string, { ofAnyOrigin = false }: { ofAnyOrigin?: boolean } = {}): Promise<SessionRecord | null> {
    try {
      return await (ofAnyOrigin ? this.#closeAny(sid) : this.#closeOwn(sid))
    } catch (error) {
      if (error instanceof SessionNotFoundError) return null
      throw error
    }
  }

  async endProviderSessions (logout: ProviderLogout, by: RevokedBy = {}): Promise<Pick<ProviderSessionsEnd, 'outcome' | 'sessions'>> {
    return await endProviderSessions(logout, { parts: this.#parts, retention: this.#limits.retention, follower: this.#follower, by })
  }

  async #closeOwn (sid: string): Promise<SessionRecord | null> {
    // Cookies may be registered later. They name the origin to which sessions must belong.
    const origin = partOrNull(this.#parts, 'cookies')?.origin ?? null
    return await this.#close(sid, { origin, maxTokenAgeMs: this.maxTokenAgeMs })
  }

  /** Ends a session whose access tokens another deployment may have issued, with a longer lifetime than this one issues. */
  async #closeAny (sid: string): Promise<SessionRecord | null> {
    return await this.#close(sid, { origin: null, maxTokenAgeMs: Math.max(this.maxTokenAgeMs, longestTokenAgeMs) })
  }

  async #close (sid: string, options: { origin: string | null, maxTokenAgeMs: number }): Promise<SessionRecord | null> {
    const closed = await this.#store.close(sid, options)
    // The end is not noted, because this process would later assert the end of that session to the store.
    if (closed !== null && isOfOtherOrigin(closed, options.origin)) throw new SessionNotFoundError({ cause: new Error('a session of another origin') })
    this.note({ kind: 'sid', sid, expiresAtMs: this.#store.nowMs() + options.maxTokenAgeMs })
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

/** Returns whether a value is an entry of the log. An entry without an end would never be in force. */
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

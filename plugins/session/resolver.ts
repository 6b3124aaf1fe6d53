import { timingSafeEqual } from 'node:crypto'
import { RecencyCache } from '../../lib/cache.ts'
import { deviceInForce, gridMs, isIdle, isOver, isOfOtherOrigin, type SessionRecord } from '../../lib/session/record.ts'
import { SessionInvalidError } from '../../lib/errors.ts'
import type { RequestFacts } from '../../lib/http/request-facts.ts'
import type { ReportExpiry } from './expiries.ts'
import { identityOfSession, type Identity } from '../../lib/identity.ts'
import { PacedReads } from './paced-reads.ts'
import { equalInConstantTime, sha256 } from '../../lib/secrets.ts'
import { isSameData } from '../../lib/session/data.ts'
import { parseSessionCookie } from '../../lib/session/sid.ts'
import type { LogEntry } from '../../lib/revocation/entries.ts'
import type { Store } from '../../stores/store.ts'
import type { DeviceGuard } from './device-guard.ts'
import type { Touches } from './touches.ts'

interface Entry {
  record: SessionRecord
  identity: Identity
  /** Cookie secret that was found to be right; null while none was. */
  secret: Buffer | null
  /** Device cookie that was last found to be valid, and its expiry. */
  device: { cookie: Buffer, endsAtMs: number } | null
  /** Time at which a binding that is not in force was last seen to have reached its device. */
  shownAtMs: number
  /** Time of the last use that this process saw or that the record states. */
  usedAtMs: number
  notedAtMs: number
}

interface Presented { sid: string, secret: string, request: RequestFacts | undefined }

interface ResolverOptions {
  origin: string
  idleTimeoutMs: number
  cacheSize: number
  reportExpiry: ReportExpiry
  /** Returns the guard of sessions that are bound to a device, which are then valid only with their device cookie. */
  findDevices: () => DeviceGuard | null
}

/** Minimum interval between two reads of the store that confirm a rejection of one session. */
const confirmEveryMs = 100
const attempts = 3
/** Time after which a later request informs the store again, if it could not be informed. */
const tellAgainMs = 1000

/**
 * Resolves a session cookie to an identity. Records are cached until the log reports that they changed or ended. A cached record can only
 * accept a cookie: before a cookie is rejected because of it, the store is read.
 */
export class SessionResolver {
  readonly #store: Store
  readonly #touches: Touches
  readonly #origin: string
  readonly #idleTimeoutMs: number
  readonly #gridMs: number
  readonly #reportExpiry: ReportExpiry
  readonly #entries: RecencyCache<Entry>
  readonly #reads: PacedReads<Entry | null>
  readonly #findDevices: () => DeviceGuard | null
  #changes = 0

  constructor (store: Store, touches: Touches, options: ResolverOptions) {
    this.#store = store
    this.#touches = touches
    this.#origin = options.origin
    this.#idleTimeoutMs = options.idleTimeoutMs
    this.#gridMs = gridMs(options.idleTimeoutMs)
    this.#reportExpiry = options.reportExpiry
    this.#findDevices = options.findDevices
    this.#entries = new RecencyCache(options.cacheSize)
    this.#reads = new PacedReads(sid => this.#read(sid), confirmEveryMs)
  }

  /** Throws, or rejects with, SessionInvalidError. Returns a promise only if the store must be queried. `isUse` updates the idle time. */
  resolve (cookie: string, isUse: boolean, request?: RequestFacts): Identity | Promise<Identity> {
    const parsed = parseSessionCookie(cookie)
    if (parsed === null) throw new SessionInvalidError({ cause: new Error('not a session cookie') })
    const entry = this.#entries.get(parsed.sid)
    const nowMs = this.#store.nowMs()
    if (entry !== undefined && this.#isGood(entry, parsed.secret, nowMs, request)) return this.#showsFirst(entry, nowMs, request) ? this.#putInForce(entry, nowMs, isUse) : this.#use(entry, nowMs, isUse)
    return this.#resolveLater(entry, { ...parsed, request }, isUse)
  }

  /** Resolves a cookie by the current record of the store, if cached records may not decide. */
  async resolveInStore (cookie: string, isUse: boolean, request?: RequestFacts): Promise<Identity> {
    const parsed = parseSessionCookie(cookie)
    if (parsed === null) throw new SessionInvalidError({ cause: new Error('not a session cookie') })
    const entry = await this.#read(parsed.sid)
    const nowMs = this.#store.nowMs()
    if (entry === null || !this.#isGood(entry, parsed.secret, nowMs, request)) throw this.#refused(entry, nowMs, { ...parsed, request })
    return await this.#admit(entry, nowMs, isUse, request)
  }

  /** Discards the cached records that an entry of the log makes stale. */
  forget (entry: LogEntry | 'gap'): void {
    if (entry === 'gap') {
      this.#changes++
      this.#entries.clear()
    } else if (entry.kind === 'changed' || entry.kind === 'sid') {
      this.#changes++
      this.#entries.delete(entry.sid)
    }
  }

  async #resolveLater (known: Entry | undefined, presented: Presented, isUse: boolean): Promise<Identity> {
    const { sid, secret, request } = presented
    const { value, isFresh } = known === undefined ? await this.#reads.shared(sid) : { value: await this.#confirm(sid, known), isFresh: true }
    const nowMs = this.#store.nowMs()
    if (value !== null && this.#isGood(value, secret, nowMs, request)) return await this.#admit(value, nowMs, isUse, request)
    const confirmed = isFresh ? value : await this.#reads.fresh(sid)
    if (confirmed === null || !this.#isGood(confirmed, secret, this.#store.nowMs(), request)) throw this.#refused(confirmed ?? known ?? null, this.#store.nowMs(), presented)
    return await this.#admit(confirmed, nowMs, isUse, request)
  }

  /**
   * Returns the error for a rejected cookie. The store forgets a session that has reached its absolute timeout, so the reason is known only
   * from a cached record.
   */
  #refused (entry: Entry | null, nowMs: number, { secret, request }: Presented): Error {
    if (entry !== null && isOver(entry.record, nowMs)) return this.#expired(entry, 'absolute', request)
    if (entry !== null && isIdle({ lastUsedAtMs: entry.usedAtMs }, nowMs, this.#idleTimeoutMs)) return this.#expired(entry, 'idle', request)
    const devices = entry === null ? null : this.#devicesOf(entry)
    if (entry !== null && devices !== null && this.#isSecretRight(entry, secret)) return devices.refusal(request)
    return new SessionInvalidError({ cause: new Error('no such session, or another secret than its own') })
  }

  #expired ({ record }: Entry, outcome: 'absolute' | 'idle', request: RequestFacts | undefined): Error {
    this.#reportExpiry(record, outcome, request)
    return new SessionInvalidError({ cause: new Error(outcome === 'idle' ? 'idle for too long' : 'as old as a session may get') })
  }

  /** Writes the uses that only this process knows to the store, and then reads the record, by which idleness is judged. */
  async #confirm (sid: string, known: Entry): Promise<Entry | null> {
    if (known.usedAtMs > known.record.lastUsedAtMs) {
      this.#touches.note(sid, known.usedAtMs)
      await this.#touches.flush()
    }
    return await this.#reads.fresh(sid)
  }

  #isGood (entry: Entry, secret: string, nowMs: number, request: RequestFacts | undefined): boolean {
    if (isOver(entry.record, nowMs) || isIdle({ lastUsedAtMs: entry.usedAtMs }, nowMs, this.#idleTimeoutMs)) return false
    if (!this.#isSecretRight(entry, secret)) return false
    const devices = this.#devicesOf(entry)
    if (devices === null) return true
    const isInForce = deviceInForce(entry.record) !== null || entry.shownAtMs > -Infinity
    return (!isInForce && mayBeUnderWay(request)) || this.#isOnDevice(devices, entry, nowMs, request)
  }

  /** Returns the guard of the device to which a session is bound; null if it is not bound. */
  #devicesOf ({ record }: Entry): DeviceGuard | null {
    return record.device === null ? null : this.#findDevices()
  }

  #isSecretRight (entry: Entry, secret: string): boolean {
    const presented = Buffer.from(secret, 'latin1')
    if (entry.secret !== null) return timingSafeEqual(entry.secret, presented)
    if (entry.record.secretHash === null || !equalInConstantTime(entry.record.secretHash, sha256(secret))) return false
    entry.secret = presented
    return true
  }

  /** Checks the device cookie without a call of the store. A cookie that was found valid before costs one comparison. */
  #isOnDevice (devices: DeviceGuard, entry: Entry, nowMs: number, request: RequestFacts | undefined): boolean {
    const cookie = request === undefined ? null : devices.read(request)
    if (cookie === null) return false
    const presented = Buffer.from(cookie, 'latin1')
    const known = entry.device
    if (known !== null && known.cookie.length === presented.length && timingSafeEqual(known.cookie, presented)) return nowMs < known.endsAtMs
    const endsAtMs = devices.endOf(cookie, entry.record.sid)
    if (endsAtMs === null || nowMs >= endsAtMs) return false
    entry.device = { cookie: presented, endsAtMs }
    return true
  }

  async #admit (entry: Entry, nowMs: number, isUse: boolean, request: RequestFacts | undefined): Promise<Identity> {
    return this.#showsFirst(entry, nowMs, request) ? await this.#putInForce(entry, nowMs, isUse) : this.#use(entry, nowMs, isUse)
  }

  /** Returns whether the request is the first one seen with a device cookie, which shows that the binding has reached its device. */
  #showsFirst ({ record, shownAtMs }: Entry, nowMs: number, request: RequestFacts | undefined): boolean {
    if (record.device?.renewals !== 0 || nowMs - shownAtMs < tellAgainMs || request === undefined) return false
    const devices = this.#findDevices()
    const cookie = devices?.read(request) ?? null
    if (devices === null || cookie === null) return false
    try {
      const endsAtMs = devices.endOf(cookie, record.sid)
      return endsAtMs !== null && nowMs < endsAtMs
    } catch {
      // The secret of the cookie is unknown to this process. Nothing depends on the cookie yet.
      return false
    }
  }

  /**
   * Puts a binding into force, in this process at once, and in the store. It happens once for a binding, so the request waits for it. While
   * the store is unavailable, it is left to a later request.
   */
  async #putInForce (entry: Entry, nowMs: number, isUse: boolean): Promise<Identity> {
    entry.shownAtMs = nowMs
    const renewal = await this.#store.renewDevice(entry.record.sid, 0).catch(() => null)
    if (renewal !== null) entry.record = renewal.record
    // A record that is read at the same time may be older.
    this.#changes++
    return this.#use(entry, nowMs, isUse)
  }

  #use (entry: Entry, nowMs: number, isUse: boolean): Identity {
    if (!isUse) return entry.identity
    entry.usedAtMs = nowMs
    if (nowMs - entry.notedAtMs >= this.#gridMs) {
      entry.notedAtMs = nowMs
      this.#touches.note(entry.record.sid, nowMs)
    }
    return entry.identity
  }

  /** Reads a record again if it changed during the read, so that nothing stale is cached. */
  async #read (sid: string): Promise<Entry | null> {
    for (let attempt = 1; ; attempt++) {
      const changes = this.#changes
      const record = await this.#store.read(sid)
      if (record === null || record.mode !== 'session' || isOfOtherOrigin(record, this.#origin)) return null
      const entry = updated(this.#entries.get(sid), record)
      if (changes === this.#changes) {
        this.#entries.set(sid, entry)
        return entry
      }
      if (attempt === attempts) return entry
    }
  }
}

/**
 * Returns whether a page may have sent the request before it received the binding. Only browsers send such requests, and they mark them
 * (Fetch Metadata).
 */
function mayBeUnderWay (request: RequestFacts | undefined): boolean {
  return request?.headers['sec-fetch-site'] !== undefined
}

/** Returns the known entry for a record that was only used since, so that results that were verified and minted for it are kept. */
function updated (known: Entry | undefined, record: SessionRecord): Entry {
  if (known === undefined || known.record.secretHash !== record.secretHash || known.record.authTimeMs !== record.authTimeMs || known.record.epoch !== record.epoch) {
    return { record, identity: identityOfSession(record), secret: null, device: null, shownAtMs: -Infinity, usedAtMs: record.lastUsedAtMs, notedAtMs: record.lastUsedAtMs }
  }
  // An identity is shared by requests, so one with other data takes its place.
  if (!isSameData(known.identity.data, record.data)) known.identity = identityOfSession(record)
  known.record = record
  known.usedAtMs = Math.max(known.usedAtMs, record.lastUsedAtMs)
  return known
}

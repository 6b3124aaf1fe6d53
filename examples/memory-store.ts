import { randomUUID } from 'node:crypto'
import { assertNote, assertOnce, countRefresh, createSid, cutInstantKeptMs, isCutSince, isOfOtherOrigin, latestCutMs, logoutKeyOf, longestSignInMs, mostNotes, openFamily, providerSidKeyOf, providerSubjectOf, receive, rotate, StoreUnavailableError, strengthen, strengthenAtProvider, subjectKeyOf, tokenKeyOf, type CredentialClaims, type DeviceBinding, type DeviceRenewal, type EndProviderSessions, type KeyDocument, type LogEntry, type Note, type OpenSession, type ProviderOpening, type ProviderProof, type ProviderRenewal, type ProviderSessionsEnd, type Pull, type RefreshCount, type Revocation, type RotateOptions, type Rotation, type RotationWindows, type SessionData, type SessionRecord, type Store, type Strength, type TakePage } from '../stores/toolkit.ts'

interface Session {
  record: SessionRecord
  refreshes: RefreshCount | null
  /** Keys of the session at its identity provider: that of the last authentication and those before. */
  providerKeys: Set<string>
}
interface Cut { epoch: number, exceptSid: string | null, keepUntilMs: number, atMs: number }
type CutOf<Kind> = Extract<Revocation, { kind: Kind }>

/** Data that several Store objects share, as processes share a database. */
export class MemoryData {
  readonly id = randomUUID()
  readonly sessions = new Map<string, Session>()
  /** The last cut of each subject, by the key of the subject. */
  readonly cuts = new Map<string, Cut>()
  /** The epoch of the last cut of all subjects. */
  floor = 1
  floorAtMs: number | null = null
  log: Array<{ position: number, entry: LogEntry, keepUntilMs: number }> = []
  head = 0
  /** The position up to which entries were removed from the log. */
  removedThrough = 0
  keys: KeyDocument | null = null
  readonly notes = new Map<string, Array<Note & { expiresAtMs: number }>>()
  /** The names that were used once, with the instants from which they may be used again. */
  readonly used = new Map<string, number>()
  readonly listeners = new Set<() => void>()
}

/** The time for which an entry stays in the log at least, so that a process that is merely late finds it. */
const keepEntryMs = 3_600_000
const pageLength = 1000
const expiryOf = (entry: LogEntry): number => 'expiresAtMs' in entry ? entry.expiresAtMs : 0
const isRevocation = (entry: LogEntry): entry is Revocation => 'expiresAtMs' in entry

/**
 * A store in the memory of one process, for tests. No method awaits anything before its last change, so each is one atomic operation, as a
 * transaction is in a database.
 */
export class MemoryStore implements Store {
  readonly type = 'memory'
  readonly #data: MemoryData
  readonly #now: () => number
  readonly #unsubscribe = new Set<() => void>()
  #hasEnded = false

  constructor (data = new MemoryData(), now: () => number = Date.now) {
    this.#data = data
    this.#now = now
  }

  nowMs (): number { return Math.floor(this.#now()) }

  async open (session: OpenSession): Promise<{ record: SessionRecord, closed: string[] }> {
    return this.#open(session, { provider: null, authTimeMs: this.#begin() })
  }

  #open (session: OpenSession, { provider, authTimeMs }: Pick<SessionRecord, 'provider' | 'authTimeMs'>): { record: SessionRecord, closed: string[] } {
    const nowMs = this.nowMs()
    const { subject, username, mode, secretHash, acr, amr, scopes, audiences, client, origin, data = {}, absoluteTimeoutMs, maxPerSubject, maxTokenAgeMs } = session
    const others = this.#liveOf(session.subject)
    const closed = others.slice(0, Math.max(0, others.length + 1 - Math.max(1, maxPerSubject))).map(({ sid }) => sid)
    for (const sid of closed) this.#end(sid, maxTokenAgeMs)
    const cut = this.#data.cuts.get(subjectKeyOf(session.subject))
    const epoch = Math.max(this.#data.floor, cut?.epoch ?? 0)
    const expiresAtMs = Math.ceil(nowMs + absoluteTimeoutMs)
    // The cut of a subject may be removed only when no session has its epoch any more.
    if (cut !== undefined) cut.keepUntilMs = Math.max(cut.keepUntilMs, expiresAtMs + keepEntryMs)
    const family = mode === 'tokens' ? openFamily(nowMs) : null
    const times = { createdAtMs: nowMs, authTimeMs: Math.min(authTimeMs, nowMs), lastUsedAtMs: nowMs, expiresAtMs }
    const record: SessionRecord = structuredClone({ sid: createSid(subject), subject, username, mode, epoch, secretHash, ...times, acr, amr, scopes, audiences, client, origin, family, device: null, data, provider })
    this.#data.sessions.set(record.sid, { record, refreshes: null, providerKeys: keysOf(record) })
    return { record: structuredClone(record), closed }
  }

  async read (sid: string): Promise<SessionRecord | null> {
    this.#begin()
    return structuredClone(this.#live(sid))
  }

  async touch (uses: ReadonlyArray<{ sid: string, agoMs: number }>, { idleTimeoutMs }: { idleTimeoutMs: number }): Promise<void> {
    const nowMs = this.#begin()
    for (const { sid, agoMs } of uses) {
      const record = this.#live(sid)
      const usedAtMs = Math.floor(nowMs - Math.max(0, agoMs))
      if (record !== null && usedAtMs > record.lastUsedAtMs && usedAtMs - record.lastUsedAtMs < idleTimeoutMs) this.#change(record, { lastUsedAtMs: usedAtMs })
    }
  }

  async rotate (sid: string, generation: number, options: RotateOptions): Promise<Rotation> {
    const nowMs = this.#begin()
    const record = this.#live(sid)
    if (record === null || record.family === null || isOfOtherOrigin(record, options.origin)) return { outcome: 'unknown', record: null, granted: null, counted: null }
    if (nowMs - record.lastUsedAtMs >= options.idleTimeoutMs) return { outcome: 'expired', record, granted: null, counted: null }
    const { fresh, limit } = options
    let counted = null
    if (limit !== undefined) {
      const session = this.#data.sessions.get(sid)!
      session.refreshes = countRefresh(session.refreshes, nowMs, limit)
      counted = { count: session.refreshes.count, leftMs: session.refreshes.endsAtMs - nowMs }
      if (counted.count > limit.max) return { outcome: 'limited', record, granted: null, counted }
    }
    const known = { authTimeMs: record.authTimeMs, acr: record.acr, amr: record.amr }
    const transition = rotate(record.family, { generation, authentication: known, ...fresh === undefined ? {} : { fresh } }, nowMs, options)
    if (transition.family === null) {
      this.#end(sid, options.maxTokenAgeMs)
      return { outcome: transition.outcome, record, granted: null, counted: null }
    }
    const { outcome, family, authentication, granted } = transition
    return { outcome, record: this.#change(record, { ...authentication, family, lastUsedAtMs: Math.max(record.lastUsedAtMs, nowMs) }), granted, counted }
  }

  async noteReceived (sid: string, generation: number, windows: RotationWindows): Promise<void> {
    const nowMs = this.#begin()
    const record = this.#live(sid)
    if (record !== null && record.family !== null) this.#change(record, { family: receive(record.family, generation, nowMs, windows) })
  }

  async renew (sid: string, { secretHash, ...fresh }: { secretHash: string } & Strength): Promise<SessionRecord | null> {
    const nowMs = this.#begin()
    const record = this.#live(sid)
    if (record?.mode !== 'session') return null
    this.#append({ kind: 'changed', sid })
    return this.#change(record, { secretHash, ...strengthen(record, fresh, nowMs) })
  }

  async openFromProvider (session: OpenSession & ProviderProof): Promise<ProviderOpening> {
    const nowMs = this.#begin()
    if (nowMs - session.beganAtMs >= longestSignInMs || isCutSince(this.#lastCutMs(session.subject), session, nowMs)) return { outcome: 'cut', record: null, closed: [] }
    if (this.#isLoggedOut(session, nowMs)) return { outcome: 'logged-out', record: null, closed: [] }
    return { outcome: 'opened', ...this.#open(session, session) }
  }

  async renewFromProvider (sid: string, fresh: { secretHash: string, maxTokenAgeMs: number } & Strength & ProviderProof): Promise<ProviderRenewal> {
    const nowMs = this.#begin()
    const record = this.#live(sid)
    const { secretHash, maxTokenAgeMs, acr, amr, provider, authTimeMs, beganAtMs } = structuredClone(fresh)
    if (record?.mode !== 'session' || record.provider === null || record.subject !== providerSubjectOf(provider) || nowMs - beganAtMs >= longestSignInMs) return { outcome: 'gone', record: null }
    if (this.#isLoggedOut(fresh, nowMs)) {
      this.#end(sid, maxTokenAgeMs)
      return { outcome: 'logged-out', record: null }
    }
    for (const key of keysOf({ provider })) this.#data.sessions.get(sid)!.providerKeys.add(key)
    this.#append({ kind: 'changed', sid })
    return { outcome: 'renewed', record: this.#change(record, { secretHash, provider, ...strengthenAtProvider(record, { acr, amr }, Math.min(authTimeMs, nowMs)) }) }
  }

  async endProviderSessions ({ provider, subject, sid, jti, keepJtiForMs, ...keep }: EndProviderSessions): Promise<ProviderSessionsEnd> {
    const nowMs = this.#begin()
    if (sid !== null) {
      const expiresAtMs = Math.ceil(nowMs + Math.max(keep.keepSidForMs, longestSignInMs, keepJtiForMs))
      const logout: CutOf<'jti'> = { kind: 'jti', tokenKey: providerSidKeyOf(provider, sid), expiresAtMs }
      this.#revokeToken(logout)
      const ended = this.#endByProviderKey(logout.tokenKey, subject, keep.maxTokenAgeMs)
      return { outcome: 'ended', sessions: ended.length, revocations: [logout, ...ended] }
    }
    if (subject === null) throw new TypeError('a logout names a session or a subject')
    if (!this.#use(`logout ${logoutKeyOf(provider, jti, subject)}`, nowMs, keepJtiForMs)) return { outcome: 'repeated', sessions: 0, revocations: [] }
    const sessions = this.#liveOf(subject).length
    return { outcome: 'ended', sessions, revocations: [await this.revokeSubject(subject, { exceptSid: null, keepForMs: keep.keepForMs })] }
  }

  async bindDevice (sid: string, { publicKey }: { publicKey: string }): Promise<DeviceBinding | null> {
    const nowMs = this.#begin()
    const record = this.#live(sid)
    if (record?.mode !== 'session') return null
    if (record.device !== null) return { outcome: record.device.publicKey === publicKey ? 'already' : 'refused', record }
    this.#append({ kind: 'changed', sid })
    return { outcome: 'bound', record: this.#change(record, { device: { publicKey, boundAtMs: nowMs, renewals: 0 } }) }
  }

  async renewDevice (sid: string, renewals: number): Promise<DeviceRenewal | null> {
    this.#begin()
    const record = this.#live(sid)
    if (record === null || record.device === null) return null
    if (record.device.renewals !== renewals) return { outcome: 'used', record }
    if (renewals === 0) this.#append({ kind: 'changed', sid })
    return { outcome: 'renewed', record: this.#change(record, { device: { ...record.device, renewals: renewals + 1 } }) }
  }

  async replaceData (sid: string, data: SessionData): Promise<SessionRecord | null> {
    this.#begin()
    const record = this.#live(sid)
    if (record === null) return null
    this.#append({ kind: 'changed', sid })
    return this.#change(record, { data: structuredClone(data) })
  }

  async close (sid: string, { maxTokenAgeMs, origin = null }: { maxTokenAgeMs: number, origin?: string | null }): Promise<SessionRecord | null> {
    this.#begin()
    const record = this.#live(sid)
    if (record === null || !isOfOtherOrigin(record, origin)) this.#end(sid, maxTokenAgeMs)
    return record
  }

  async list (subject: string): Promise<SessionRecord[]> {
    this.#begin()
    return structuredClone(this.#liveOf(subject).reverse())
  }

  async revokeToken ({ issuer, jti, expiresAtMs }: { issuer: string, jti: string, expiresAtMs: number }): Promise<void> {
    const nowMs = this.#begin()
    const tokenKey = tokenKeyOf(issuer, jti)
    if (expiresAtMs > nowMs) this.#revokeToken({ kind: 'jti', tokenKey, expiresAtMs: Math.ceil(expiresAtMs) })
  }

  async revokeSubject (subject: string, { exceptSid, keepForMs }: { exceptSid: string | null, keepForMs: number }): Promise<CutOf<'subject'>> {
    const nowMs = this.#begin()
    const subjectKey = subjectKeyOf(subject)
    const excepted = this.#liveOf(subject).find(({ sid }) => sid === exceptSid)
    const others = this.#liveOf(subject).filter(record => record !== excepted)
    for (const { sid } of others) this.#data.sessions.delete(sid)
    const cut: CutOf<'subject'> = { kind: 'subject', subjectKey, belowEpoch: 0, exceptSid: excepted?.sid ?? null, expiresAtMs: Math.ceil(nowMs + keepForMs) }
    const least = Math.max(this.#data.floor + 1, secondsAfter(nowMs))
    const last = this.#data.cuts.get(subjectKey)
    // A cut that would end nothing more than the last one is not logged.
    if (others.length === 0 && last !== undefined && last.epoch >= least && (last.exceptSid === null || last.exceptSid === cut.exceptSid)) {
      // A sign-in at a provider may have begun since the last cut.
      this.#data.cuts.set(subjectKey, { ...last, atMs: nowMs, keepUntilMs: Math.max(last.keepUntilMs, nowMs + cutInstantKeptMs) })
      return { ...cut, belowEpoch: last.epoch, exceptSid: last.exceptSid }
    }
    cut.belowEpoch = Math.max(least, (last?.epoch ?? 0) + 1)
    this.#keepCut(cut, nowMs, Math.max(last?.keepUntilMs ?? 0, excepted?.expiresAtMs ?? 0))
    return cut
  }

  async revokeAll ({ keepForMs }: { keepForMs: number }): Promise<CutOf<'all'>> {
    const nowMs = this.#begin()
    const belowEpoch = Math.max(this.#data.floor + 1, secondsAfter(nowMs), ...Array.from(this.#data.cuts.values(), ({ epoch }) => epoch + 1))
    const cut: CutOf<'all'> = { kind: 'all', belowEpoch, expiresAtMs: Math.ceil(nowMs + keepForMs) }
    this.#data.floor = belowEpoch
    this.#data.floorAtMs = nowMs
    this.#append(cut)
    return cut
  }

  async lastCutMs (subject: string): Promise<number | null> {
    this.#begin()
    return this.#lastCutMs(subject)
  }

  async reassert (revocations: readonly Revocation[]): Promise<'asserted'> {
    const nowMs = this.#begin()
    for (const lost of revocations) if (lost.expiresAtMs > nowMs) this.#again(lost, nowMs)
    return 'asserted'
  }

  async isGood ({ issuer, jti, sid, subject, epoch }: CredentialClaims): Promise<boolean> {
    const nowMs = this.#begin()
    if (sid !== null && this.#live(sid) === null) return false
    const tokenKeys = jti === null ? [] : [tokenKeyOf(issuer ?? '', jti), tokenKeyOf('', jti)]
    if (this.#data.log.some(({ entry }) => entry.kind === 'jti' && entry.expiresAtMs > nowMs && tokenKeys.includes(entry.tokenKey))) return false
    if (epoch === null) return true
    const cut = subject === null ? undefined : this.#data.cuts.get(subjectKeyOf(subject))
    return epoch >= this.#data.floor && (cut === undefined || epoch >= cut.epoch || (sid !== null && sid === cut.exceptSid))
  }

  async snapshot (take: TakePage): Promise<string> {
    const nowMs = this.#begin()
    const position = this.#positionOf(this.#data.head)
    const revocations = this.#data.log.map(({ entry }) => entry).filter(isRevocation).filter(({ expiresAtMs }) => expiresAtMs > nowMs)
    for (let at = 0; at < revocations.length; at += pageLength) await take(revocations.slice(at, at + pageLength))
    return position
  }

  async pull (position: string): Promise<Pull> {
    this.#begin()
    const { head, removedThrough, log } = this.#data
    const after = Number(position.split(' ')[1])
    if (position !== this.#positionOf(after) || after > head || after < removedThrough) return { position: this.#positionOf(head), entries: [], gap: true }
    return { position: this.#positionOf(head), entries: log.filter(({ position }) => position > after).map(({ entry }) => entry), gap: false }
  }

  onGrowth (listener: () => void): () => void {
    const { listeners } = this.#data
    const own = (): void => { listener() }
    const unsubscribe = (): void => { listeners.delete(own) }
    listeners.add(own)
    this.#unsubscribe.add(unsubscribe)
    return unsubscribe
  }

  async readKeys (): Promise<KeyDocument | null> {
    this.#begin()
    return structuredClone(this.#data.keys)
  }

  async writeKeys (expectedVersion: number, text: string): Promise<'written' | 'conflict'> {
    this.#begin()
    if (expectedVersion !== (this.#data.keys?.version ?? 0)) return 'conflict'
    this.#data.keys = { version: expectedVersion + 1, text }
    this.#append({ kind: 'keys' })
    return 'written'
  }

  async putNote (topic: string, name: string, text: string, keepForMs: number): Promise<void> {
    assertNote(topic, name, text)
    const atMs = this.#begin()
    const others = this.#notesOf(topic).filter(note => note.name !== name).sort((one, other) => other.atMs - one.atMs || (one.name < other.name ? 1 : -1))
    this.#data.notes.set(topic, [{ name, text, atMs, expiresAtMs: atMs + keepForMs }, ...others.slice(0, mostNotes - 1)])
  }

  async readNotes (topic: string): Promise<Note[]> {
    this.#begin()
    return this.#notesOf(topic).sort((one, other) => one.name < other.name ? -1 : 1).map(({ name, text, atMs }) => ({ name, text, atMs }))
  }

  async useOnce (name: string, keepForMs: number): Promise<boolean> {
    const nowMs = this.#begin()
    assertOnce(name, keepForMs)
    return this.#use(name, nowMs, keepForMs)
  }

  async end (): Promise<void> {
    this.#hasEnded = true
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
  }

  /** Begins an operation: returns its time, or throws what callers expect of a store that cannot be used. */
  #begin (): number {
    if (this.#hasEnded) throw new StoreUnavailableError({ cause: new Error('the store has ended') })
    return this.nowMs()
  }

  #use (name: string, nowMs: number, keepForMs: number): boolean {
    for (const [used, untilMs] of this.#data.used) if (untilMs <= nowMs) this.#data.used.delete(used)
    if (this.#data.used.has(name)) return false
    this.#data.used.set(name, nowMs + keepForMs)
    return true
  }

  #lastCutMs (subject: string): number | null {
    const cuts = [this.#data.floorAtMs, this.#data.cuts.get(subjectKeyOf(subject))?.atMs ?? null].filter(cut => cut !== null)
    return cuts.length === 0 ? null : Math.max(...cuts)
  }

  #isLoggedOut ({ provider }: Pick<ProviderProof, 'provider'>, nowMs: number): boolean {
    const keys = keysOf({ provider })
    return this.#data.log.some(({ entry }) => entry.kind === 'jti' && entry.expiresAtMs > nowMs && keys.has(entry.tokenKey))
  }

  #endByProviderKey (key: string, subject: string | null, maxTokenAgeMs: number): Array<CutOf<'sid'>> {
    const found = Array.from(this.#data.sessions).filter(([sid, { record, providerKeys }]) => providerKeys.has(key) && this.#live(sid) !== null && (subject ?? record.subject) === record.subject)
    for (const [sid] of found) this.#end(sid, maxTokenAgeMs)
    return found.map(([sid]) => ({ kind: 'sid', sid, expiresAtMs: Math.ceil(this.nowMs() + maxTokenAgeMs) }))
  }

  #live (sid: string): SessionRecord | null {
    const record = this.#data.sessions.get(sid)?.record
    return record === undefined || this.nowMs() >= record.expiresAtMs || record.epoch < this.#data.floor ? null : record
  }

  /** Returns the live sessions of a subject, oldest first. */
  #liveOf (subject: string): SessionRecord[] {
    const records = Array.from(this.#data.sessions.keys(), sid => this.#live(sid)).filter(record => record?.subject === subject) as SessionRecord[]
    return records.sort((one, other) => one.createdAtMs - other.createdAtMs || (one.sid < other.sid ? -1 : 1))
  }

  #notesOf (topic: string): Array<Note & { expiresAtMs: number }> {
    return (this.#data.notes.get(topic) ?? []).filter(({ expiresAtMs }) => expiresAtMs > this.nowMs())
  }

  /** Replaces a record. The object of the record that callers have received before is unchanged. */
  #change (record: SessionRecord, changes: Partial<SessionRecord>): SessionRecord {
    const changed = { ...record, ...changes }
    this.#data.sessions.get(record.sid)!.record = changed
    return structuredClone(changed)
  }

  #end (sid: string, maxTokenAgeMs: number): void {
    this.#data.sessions.delete(sid)
    const nowMs = this.nowMs()
    if (!this.#data.log.some(({ entry }) => entry.kind === 'sid' && entry.sid === sid && entry.expiresAtMs > nowMs)) this.#append({ kind: 'sid', sid, expiresAtMs: Math.ceil(nowMs + maxTokenAgeMs) })
  }

  #revokeToken (revocation: CutOf<'jti'>): void {
    const isKnown = this.#data.log.some(({ entry }) => entry.kind === 'jti' && entry.tokenKey === revocation.tokenKey && entry.expiresAtMs >= revocation.expiresAtMs)
    if (!isKnown) this.#append(revocation)
  }

  /** Repeats a revocation with its effects, unless it is in force. */
  #again (lost: Revocation, nowMs: number): void {
    switch (lost.kind) {
      case 'sid': return this.#end(lost.sid, lost.expiresAtMs - nowMs)
      case 'jti':
        this.#revokeToken(lost)
        // Sessions may have been opened while the logout at the provider was lost.
        this.#endByProviderKey(lost.tokenKey, null, keepEntryMs)
        return
      case 'subject': return this.#cutAgain(lost, nowMs)
      case 'all':
        if (lost.belowEpoch <= this.#data.floor) return
        this.#data.floor = lost.belowEpoch
        this.#data.floorAtMs = latestCutMs(lost.belowEpoch, nowMs)
        this.#append(lost)
    }
  }

  #cutAgain (lost: CutOf<'subject'>, nowMs: number): void {
    const known = this.#data.cuts.get(lost.subjectKey)
    if (known !== undefined && lost.belowEpoch <= known.epoch) return
    const isEnded = ({ sid, subject, epoch }: SessionRecord): boolean => subjectKeyOf(subject) === lost.subjectKey && epoch < lost.belowEpoch && sid !== lost.exceptSid
    for (const { record } of this.#data.sessions.values()) if (isEnded(record)) this.#data.sessions.delete(record.sid)
    this.#keepCut(lost, latestCutMs(lost.belowEpoch, nowMs), known?.keepUntilMs ?? 0)
  }

  #keepCut (cut: CutOf<'subject'>, atMs: number, keepUntilMs: number): void {
    const untilMs = Math.max(keepUntilMs, cut.expiresAtMs, this.nowMs() + cutInstantKeptMs) + keepEntryMs
    this.#data.cuts.set(cut.subjectKey, { epoch: cut.belowEpoch, exceptSid: cut.exceptSid, keepUntilMs: untilMs, atMs })
    this.#append(cut)
  }

  #append (entry: LogEntry): void {
    const nowMs = this.nowMs()
    const data = this.#data
    data.log.push({ position: ++data.head, entry, keepUntilMs: Math.max(expiryOf(entry), nowMs + keepEntryMs) })
    // Entries are removed from the beginning alone, so that what is left has no gap.
    const firstKept = data.log.findIndex(({ keepUntilMs }) => keepUntilMs > nowMs)
    data.removedThrough = data.log.splice(0, firstKept).at(-1)?.position ?? data.removedThrough
    for (const [sid, { record }] of data.sessions) if (record.expiresAtMs <= nowMs) data.sessions.delete(sid)
    for (const [key, cut] of data.cuts) if (cut.keepUntilMs <= nowMs) data.cuts.delete(key)
    queueMicrotask(() => { for (const listener of data.listeners) listener() })
  }

  #positionOf (position: number): string { return `${this.#data.id} ${position}` }
}

/** Returns the key of the session at the provider, if there is one. */
function keysOf ({ provider }: Pick<SessionRecord, 'provider'>): Set<string> {
  return new Set(provider === null || provider.sid === null ? [] : [providerSidKeyOf(provider.name, provider.sid)])
}

/** Returns a second later than that of any token issued until now. */
function secondsAfter (nowMs: number): number {
  return Math.floor(nowMs / 1000) + 1
}

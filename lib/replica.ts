import type { CredentialClaims, Revocation } from '../stores/store.ts'
import { subjectKeyOf, tokenKeyOf } from './revocation-key.ts'

type SubjectCut = Extract<Revocation, { kind: 'subject' }>

/** The revocations in force, in this process's memory. It answers; keeping it current is its owner's task. */
export class Replica {
  readonly #sids = new Map<string, number>()
  readonly #jtis = new Map<string, number>()
  readonly #subjects = new Map<string, SubjectCut>()
  #belowEpoch = 0
  #allUntilMs = 0

  get size (): number {
    return this.#sids.size + this.#jtis.size + this.#subjects.size
  }

  add (revocation: Revocation): void {
    switch (revocation.kind) {
      case 'sid': raise(this.#sids, revocation.sid, revocation.expiresAtMs); break
      case 'jti': raise(this.#jtis, revocation.tokenKey, revocation.expiresAtMs); break
      case 'subject': this.#addCut(revocation); break
      case 'all':
        this.#belowEpoch = Math.max(this.#belowEpoch, revocation.belowEpoch)
        this.#allUntilMs = Math.max(this.#allUntilMs, revocation.expiresAtMs)
    }
  }

  /** A `jti` that was revoked without an issuer is revoked whoever issued it. */
  isRevoked ({ issuer, jti, sid, subject, epoch }: CredentialClaims): boolean {
    if (sid !== null && this.#sids.has(sid)) return true
    if (jti !== null && this.#jtis.size > 0 && (this.#jtis.has(tokenKeyOf(issuer ?? '', jti)) || this.#jtis.has(tokenKeyOf('', jti)))) return true
    if (epoch === null) return false
    if (epoch < this.#belowEpoch) return true
    const cut = subject === null ? undefined : this.#subjects.get(subjectKeyOf(subject))
    return cut !== undefined && epoch < cut.belowEpoch && (sid === null || sid !== cut.exceptSid)
  }

  /** What is known here and in force, and not among these. */
  missing (revocations: readonly Revocation[], nowMs: number): Revocation[] {
    const others = new Replica()
    for (const revocation of revocations) others.add(revocation)
    return this.#all().filter(revocation => revocation.expiresAtMs > nowMs && !others.#covers(revocation))
  }

  #all (): Revocation[] {
    return [
      ...Array.from(this.#sids, ([sid, expiresAtMs]) => ({ kind: 'sid' as const, sid, expiresAtMs })),
      ...Array.from(this.#jtis, ([tokenKey, expiresAtMs]) => ({ kind: 'jti' as const, tokenKey, expiresAtMs })),
      ...this.#subjects.values(),
      ...this.#belowEpoch === 0 ? [] : [{ kind: 'all' as const, belowEpoch: this.#belowEpoch, expiresAtMs: this.#allUntilMs }]
    ]
  }

  #covers (revocation: Revocation): boolean {
    switch (revocation.kind) {
      case 'sid': return this.#sids.has(revocation.sid)
      case 'jti': return this.#jtis.has(revocation.tokenKey)
      case 'subject': return (this.#subjects.get(revocation.subjectKey)?.belowEpoch ?? 0) >= revocation.belowEpoch
      case 'all': return this.#belowEpoch >= revocation.belowEpoch
    }
  }

  /** Forgets what no living credential can be concerned by any more. */
  purge (nowMs: number): void {
    for (const [sid, expiresAtMs] of this.#sids) if (expiresAtMs <= nowMs) this.#sids.delete(sid)
    for (const [jti, expiresAtMs] of this.#jtis) if (expiresAtMs <= nowMs) this.#jtis.delete(jti)
    for (const [subject, { expiresAtMs }] of this.#subjects) if (expiresAtMs <= nowMs) this.#subjects.delete(subject)
  }

  /**
   * A later cut says all that an earlier one said: what the earlier one spared, it spares only by name. The same number twice
   * means that the store has lost the earlier one, so the later one is the truth.
   */
  #addCut (cut: SubjectCut): void {
    const known = this.#subjects.get(cut.subjectKey)
    if (known === undefined || known.belowEpoch <= cut.belowEpoch) this.#subjects.set(cut.subjectKey, cut)
  }
}

function raise (map: Map<string, number>, key: string, expiresAtMs: number): void {
  map.set(key, Math.max(map.get(key) ?? 0, expiresAtMs))
}

import type { CredentialClaims, Revocation } from './entries.ts'
import { anyJtiKeyAt, credentialKeys, credentialKeysLength, jtiKeyAt, keyTextAt, sidKeyAt, subjectKeyAt, writeKeys, writeKeyText, writeSidKey, type CredentialKeys } from './credential-ids.ts'
import { ClaimsUnidentifiableError } from '../errors.ts'
import { forever, keyWords, KeyTable } from './id-table.ts'

type SubjectCut = Extract<Revocation, { kind: 'subject' }>

/** Claims, with their keys where they were kept (`freezeWithKeys`): without them a look-up hashes. */
type Revocable = CredentialClaims & { readonly [credentialKeys]?: CredentialKeys }

/** Of a cut, after its key and its end: the number in two words, whether a session is spared, and the key of that one. */
const cutWords = 3 + keyWords
const sparedAt = 3

/**
 * The revocations in force, in this process's memory. It answers; keeping it current is its owner's task. An entry lasts to the
 * end of its last second, and is answered by until `purge` is told of a later time.
 */
export class Replica {
  /** Each kind by itself: a look-up does not go through memory for a kind of which little is revoked. */
  readonly #sids = new KeyTable()
  readonly #jtis = new KeyTable()
  readonly #cuts = new KeyTable({ payloadWords: cutWords, slots: 1024 })
  readonly #key = new Int32Array(keyWords)
  readonly #keysOfOthers: CredentialKeys = new Int32Array(credentialKeysLength)
  #belowEpoch = 0
  #allUntilMs = 0

  /** In force; some that ended a short time ago may still count. */
  get size (): number {
    return this.#sids.size + this.#jtis.size + this.#cuts.size
  }

  get byteLength (): number {
    return this.#sids.byteLength + this.#jtis.byteLength + this.#cuts.byteLength
  }

  add (revocation: Revocation): void {
    const key = this.#key
    switch (revocation.kind) {
      case 'sid':
        writeSidKey(revocation.sid, key, 0)
        return this.#sids.raise(key, 0, endSeconds(revocation))
      case 'jti':
        writeKeyText(revocation.tokenKey, key, 0)
        return this.#jtis.raise(key, 0, endSeconds(revocation))
      case 'subject': return this.#addCut(revocation)
      case 'all':
        this.#belowEpoch = Math.max(this.#belowEpoch, revocation.belowEpoch)
        this.#allUntilMs = Math.max(this.#allUntilMs, revocation.expiresAtMs)
    }
  }

  /** A `jti` that was revoked without an issuer is revoked whoever issued it. */
  isRevoked (claims: Revocable): boolean {
    const { jti, sid, subject, epoch } = claims
    if (epoch !== null && !(epoch >= this.#belowEpoch)) return true
    if (this.size === 0) return false
    const keys = claims[credentialKeys] ?? this.#computeKeys(claims)
    if (sid !== null && this.#sids.has(keys, sidKeyAt)) return true
    if (jti !== null && (this.#jtis.has(keys, jtiKeyAt) || this.#jtis.has(keys, anyJtiKeyAt))) return true
    return epoch !== null && subject !== null && this.#isCut(keys, sid !== null, epoch)
  }

  /** Whether it is known already, for a `jti` for as long: how long the end of a session is known, nothing changes. */
  has (revocation: Revocation): boolean {
    const key = this.#key
    switch (revocation.kind) {
      case 'sid':
        writeSidKey(revocation.sid, key, 0)
        return this.#sids.has(key, 0)
      case 'jti': {
        writeKeyText(revocation.tokenKey, key, 0)
        const found = this.#jtis.find(key, 0)
        return found >= 0 && this.#jtis.endOf(this.#jtis.cells, found) >= endSeconds(revocation)
      }
      case 'subject': return this.#hasCut(revocation)
      case 'all': return this.#belowEpoch >= revocation.belowEpoch
    }
  }

  /** Forgets what no living credential can be concerned by any more. Never takes long; memory comes back over several calls. */
  purge (nowMs: number): void {
    const nowSeconds = Math.floor(nowMs / 1000)
    for (const table of [this.#sids, this.#jtis, this.#cuts]) table.expire(nowSeconds)
  }

  /**
   * What is known here and in force, and not in the other one: in parts that take less than a millisecond each. Until the last one
   * `purge` must not be called.
   */
  * missingFrom (other: Replica): Generator<Revocation[]> {
    for (const { cells, entries } of this.#sids.segments()) {
      yield entries.filter(at => !other.#sids.has(cells, at)).map(at => ({ kind: 'sid', sid: keyTextAt(cells, at), expiresAtMs: this.#sids.endOf(cells, at) * 1000 }))
    }
    for (const { cells, entries } of this.#jtis.segments()) {
      yield entries.filter(at => !other.#jtis.has(cells, at)).map(at => ({ kind: 'jti', tokenKey: keyTextAt(cells, at), expiresAtMs: this.#jtis.endOf(cells, at) * 1000 }))
    }
    for (const { cells, entries } of this.#cuts.segments()) {
      yield entries.map(at => this.#cutAt(cells, at)).filter(cut => !other.#hasCut(cut))
    }
    if (this.#belowEpoch > other.#belowEpoch) yield [{ kind: 'all', belowEpoch: this.#belowEpoch, expiresAtMs: this.#allUntilMs }]
  }

  /**
   * A later cut says all that an earlier one said: what the earlier one spared, it spares only by name. The same number twice
   * means that the store has lost the earlier one, so the later one is the truth.
   */
  #addCut (cut: SubjectCut): void {
    if (this.#hasCut({ ...cut, belowEpoch: cut.belowEpoch + 1 })) return
    const key = this.#key
    writeKeyText(cut.subjectKey, key, 0)
    const at = this.#cuts.put(key, 0, endSeconds(cut))
    const { cells } = this.#cuts
    cells[at] = Math.floor(cut.belowEpoch / 2 ** 32)
    cells[at + 1] = cut.belowEpoch
    cells[at + 2] = cut.exceptSid === null ? 0 : 1
    if (cut.exceptSid === null) cells.fill(0, at + sparedAt, at + cutWords)
    else writeSidKey(cut.exceptSid, cells, at + sparedAt)
  }

  /** Whether it or a later one is known. */
  #hasCut ({ subjectKey, belowEpoch }: SubjectCut): boolean {
    writeKeyText(subjectKey, this.#key, 0)
    const found = this.#cuts.find(this.#key, 0)
    return found >= 0 && epochAt(this.#cuts.cells, this.#cuts.payloadOf(found)) >= belowEpoch
  }

  #cutAt (cells: Int32Array, at: number): SubjectCut {
    const payload = this.#cuts.payloadOf(at)
    return {
      kind: 'subject',
      subjectKey: keyTextAt(cells, at),
      belowEpoch: epochAt(cells, payload),
      exceptSid: cells[payload + 2] === 0 ? null : keyTextAt(cells, payload + sparedAt),
      expiresAtMs: this.#cuts.endOf(cells, at) * 1000
    }
  }

  #isCut (keys: CredentialKeys, hasSid: boolean, epoch: number): boolean {
    const found = this.#cuts.find(keys, subjectKeyAt)
    if (found < 0) return false
    const at = this.#cuts.payloadOf(found)
    const { cells } = this.#cuts
    if (epoch >= epochAt(cells, at)) return false
    return !hasSid || cells[at + 2] === 0 || !isSame(cells, at + sparedAt, keys, sidKeyAt)
  }

  /** Only until the next look-up. */
  #computeKeys ({ issuer, jti, sid, subject, epoch }: CredentialClaims): CredentialKeys {
    for (const text of [issuer, jti, sid, subject]) if (text !== null && typeof text !== 'string') throw new ClaimsUnidentifiableError({ cause: new Error('claims are texts or null') })
    const keys = this.#keysOfOthers
    writeKeys({ issuer, jti: this.#jtis.size === 0 ? null : jti, sid, subject: this.#cuts.size === 0 ? null : subject, epoch }, keys)
    return keys
  }
}

/** Of a cut, by its payload. */
function epochAt (cells: Int32Array, at: number): number {
  return cells[at]! * 2 ** 32 + (cells[at + 1]! >>> 0)
}

/** Never too early. */
function endSeconds ({ expiresAtMs }: Revocation): number {
  return Math.min(Math.ceil(expiresAtMs / 1000), forever)
}

function isSame (one: Int32Array, at: number, other: Int32Array, otherAt: number): boolean {
  for (let word = 0; word < keyWords; word++) if (one[at + word] !== other[otherAt + word]) return false
  return true
}

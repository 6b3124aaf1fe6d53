import type { CredentialClaims, Revocation } from '../stores/store.ts'
import { forever, keyWords, KeyTable } from './key-table.ts'
import { anyJtiKeyAt, credentialKeys, credentialKeysLength, jtiKeyAt, sidKeyAt, subjectKeyAt, writeJtiKey, writeKeys, writeSidKey, writeSubjectKey, type CredentialKeys } from './revocation-keys.ts'

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
  /** Whoever issued them. */
  readonly #anyJtis = new KeyTable()
  readonly #cuts = new KeyTable({ payloadWords: cutWords, slots: 1024 })
  readonly #key = new Int32Array(keyWords)
  readonly #keysOfOthers: CredentialKeys = new Int32Array(credentialKeysLength)
  #belowEpoch = 0

  /** In force; some that ended a short time ago may still count. */
  get size (): number {
    return this.#sids.size + this.#jtis.size + this.#anyJtis.size + this.#cuts.size
  }

  get byteLength (): number {
    return this.#sids.byteLength + this.#jtis.byteLength + this.#anyJtis.byteLength + this.#cuts.byteLength
  }

  add (revocation: Revocation): void {
    const key = this.#key
    switch (revocation.kind) {
      case 'sid':
        writeSidKey(revocation.sid, key, 0)
        return this.#sids.raise(key, 0, endSeconds(revocation))
      case 'jti':
        writeJtiKey(revocation.issuer, revocation.jti, key, 0)
        return (revocation.issuer === '' ? this.#anyJtis : this.#jtis).raise(key, 0, endSeconds(revocation))
      case 'subject': return this.#addCut(revocation)
      case 'all': this.#belowEpoch = Math.max(this.#belowEpoch, revocation.belowEpoch)
    }
  }

  /** A `jti` that was revoked without an issuer is revoked whoever issued it. */
  isRevoked (claims: Revocable): boolean {
    const { jti, sid, subject, epoch } = claims
    if (epoch !== null && epoch < this.#belowEpoch) return true
    if (this.size === 0) return false
    const keys = claims[credentialKeys] ?? this.#computeKeys(claims)
    if (sid !== null && this.#sids.has(keys, sidKeyAt)) return true
    if (jti !== null && (this.#jtis.has(keys, jtiKeyAt) || this.#anyJtis.has(keys, anyJtiKeyAt))) return true
    return epoch !== null && subject !== null && this.#isCut(keys, sid !== null, epoch)
  }

  /** Forgets what no living credential can be concerned by any more. Never takes long; memory comes back over several calls. */
  purge (nowMs: number): void {
    const nowSeconds = Math.floor(nowMs / 1000)
    for (const table of [this.#sids, this.#jtis, this.#anyJtis, this.#cuts]) table.expire(nowSeconds)
  }

  /**
   * A later cut says all that an earlier one said: what the earlier one spared, it spares only by name. The same number twice
   * means that the store has lost the earlier one, so the later one is the truth.
   */
  #addCut (cut: SubjectCut): void {
    const key = this.#key
    writeSubjectKey(cut.subject, key, 0)
    const known = this.#cuts.find(key, 0)
    if (known >= 0 && this.#epochAt(this.#cuts.payloadOf(known)) > cut.belowEpoch) return
    const at = this.#cuts.put(key, 0, endSeconds(cut))
    const { cells } = this.#cuts
    cells[at] = Math.floor(cut.belowEpoch / 2 ** 32)
    cells[at + 1] = cut.belowEpoch
    cells[at + 2] = cut.exceptSid === null ? 0 : 1
    if (cut.exceptSid === null) cells.fill(0, at + sparedAt, at + cutWords)
    else writeSidKey(cut.exceptSid, cells, at + sparedAt)
  }

  #isCut (keys: CredentialKeys, hasSid: boolean, epoch: number): boolean {
    const found = this.#cuts.find(keys, subjectKeyAt)
    if (found < 0) return false
    const at = this.#cuts.payloadOf(found)
    if (epoch >= this.#epochAt(at)) return false
    const { cells } = this.#cuts
    return !hasSid || cells[at + 2] === 0 || !isSame(cells, at + sparedAt, keys, sidKeyAt)
  }

  /** Only until the next look-up. */
  #computeKeys ({ issuer, jti, sid, subject, epoch }: CredentialClaims): CredentialKeys {
    const keys = this.#keysOfOthers
    writeKeys({
      issuer,
      jti: this.#jtis.size + this.#anyJtis.size === 0 ? null : jti,
      sid,
      subject: this.#cuts.size === 0 ? null : subject,
      epoch
    }, keys)
    return keys
  }

  /** In the cells of the cut that was found last. */
  #epochAt (at: number): number {
    const { cells } = this.#cuts
    return cells[at]! * 2 ** 32 + (cells[at + 1]! >>> 0)
  }
}

/** Never too early. */
function endSeconds ({ expiresAtMs }: Revocation): number {
  return Math.min(Math.ceil(expiresAtMs / 1000), forever)
}

function isSame (one: Int32Array, at: number, other: Int32Array, otherAt: number): boolean {
  for (let word = 0; word < keyWords; word++) if (one[at + word] !== other[otherAt + word]) return false
  return true
}

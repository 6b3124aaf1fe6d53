import type { CredentialClaims, Revocation } from './entries.ts'
import { anyJtiKeyAt, credentialKeys, credentialKeysLength, jtiKeyAt, keyTextAt, sidKeyAt, subjectKeyAt, writeKeys, writeKeyText, writeSidKey, type CredentialKeys } from './revocation-keys.ts'
import { ClaimsUnidentifiableError } from '../errors.ts'
import { forever, keyWords, KeyTable } from './key-table.ts'

type SubjectCut = Extract<Revocation, { kind: 'subject' }>

/** Claims, with their keys if `freezeWithKeys` stored them. Without stored keys, a lookup computes hashes. */
type Revocable = CredentialClaims & { readonly [credentialKeys]?: CredentialKeys }

/** Payload of a cut: the epoch in two words, a flag that is set if a session is spared, and the key of that session. */
const cutWords = 3 + keyWords
const sparedAt = 3

/**
 * The revocations in force, in the memory of one process. The owner of the replica keeps it current. An entry is in force until the end of
 * its last second, and until `purge` is called with a later time.
 */
export class Replica {
  /** Each kind has a separate table, so that a lookup of a kind with few revocations reads little memory. */
  readonly #sids = new KeyTable()
  readonly #jtis = new KeyTable()
  readonly #cuts = new KeyTable({ payloadWords: cutWords, slots: 1024 })
  readonly #key = new Int32Array(keyWords)
  readonly #keysOfOthers: CredentialKeys = new Int32Array(credentialKeysLength)
  #belowEpoch = 0
  #allUntilMs = 0

  /** Number of revocations in force, and of some that ended recently. */
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

  /** Returns whether the claims are revoked. A `jti` that was revoked without an issuer is revoked for every issuer. */
  isRevoked (claims: Revocable): boolean {
    const { jti, sid, subject, epoch } = claims
    if (epoch !== null && !(epoch >= this.#belowEpoch)) return true
    if (this.size === 0) return false
    const keys = claims[credentialKeys] ?? this.#computeKeys(claims)
    if (sid !== null && this.#sids.has(keys, sidKeyAt)) return true
    if (jti !== null && (this.#jtis.has(keys, jtiKeyAt) || this.#jtis.has(keys, anyJtiKeyAt))) return true
    return epoch !== null && subject !== null && this.#isCut(keys, sid !== null, epoch)
  }

  /**
   * Returns whether the revocation is already known. A `jti` must be known for at least as long; for a session, the known end does not
   * matter.
   */
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

  /** Removes revocations that no unexpired credential can match. It never takes long; memory is released over several calls. */
  purge (nowMs: number): void {
    const nowSeconds = Math.floor(nowMs / 1000)
    for (const table of [this.#sids, this.#jtis, this.#cuts]) table.expire(nowSeconds)
  }

  /**
   * Yields the revocations in force that `other` lacks, in parts that take less than a millisecond each. `purge` must not be called before
   * the last part.
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
   * Adds a cut. A later cut includes every earlier one, and spares only the session that it names itself. If both have the same epoch, the
   * store has lost the earlier cut, so the later one replaces it.
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

  /** Returns whether the cut or a later one is known. */
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

  /** Computes the keys of claims that carry none. They are valid until the next lookup. */
  #computeKeys ({ issuer, jti, sid, subject, epoch }: CredentialClaims): CredentialKeys {
    for (const text of [issuer, jti, sid, subject]) if (text !== null && typeof text !== 'string') throw new ClaimsUnidentifiableError({ cause: new Error('claims are texts or null') })
    const keys = this.#keysOfOthers
    writeKeys({ issuer, jti: this.#jtis.size === 0 ? null : jti, sid, subject: this.#cuts.size === 0 ? null : subject, epoch }, keys)
    return keys
  }
}

/** Reads the epoch of a cut from its payload. */
function epochAt (cells: Int32Array, at: number): number {
  return cells[at]! * 2 ** 32 + (cells[at + 1]! >>> 0)
}

/** Returns the end in seconds, rounded up so that no revocation ends early. */
function endSeconds ({ expiresAtMs }: Revocation): number {
  return Math.min(Math.ceil(expiresAtMs / 1000), forever)
}

function isSame (one: Int32Array, at: number, other: Int32Array, otherAt: number): boolean {
  for (let word = 0; word < keyWords; word++) if (one[at + word] !== other[otherAt + word]) return false
  return true
}

import { performance } from 'node:perf_hooks'
import { ConfigInvalidError, StoreUnavailableError } from '../../lib/errors.ts'
import { generateKey, importKey, type Jwk, type SigningAlgorithm, type SigningKey, openKey, sealKey, type SealedKeys, keptAt, signerAt } from '../../lib/jwt/signing-key.ts'
import type { DerivedSecret } from '../../lib/secrets.ts'
import { findDriver } from '../../stores/drivers.ts'
import type { KeyDocument, Store } from '../../stores/store.ts'

export interface Keys {
  /** Returns the key that signs now. */
  current (): SigningKey
  /** Signs the claims of an access token (RFC 9068, `typ` at+jwt) with that key. */
  sign (claims: object): string
  /** Returns the key of this id, if its tokens may still be valid; null otherwise. */
  find (kid: string): SigningKey | null
  /** Returns the public keys, current and still valid ones (RFC 7517). */
  jwks (): { keys: Jwk[] }
  /** Number that increases when the keys change. Results that were verified or signed with them before must then be checked again. */
  readonly version: number
  /** Time for which a new key is published before it signs. */
  readonly publishAheadMs: number
  /** Calls back after the keys have changed. */
  onChange (listener: () => void): void
  /** Appends a key that signs once every process and service knows it. */
  rotate (): Promise<SigningKey>
  /** Removes a key; its tokens are rejected in every process at once. Returns null if there is no such key. */
  revoke (kid: string): Promise<SigningKey | null>
  /** Reads the keys again, at most once a second, regardless of the number of calls. */
  reload (): Promise<void>
}

export interface KeyRingOptions {
  /** Secrets that open the keys; the first one seals. */
  secrets: [DerivedSecret, ...DerivedSecret[]]
  algorithm: SigningAlgorithm
  /** Maximum lifetime of a token after it was signed. */
  maxTokenAgeMs: number
  /** Time for which a new key is published before it signs. */
  publishAheadMs: number
}

const reloadEveryMs = 1000
const attempts = 5

/** The signing keys of the store, opened. Every change is one compare-and-set of the whole document. */
export class KeyRing implements Omit<Keys, 'sign'> {
  readonly #store: Store
  readonly #options: KeyRingOptions
  readonly #listeners: Array<() => void> = []
  #keys: SigningKey[] = []
  #version = -1
  #text = ''
  #reloading: Promise<void> | null = null
  #reloadedAtMs = -Infinity

  constructor (store: Store, options: KeyRingOptions) {
    this.#store = store
    this.#options = options
  }

  get version (): number {
    return this.#version
  }

  get publishAheadMs (): number {
    return this.#options.publishAheadMs
  }

  current (): SigningKey {
    const key = signerAt(this.#keys, this.#store.nowMs())
    if (key === undefined) throw new StoreUnavailableError({ cause: new Error('no signing key was read') })
    return key
  }

  find (kid: string): SigningKey | null {
    return this.#keys.find(key => key.kid === kid) ?? null
  }

  jwks (): { keys: Jwk[] } {
    return { keys: this.list().map(key => key.publicJwk) }
  }

  /** Returns the keys that sign, will sign, or may have signed tokens that are still valid, in the order in which they sign. */
  list (): SigningKey[] {
    return keptAt(this.#keys, this.#store.nowMs(), this.#options.maxTokenAgeMs)
  }

  onChange (listener: () => void): void {
    this.#listeners.push(listener)
  }

  async reload (): Promise<void> {
    if (performance.now() - this.#reloadedAtMs < reloadEveryMs) return
    this.#reloading ??= this.read().finally(() => { this.#reloading = null })
    await this.#reloading
  }

  /** Reads the keys now, even if they were just read. */
  async read (): Promise<void> {
    const document = await this.#store.readKeys()
    this.#reloadedAtMs = performance.now()
    if (this.#isBehind(document)) return await this.#change(() => null)
    if (document !== null && document.text !== this.#text) this.#set(document.version, this.#open(document.text), document.text)
  }

  /** Returns whether the store has lost its last write: a key with which current tokens are signed, or the revocation of a key. */
  #isBehind (document: KeyDocument | null): boolean {
    return this.#keys.length > 0 && (document?.version ?? 0) < this.#version
  }

  /**
   * Appends a key of the configured algorithm unless the newest one has it, and seals with the first secret what another one has sealed, so
   * that the other one can be removed later. A process that loses the race reads the winner's keys.
   */
  async ensureCurrent (): Promise<void> {
    const { algorithm, secrets: [sealing] } = this.#options
    await this.#change((keys, nowMs, text) => {
      if (keys.at(-1)?.algorithm !== algorithm) return [...keys, this.#make(nowMs, keys.length === 0 ? nowMs : nowMs + this.publishAheadMs)]
      const isSealedAnew = text !== null && sealedKeys(text).every(key => openKey([sealing], key) !== null)
      return isSealedAnew ? null : keys
    })
  }

  /** Appends a key that signs once every process knows it, unless one already waits. `olderThanMs` is the minimum age of the newest key. */
  async rotate (olderThanMs = 0): Promise<SigningKey> {
    await this.#change((keys, nowMs) => {
      const newest = keys.at(-1)
      const isDue = newest === undefined || (newest.signsFromMs <= nowMs && nowMs - newest.createdAtMs >= olderThanMs)
      return isDue ? [...keys, this.#make(nowMs, nowMs + this.publishAheadMs)] : null
    })
    return this.#newest()
  }

  /**
   * Removes a key, so that its tokens are rejected. If no remaining key may sign yet, a new one signs at once. Returns null if there is no
   * such key.
   */
  async revoke (kid: string): Promise<SigningKey | null> {
    let revoked: SigningKey | null = null
    await this.#change((keys, nowMs) => {
      revoked = keys.find(key => key.kid === kid) ?? null
      if (revoked === null) return null
      const rest = keys.filter(key => key.kid !== kid)
      return rest.some(key => key.signsFromMs <= nowMs) ? rest : insertSigner(rest, this.#make(nowMs, nowMs))
    })
    return revoked
  }

  #newest (): SigningKey {
    const newest = this.#keys.at(-1)
    if (newest === undefined) throw new StoreUnavailableError({ cause: new Error('no signing key was read') })
    return newest
  }

  #make (nowMs: number, signsFromMs: number): SigningKey {
    const { algorithm } = this.#options
    const key = importKey(generateKey(algorithm), algorithm, { createdAtMs: nowMs, signsFromMs })
    // A leading dash is avoided, because a command line would read it as an option.
    return key.kid.startsWith('-') ? this.#make(nowMs, signsFromMs) : key
  }

  /**
   * Writes the keys that `decide` returns; it returns null if they are right. If the store has lost keys, those that this process knows are
   * used, and are written again.
   */
  async #change (decide: (keys: SigningKey[], nowMs: number, text: string | null) => SigningKey[] | null): Promise<void> {
    const { secrets: [sealing], maxTokenAgeMs } = this.#options
    for (let attempt = 0; attempt < attempts; attempt++) {
      const document = await this.#store.readKeys()
      const nowMs = this.#store.nowMs()
      const version = document?.version ?? 0
      const isBehind = this.#isBehind(document)
      const known = isBehind ? this.#keys : document === null ? [] : this.#open(document.text)
      const decided = decide(known, nowMs, document?.text ?? null) ?? (isBehind ? known : null)
      if (decided === null) return this.#set(version, known, document?.text ?? '')
      const keys = keptAt(decided, nowMs, maxTokenAgeMs)
      const text = JSON.stringify({ keys: keys.map(key => sealKey(sealing, key)) } satisfies SealedKeys)
      if (await this.#store.writeKeys(version, text) === 'written') return this.#set(version + 1, keys, text)
    }
    throw new StoreUnavailableError({ cause: new Error('the signing keys are changed by others all the time') })
  }

  #set (version: number, keys: SigningKey[], text: string): void {
    this.#version = version
    // Listeners discard every verified token, so a read without a change, which happens once a minute, must not call them.
    if (text === this.#text) return
    this.#text = text
    this.#keys = keys
    for (const listener of this.#listeners) listener()
  }

  #open (text: string): SigningKey[] {
    return sealedKeys(text).map(sealed => {
      const key = openKey(this.#options.secrets, sealed)
      if (key === null) throw new ConfigInvalidError(findDriver(this.#store.type)?.sealedElsewhere ?? sealedElsewhere)
      return key
    })
  }
}

/** The error for stores of applications. */
const sealedElsewhere = 'secret: the signing keys in the store were sealed with another one; give that one too, after the new one'

function sealedKeys (text: string): SealedKeys['keys'] {
  return (JSON.parse(text) as SealedKeys).keys
}

/** Inserts a key before those that do not sign yet. */
function insertSigner (keys: SigningKey[], signer: SigningKey): SigningKey[] {
  return [...keys, signer].sort((a, b) => a.signsFromMs - b.signsFromMs)
}

import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { ConfigInvalidError, StoreUnavailableError } from '../lib/errors.ts'
import { generateKey, importKey, type Jwk, type SigningAlgorithm, type SigningKey } from '../lib/jws.ts'
import { openKey, sealKey, type SealedKeys } from '../lib/key-document.ts'
import { checkOptions } from '../lib/options.ts'
import { deriveSecret, type DerivedSecret } from '../lib/secrets.ts'
import type { Store } from '../stores/store.ts'
import { addPart } from './portcullis.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    /** The keys that sign access tokens. */
    keys: Keys
  }
}

export interface Keys {
  /** The key that signs now. */
  current (): SigningKey
  find (kid: string): SigningKey | null
  /** Public keys, current and still valid ones (RFC 7517). */
  jwks (): { keys: Jwk[] }
  /** Reads the keys again; at most once a second, however often it is called. */
  reload (): Promise<void>
}

export interface KeysOptions {
  /** Seals the keys wherever they are stored; at least 32 bytes, base64url. A list while it is changed: the first one seals. */
  secret: string | string[]
  /** Default ES256. */
  algorithm?: SigningAlgorithm
}

const Options = Type.Object({
  secret: Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], { errorMessage: 'must be a base64url text, or a list of them' }),
  algorithm: Type.Union([Type.Literal('ES256'), Type.Literal('EdDSA'), Type.Literal('RS256')], { default: 'ES256', errorMessage: 'must be ES256, EdDSA or RS256' })
}, { additionalProperties: false })

const reloadEveryMs = 1000
const attempts = 5

/** Keeps the signing keys in the store, sealed; makes the first one, once, however many processes start at the same time. */
export default fp<KeysOptions>(async function keysPlugin (fastify, options) {
  const { secret, algorithm } = checkOptions('portcullis-keys', Options, options)
  const ring = new KeyRing(fastify.portcullis.store, derive(secret), algorithm)
  await ring.ensureCurrent()
  addPart(fastify, 'keys', ring)
}, { name: 'portcullis-keys', fastify: '5.x', dependencies: ['portcullis-store'] })

function derive (secret: string | string[]): DerivedSecret[] {
  try {
    return [secret].flat().map(deriveSecret)
  } catch (cause) {
    throw new ConfigInvalidError('portcullis-keys: secret must have at least 32 bytes, base64url: make one with `openssl rand -base64 32 | tr +/ -_ | tr -d =`', { cause })
  }
}

class KeyRing implements Keys {
  readonly #store: Store
  readonly #secrets: DerivedSecret[]
  readonly #algorithm: SigningAlgorithm
  #keys: SigningKey[] = []
  #reloading: Promise<void> | null = null
  #reloadedAtMs = -Infinity

  constructor (store: Store, secrets: DerivedSecret[], algorithm: SigningAlgorithm) {
    this.#store = store
    this.#secrets = secrets
    this.#algorithm = algorithm
  }

  current (): SigningKey {
    const key = this.#keys.at(-1)
    if (key === undefined) throw new StoreUnavailableError({ cause: new Error('no signing key was read') })
    return key
  }

  find (kid: string): SigningKey | null {
    return this.#keys.find(key => key.kid === kid) ?? null
  }

  jwks (): { keys: Jwk[] } {
    return { keys: this.#keys.map(key => key.publicJwk) }
  }

  async reload (): Promise<void> {
    if (performance.now() - this.#reloadedAtMs < reloadEveryMs) return
    this.#reloading ??= this.#read().then(() => { this.#reloadedAtMs = performance.now() }).finally(() => { this.#reloading = null })
    await this.#reloading
  }

  /**
   * Appends a key of the configured algorithm unless the newest is one, and seals with the first secret what another one has
   * sealed, so that the other can be dropped one day. A process that loses the race reads the winner's.
   */
  async ensureCurrent (): Promise<void> {
    const [sealing] = this.#secrets
    if (sealing === undefined) throw new ConfigInvalidError('portcullis-keys: secret must not be an empty list')
    for (let attempt = 0; attempt < attempts; attempt++) {
      const { version, keys: sealed } = await this.#read()
      const isCurrent = this.#keys.at(-1)?.algorithm === this.#algorithm
      if (isCurrent && sealed.every(key => openKey([sealing], key) !== null)) return
      const keys = isCurrent ? this.#keys : [...this.#keys, importKey(generateKey(this.#algorithm), this.#algorithm, this.#store.nowMs())]
      const outcome = await this.#store.writeKeys(version, JSON.stringify({ keys: keys.map(key => sealKey(sealing, key)) } satisfies SealedKeys))
      if (outcome === 'written') {
        this.#keys = keys
        return
      }
    }
    throw new StoreUnavailableError({ cause: new Error('the signing keys are changed by others all the time') })
  }

  async #read (): Promise<{ version: number, keys: SealedKeys['keys'] }> {
    const document = await this.#store.readKeys()
    if (document === null) return { version: 0, keys: [] }
    const { keys } = JSON.parse(document.text) as SealedKeys
    this.#keys = keys.map(sealed => {
      const key = openKey(this.#secrets, sealed)
      if (key === null) throw new ConfigInvalidError('secret: the signing keys in the store were sealed with another one; give that one too, after the new one')
      return key
    })
    return { version: document.version, keys }
  }
}

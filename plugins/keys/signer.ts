import jwt, { type JWT } from '@fastify/jwt'
import Fastify from 'fastify'
import type { SigningKey } from '../../lib/jwt/signing-key.ts'
import type { Keys } from './key-ring.ts'

interface Kept { kid: string, jwt: JWT }

/**
 * Signs the gateway's tokens with @fastify/jwt. The plugin keeps the key with which it is registered. A key passed with a call is decoded by each
 * call, which costs as much as the signature, so the plugin is registered again when another key has begun to sign.
 */
export class TokenSigner {
  readonly #keys: Pick<Keys, 'current'>
  readonly #onError: (error: unknown) => void
  #kept: Kept
  #nextKid: string | null = null

  private constructor (keys: Pick<Keys, 'current'>, onError: (error: unknown) => void, kept: Kept) {
    this.#keys = keys
    this.#onError = onError
    this.#kept = kept
  }

  /** Creates the signer. `onError` is called if a key cannot be kept; the key still signs, more slowly. */
  static async create (keys: Pick<Keys, 'current'>, onError: (error: unknown) => void): Promise<TokenSigner> {
    return new TokenSigner(keys, onError, await keep(keys.current()))
  }

  sign (claims: object): string {
    const key = this.#keys.current()
    if (key.kid === this.#kept.kid) return this.#kept.jwt.sign(claims)
    if (key.kid !== this.#nextKid) this.#change(key)
    return this.#kept.jwt.sign(claims, { key: key.privatePem, ...signOptions(key) })
  }

  #change (key: SigningKey): void {
    this.#nextKid = key.kid
    keep(key).then(kept => { if (kept.kid === this.#nextKid) this.#kept = kept }, this.#onError)
  }
}

/**
 * Registers the plugin on a separate server that never listens: a listening server accepts no more plugins, and the application's own
 * @fastify/jwt finds the names free.
 */
async function keep (key: SigningKey): Promise<Kept> {
  const secret = { private: key.privatePem, public: key.publicKey.export({ type: 'spki', format: 'pem' }) as string }
  const server = Fastify()
  await server.register(jwt, { secret, sign: signOptions(key) })
  return { kid: key.kid, jwt: server.jwt }
}

function signOptions ({ algorithm, kid }: SigningKey) {
  return { algorithm, kid, header: { alg: algorithm, typ: 'at+jwt' } }
}

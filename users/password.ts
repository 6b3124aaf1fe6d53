import * as crypto from 'node:crypto'
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

export interface ScryptCost {
  /** The base-2 logarithm of N. */
  ln: number
  r: number
  p: number
}

/** The algorithm and the parameters of a stored hash, its salt and its digest. */
export type PasswordHash =
  | { algorithm: 'scrypt', cost: ScryptCost, salt: Buffer, hash: Buffer }
  | { algorithm: 'argon2id', cost: { memoryKib: number, passes: number, parallelism: number }, salt: Buffer, hash: Buffer }

/** The longest password, in bytes of UTF-8: at sign-in a longer one is refused without hashing. */
export const maxPasswordBytes = 1024

const defaultCost: ScryptCost = { ln: 15, r: 8, p: 3 }
// Other programs may write the users file, so this bounds the memory and the time that a hash may take.
const maxMemoryKib = 256 * 1024
const maxScryptWork = 2 ** 24
const maxArgon2Work = 2 ** 21

const scryptAsync = promisify(scrypt as (password: string, salt: Buffer, length: number, options: object, done: (error: Error | null, key: Buffer) => void) => void)

/** Makes a new scrypt hash in PHC form: `$scrypt$ln=15,r=8,p=3$salt$hash`. */
export async function hashPassword (password: string, cost: ScryptCost = defaultCost): Promise<string> {
  const salt = randomBytes(16)
  const hash = await derive({ algorithm: 'scrypt', cost, salt, hash: Buffer.alloc(32) }, password)
  return formatPasswordHash({ algorithm: 'scrypt', cost, salt, hash })
}

/** Resolves to whether the password matches the hash; false for a text that is not a hash. */
export async function verifyPassword (password: string, text: string): Promise<boolean> {
  const stored = parsePasswordHash(text)
  return stored !== null && timingSafeEqual(await derive(stored, password), stored.hash)
}

export function isPasswordHash (text: string): boolean {
  return parsePasswordHash(text) !== null
}

/**
 * Returns whether the hash costs less to guess than the minimum of the OWASP Password Storage Cheat Sheet; false for a text that is
 * not a hash.
 */
export function isQuickToGuess (text: string): boolean {
  const stored = parsePasswordHash(text)
  if (stored === null) return false
  if (stored.algorithm === 'scrypt') return 2 ** stored.cost.ln * stored.cost.r * stored.cost.p < 2 ** 13 * 8 * 10
  return stored.cost.memoryKib < 7168 || stored.cost.memoryKib * stored.cost.passes < 7168 * 5
}

/** Returns a hash that no password matches and that takes as long to verify as the given one. */
export function decoyOf (text: string): string {
  const stored = parsePasswordHash(text)
  if (stored === null) throw new RangeError('not a password hash')
  return formatPasswordHash({ ...stored, salt: randomBytes(stored.salt.length), hash: randomBytes(stored.hash.length) })
}

/** Returns a decoy at the cost of new hashes. */
export function defaultDecoy (): string {
  return formatPasswordHash({ algorithm: 'scrypt', cost: defaultCost, salt: randomBytes(16), hash: randomBytes(32) })
}

function derive ({ algorithm, cost, salt, hash }: PasswordHash, password: string): Promise<Buffer> {
  // Keyboards differ in how they compose an accented letter.
  const message = password.normalize('NFC')
  if (algorithm === 'scrypt') {
    const N = 2 ** cost.ln
    return scryptAsync(message, salt, hash.length, { N, r: cost.r, p: cost.p, maxmem: 128 * cost.r * (N + cost.p + 2) })
  }
  // A named import would fail on the older Node on which the plugins run: Node has argon2 since 24.7.
  return promisify(crypto.argon2)('argon2id', { message, nonce: salt, parallelism: cost.parallelism, tagLength: hash.length, memory: cost.memoryKib, passes: cost.passes })
}

function parsePasswordHash (text: string): PasswordHash | null {
  const parsed = parseScrypt(text) ?? parseArgon2(text)
  if (parsed === null) return null
  const { salt, hash } = parsed
  return salt.length >= 8 && salt.length <= 64 && hash.length >= 16 && hash.length <= 64 ? parsed : null
}

function parseScrypt (text: string): PasswordHash | null {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(text)
  if (match === null) return null
  const [ln, r, p] = match.slice(1, 4).map(Number) as [number, number, number]
  const blocks = 2 ** ln * r
  if (ln < 1 || r < 1 || p < 1 || blocks / 8 > maxMemoryKib || blocks * p > maxScryptWork) return null
  return { algorithm: 'scrypt', cost: { ln, r, p }, salt: decode(match[4]!), hash: decode(match[5]!) }
}

function parseArgon2 (text: string): PasswordHash | null {
  const match = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(text)
  if (match === null) return null
  const [memoryKib, passes, parallelism] = match.slice(1, 4).map(Number) as [number, number, number]
  if (parallelism < 1 || passes < 1 || memoryKib < 8 * parallelism || memoryKib > maxMemoryKib || memoryKib * passes > maxArgon2Work) return null
  return { algorithm: 'argon2id', cost: { memoryKib, passes, parallelism }, salt: decode(match[4]!), hash: decode(match[5]!) }
}

function formatPasswordHash ({ algorithm, cost, salt, hash }: PasswordHash): string {
  const costs = algorithm === 'scrypt' ? `ln=${cost.ln},r=${cost.r},p=${cost.p}` : `v=19$m=${cost.memoryKib},t=${cost.passes},p=${cost.parallelism}`
  return `$${algorithm}$${costs}$${encode(salt)}$${encode(hash)}`
}

function decode (text: string): Buffer {
  return Buffer.from(text, 'base64')
}

/** Encodes in base64 without padding, as PHC strings require. */
function encode (bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '')
}

import { createHash } from 'node:crypto'
import { seal, unseal, type DerivedSecret } from '../secrets.ts'

/*
 * A sign-in at an identity provider, from the redirect to the provider until its answer. A sealed cookie of the browser carries it, and no
 * store holds it: the browser can neither read nor change it. It opens only at the origin and the routes that began it.
 */

export interface LoginTransaction {
  /** Name of the provider that was asked, which alone may answer. */
  provider: string
  state: string
  nonce: string
  codeVerifier: string
  /** Path to return to, with its query and fragment; null for the default. */
  returnTo: string | null
  /** Time at which the sign-in began, by the store's clock. */
  beganAtMs: number
  demands: { prompt?: 'login', maxAgeSeconds?: number, acrValues?: readonly string[] }
  /** Session that the authentication strengthens; null for a sign-in, which opens a session. */
  stepUpSid: string | null
  /** Number of times that the sign-in was started again. */
  restarts: number
}

export type ParsedTransaction =
  | { result: 'genuine', transaction: LoginTransaction }
  /** The transaction was sealed under a secret that this process does not have (yet). The client is not at fault. */
  | { result: 'unknown-key' }
  | { result: 'forged' }

/** Place for which a transaction opens. */
export interface TransactionBinding {
  origin: string
  /** Prefix of the routes. */
  prefix: string
}

/** Time within which the answer of a provider is accepted, in milliseconds. */
export const loginLifetimeMs = 600_000

/** Maximum length of `returnTo`: browsers keep no cookie of more than 4096 bytes. A sign-in with a longer one returns to the default. */
export const longestReturnTo = 1800

/** Maximum number of sign-ins that a browser may have under way, and the size of their cookies together, in bytes. */
const mostLogins = 5
const mostLoginBytes = 4096

const pattern = /^[A-Za-z0-9_-]{44,4096}$/

/** Returns the id that names the cookie of a transaction. It reveals nothing about the `state`. */
export function loginIdOf (state: string): string {
  return createHash('sha256').update(`login ${state}`).digest('hex').slice(0, 16)
}

export function formatTransaction (secret: DerivedSecret, transaction: LoginTransaction, binding: TransactionBinding): string {
  return seal(secret, JSON.stringify(transaction), contextOf(loginIdOf(transaction.state), binding), 'loginKey')
}

/** Opens the value of the cookie with this id. The caller checks whether the transaction has expired or was used. */
export function parseTransaction (secrets: readonly DerivedSecret[], id: string, value: string, binding: TransactionBinding): ParsedTransaction {
  if (!pattern.test(value)) return { result: 'forged' }
  const secretId = Buffer.from(value.slice(0, 6), 'base64url').subarray(0, 4)
  if (!secrets.some(secret => secret.id.equals(secretId))) return { result: 'unknown-key' }
  const text = unseal(secrets, value, contextOf(id, binding), 'loginKey')
  return text === null ? { result: 'forged' } : { result: 'genuine', transaction: JSON.parse(text) as LoginTransaction }
}

function contextOf (id: string, { origin, prefix }: TransactionBinding): string {
  return `login v1 ${origin} ${prefix} ${id}`
}

/** A sealed transaction that a browser has sent: its id, the size of its cookie, and when it began; null if it is of no more use. */
export interface KnownLogin {
  id: string
  bytes: number
  beganAtMs: number | null
}

/** Returns the ids of the transactions that must go so that another one of `bytes` has room: those of no use, and then the oldest. */
export function loginsToRemove (known: readonly KnownLogin[], bytes: number): string[] {
  const newestFirst = known.toSorted((one, other) => (other.beganAtMs ?? 0) - (one.beganAtMs ?? 0))
  let count = 1
  let total = bytes
  return newestFirst.filter(({ bytes, beganAtMs }) => {
    if (beganAtMs === null || count === mostLogins || total + bytes > mostLoginBytes) return true
    count++
    total += bytes
    return false
  }).map(({ id }) => id)
}

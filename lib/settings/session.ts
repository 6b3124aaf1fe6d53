import { Type } from '@sinclair/typebox'
import { count, duration, group } from './fields.ts'

const { Optional } = Type

/** Lifetimes of a sign-in, which a cookie or a refresh token carries. */
export const lifetimes = {
  /** Maximum time between two uses. */
  idleTimeout: Optional(duration({ description: 'A session ends when it is unused for this long.', default: '30m', minimum: '1s', maximum: '365d' })),
  /** Maximum lifetime of a session, even if it is in use. */
  absoluteTimeout: Optional(duration({ description: 'A session ends this long after sign-in, even if it is in use.', default: '24h', minimum: '1s', maximum: '365d' })),
  /** Maximum number of sessions of one subject; a further sign-in closes the oldest. 1 to 1000. */
  maxPerSubject: Optional(count({ description: 'Maximum number of sessions of one subject; a further sign-in closes the oldest.', default: 20, minimum: 1, maximum: 1000, hard: true }))
}

/** The settings of sessions that a cookie carries. */
export const cookieSession = {
  ...lifetimes,
  /** Maximum number of sessions that one process caches. */
  cacheSize: Optional(count({ description: 'Sessions that one process caches, about 1.8 kB each; the least recently used are dropped first. Uncached sessions are read from the store at each use.', default: 20_000, minimum: 1, maximum: 10_000_000 }))
}

export const deviceBound = group({
  /** Lifetime of a device cookie, and so of stolen cookies. 1s to 1h. */
  cookieTtl: Optional(duration({ description: 'Lifetime of the device cookie, and so of stolen cookies.', default: '5m', minimum: '1s', maximum: '1h', hard: true }))
}, { description: 'Binds sessions to a key that does not leave the device, in browsers that support it (Device Bound Session Credentials); off when absent.' })

export const session = group({ ...cookieSession, deviceBound: Optional(deviceBound) }, { description: 'Lifetimes of sessions.', default: {} })

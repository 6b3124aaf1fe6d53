import { Type } from '@sinclair/typebox'
import { count, duration, group } from './fields.ts'

const { Optional } = Type

/** How long a sign-in lasts, whether a cookie or a refresh token carries it. */
export const lifetimes = {
  /** Longest time between two uses. */
  idleTimeout: Optional(duration({ description: 'A session ends when it is unused for this long.', default: '30m', minimum: '1s', maximum: '365d' })),
  /** Longest life of a session, however much it is used. */
  absoluteTimeout: Optional(duration({ description: 'A session ends this long after sign-in, even if it is in use.', default: '24h', minimum: '1s', maximum: '365d' })),
  /** At this many sessions of one subject the oldest is closed. 1 to 1000. */
  maxPerSubject: Optional(count({ description: 'Maximum number of sessions of one subject; a further sign-in closes the oldest.', default: 20, minimum: 1, maximum: 1000, hard: true }))
}

/** The settings of sessions that a cookie carries. */
export const cookieSession = {
  ...lifetimes,
  /** Sessions that are remembered in this process at most. */
  cacheSize: Optional(count({ description: 'Sessions that one process caches, about 1.8 kB each; the least recently used are dropped first. Uncached sessions are read from the store at each use.', default: 20_000, minimum: 1, maximum: 10_000_000 }))
}

export const deviceBound = group({
  /** How long a device cookie is good: how long stolen cookies are. 1s to 1h. */
  cookieTtl: Optional(duration({ description: 'Lifetime of the device cookie, and so of stolen cookies.', default: '5m', minimum: '1s', maximum: '1h', hard: true }))
}, { description: 'Binds sessions to a key that does not leave the device, in browsers that support it (Device Bound Session Credentials); off when absent.' })

export const session = group({ ...cookieSession, deviceBound: Optional(deviceBound) }, { description: 'Lifetimes of sessions.', default: {} })

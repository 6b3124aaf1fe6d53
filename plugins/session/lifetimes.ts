import type { FastifyInstance, FastifyReply } from 'fastify'
import { ConfigInvalidError } from '../../lib/errors.ts'
import { publish, sourceOf } from '../../lib/events.ts'
import type { SessionMode, SessionRecord } from '../../lib/session/record.ts'
import { describeSignIn, type SignIn } from '../../lib/session/sign-in.ts'
import { addPart, partOrNull, partsAlike, scopeParts, type Portcullis } from '../portcullis.ts'
import { assertNoCookieTwice } from './presented.ts'

declare module '../portcullis.ts' {
  interface Portcullis {
    /** How long sessions last, whether a cookie or a refresh token carries them. */
    lifetimes: Lifetimes
  }
}

export interface Lifetimes {
  /** Longest time between two uses. */
  readonly idleTimeoutMs: number
  /** Longest life of a session, however much it is used. */
  readonly absoluteTimeoutMs: number
  /** At this many sessions of one subject the oldest is closed. */
  readonly maxPerSubject: number
  /** The plugin that was registered first, and decides. */
  readonly plugin: string
}

const members = { idleTimeout: 'idleTimeoutMs', absoluteTimeout: 'absoluteTimeoutMs', maxPerSubject: 'maxPerSubject' } as const

/**
 * Returns the lifetimes of the sessions of a scope. The first plugin that is registered decides them for every scope with the same store
 * and cookies. Throws ConfigInvalidError when a later one is given (`given`: its options, as they were written) another lifetime: one
 * session would live by two rules.
 */
export function lifetimesOf (fastify: FastifyInstance, plugin: string, given: object, checked: Omit<Lifetimes, 'plugin'>): Lifetimes {
  const { idleTimeoutMs, absoluteTimeoutMs, maxPerSubject } = checked
  if (idleTimeoutMs === 0 || idleTimeoutMs > absoluteTimeoutMs) throw new ConfigInvalidError(`${plugin}: idleTimeout must be above 0 and at most absoluteTimeout`)
  const parts = scopeParts(fastify)
  const [known] = partsAlike(parts, 'lifetimes')
  for (const [option, member] of known === undefined ? [] : Object.entries(members)) {
    if ((given as Record<string, unknown>)[option] === undefined || checked[member] === known![member]) continue
    throw new ConfigInvalidError(`${plugin}: ${option} is not that of ${known!.plugin}, which is about the same sessions; leave it out here, or give both the same`)
  }
  const lifetimes = known ?? { idleTimeoutMs, absoluteTimeoutMs, maxPerSubject, plugin }
  if (partOrNull(parts, 'lifetimes') === null) addPart(fastify, 'lifetimes', lifetimes)
  return lifetimes
}

export interface OpenOptions {
  mode: SessionMode
  secretHash: string | null
  lifetimes: Lifetimes
}

/** Opens the record of a session for a subject that has just authenticated, and closes the oldest ones of a subject that has too many. */
export async function openRecord ({ request }: FastifyReply, signIn: SignIn, { mode, secretHash, lifetimes }: OpenOptions, parts: Pick<Portcullis, 'store' | 'cookies' | 'blocklist'>): Promise<SessionRecord> {
  const { store, cookies, blocklist } = parts
  assertNoCookieTwice(request, parts)
  const { record, closed } = await store.open({
    ...describeSignIn(request, signIn),
    origin: cookies.origin,
    mode,
    secretHash,
    absoluteTimeoutMs: lifetimes.absoluteTimeoutMs,
    maxPerSubject: lifetimes.maxPerSubject,
    maxTokenAgeMs: blocklist.maxTokenAgeMs
  })
  for (const sid of closed) {
    blocklist.note({ kind: 'sid', sid, expiresAtMs: store.nowMs() + blocklist.maxTokenAgeMs })
    publish({ event: 'session.closed', sid, subject: record.subject, ...sourceOf(request), outcome: 'limit' }, parts)
  }
  return record
}

import type { TObject } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { ConfigInvalidError } from '../../lib/errors.ts'
import { publish, sourceOf } from '../../lib/events.ts'
import type { SessionMode, SessionRecord } from '../../lib/session/record.ts'
import { describeSignIn, type SignIn } from '../../lib/session/sign-in.ts'
import { decodedName, type Decoded } from '../../lib/settings/decode.ts'
import { lifetimes as settings } from '../../lib/settings/session.ts'
import type { OpenSession } from '../../stores/store.ts'
import { addPart, partOrNull, partsAlike, scopeParts, type Portcullis } from '../portcullis.ts'
import { assertNoCookieTwice } from './carried-sessions.ts'

declare module '../portcullis.ts' {
  interface Portcullis {
    /** Lifetimes of sessions, whether a cookie or a refresh token carries them. */
    lifetimes: Lifetimes
  }
}

type Checked = Decoded<TObject<typeof settings>>

/** Lifetimes of sessions, as lib/settings/session.ts describes them. */
export interface Lifetimes extends Readonly<Checked> {
  /** Plugin that was registered first and determines the lifetimes. */
  readonly plugin: string
}

/** Names of the lifetimes: of the option, and of the checked value. */
const names = Object.entries(settings).map(([option, setting]) => ({ option, member: decodedName(option, setting) as keyof Checked }))

/**
 * Returns the lifetimes of the sessions of a scope. The first registered plugin determines them for every scope with the same store and
 * cookies. Throws ConfigInvalidError if a later plugin sets another lifetime, because one session would follow two rules. `given` holds its
 * options as they were written.
 */
export function lifetimesOf (fastify: FastifyInstance, plugin: string, given: object, checked: Checked): Lifetimes {
  const { idleTimeoutMs, absoluteTimeoutMs, maxPerSubject } = checked
  if (idleTimeoutMs === 0 || idleTimeoutMs > absoluteTimeoutMs) throw new ConfigInvalidError(`${plugin}: idleTimeout must be above 0 and at most absoluteTimeout`)
  const parts = scopeParts(fastify)
  const [known] = partsAlike(parts, 'lifetimes')
  for (const { option, member } of known === undefined ? [] : names) {
    if ((given as Record<string, unknown>)[option] === undefined || checked[member] === known![member]) continue
    throw new ConfigInvalidError(`${plugin}: ${option} is not that of ${known!.plugin}, which is about the same sessions; leave it out here, or give both the same`)
  }
  const lifetimes: Lifetimes = known ?? { idleTimeoutMs, absoluteTimeoutMs, maxPerSubject, plugin }
  if (partOrNull(parts, 'lifetimes') === null) addPart(fastify, 'lifetimes', lifetimes)
  return lifetimes
}

export interface OpenOptions {
  mode: SessionMode
  secretHash: string | null
  lifetimes: Lifetimes
}

type Parts = Pick<Portcullis, 'store' | 'cookies' | 'blocklist'>

/** Returns what the store needs to open a session. Throws before any change if the sign-in or a cookie of the request is malformed. */
export function describeOpening ({ request }: FastifyReply, signIn: SignIn, { mode, secretHash, lifetimes }: OpenOptions, parts: Omit<Parts, 'store'>): OpenSession {
  const { cookies, blocklist } = parts
  assertNoCookieTwice(request, parts)
  return {
    ...describeSignIn(request, signIn),
    origin: cookies.origin,
    mode,
    secretHash,
    absoluteTimeoutMs: lifetimes.absoluteTimeoutMs,
    maxPerSubject: lifetimes.maxPerSubject,
    maxTokenAgeMs: blocklist.maxTokenAgeMs
  }
}

/** Applies and reports the end of sessions that the opening of another one has closed. */
export function reportClosed ({ request }: FastifyReply, { subject }: SessionRecord, closed: readonly string[], parts: Parts): void {
  const { store, blocklist } = parts
  for (const sid of closed) {
    blocklist.note({ kind: 'sid', sid, expiresAtMs: store.nowMs() + blocklist.maxTokenAgeMs })
    publish({ event: 'session.closed', sid, subject, ...sourceOf(request), outcome: 'limit' }, parts)
  }
}

/**
 * Opens the record of a session for a subject that has just authenticated, and closes the subject's oldest sessions if there are too many.
 */
export async function openRecord (reply: FastifyReply, signIn: SignIn, options: OpenOptions, parts: Parts): Promise<SessionRecord> {
  const { record, closed } = await parts.store.open(describeOpening(reply, signIn, options, parts))
  reportClosed(reply, record, closed, parts)
  return record
}

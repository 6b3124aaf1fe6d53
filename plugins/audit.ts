import { emitWarning } from 'node:process'
import { Type } from '@sinclair/typebox'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { listenTo, type SecurityEvent } from '../lib/events.ts'
import { ConfigInvalidError } from '../lib/errors.ts'
import { checkOptions } from '../lib/check-options.ts'
import { describeError } from './errors.ts'
import { scopeParts } from './portcullis.ts'

/** A security event as the audit log contains it: the documented members alone, with the time of the store's clock. */
export type AuditEvent = Readonly<SecurityEvent>

/** An object that receives each event as one line of JSON, such as a stream. */
export interface AuditWriter {
  write (line: string): unknown
}

/** Receives each event. What it throws, or rejects with, is logged, and reaches no request. Closing waits up to five seconds for its promises. */
export type AuditSink = AuditWriter | ((event: AuditEvent) => unknown)

export interface AuditOptions {
  /**
   * Destination of the events in place of the application's log: a function, or an object with `write`, which gets one line of JSON for
   * each event. The level of the log does not concern it. The application closes it.
   */
  sink?: AuditSink
}

/** Maximum time for which closing waits for a sink. */
const longestCloseMs = 5000

const audited = new WeakSet<object>()

const Options = Type.Object({
  sink: Type.Optional(Type.Unsafe<AuditSink>(Type.Union([Type.Function([], Type.Unknown()), Type.Object({ write: Type.Function([], Type.Unknown()) })], { errorMessage: 'must be a function, or an object with write' })))
}, { additionalProperties: false })

/**
 * Writes one line at level info to the application's log, or one event to `sink`, for each security event of this scope and of the scopes
 * in it. Members are copied by name, so that a new member of events is not written until it is added here.
 */
export default fp<AuditOptions>(async function auditPlugin (fastify, options) {
  const { sink } = checkOptions('portcullis-audit', Options, options)
  const portcullis = scopeParts(fastify)
  if (audited.has(portcullis)) throw new ConfigInvalidError('portcullis-audit is registered in this scope already: it would write every event twice')
  audited.add(portcullis)
  const onError = (error: unknown): void => { fastify.log.error({ error: describeError(error) }, 'an event could not be written to the audit log') }
  const write = sink === undefined ? logTo(fastify.log) : writeTo(fastify, sink, onError)
  const stopListening = listenTo(portcullis, write, onError)
  fastify.addHook('onClose', async () => { stopListening() })
}, { name: 'portcullis-audit', fastify: '5.x', dependencies: ['portcullis-store'] })

/** Returns a copy with the members that an audit log contains; absent ones are undefined. */
function membersOf ({ event, sid, subject, provider, ip, outcome, request, by, account, method, path, budget, sessions, kid }: SecurityEvent) {
  return { event, sid, subject, provider, ip, outcome, request, by, account, method, path, budget, sessions, kid }
}

function logTo (log: FastifyBaseLogger): (event: SecurityEvent) => void {
  warnIfLost(log)
  return event => { log.info({ audit: true, ...membersOf(event) }) }
}

let hasWarned = false

/**
 * Warns at the start if the log does not write level info: the events would be lost without a message. An application without a logger gets
 * a warning of the process; a log that is silent, or writes errors alone, has been chosen.
 */
function warnIfLost (log: FastifyBaseLogger & { isLevelEnabled?: (level: string) => boolean }): void {
  if (log.isLevelEnabled?.('info') === true) return
  const text = 'portcullis-audit: the log of the application does not write level info, so every security event is lost: set its level to info, or give portcullis-audit a sink'
  if (log.isLevelEnabled?.('warn') === true) log.warn(text)
  else if (log.isLevelEnabled === undefined && !hasWarned) {
    hasWarned = true
    emitWarning(text, { code: 'PTC_WARN_AUDIT_LOST' })
  }
}

function writeTo (fastify: FastifyInstance, sink: AuditSink, onError: (error: unknown) => void): (event: SecurityEvent) => void {
  if (typeof sink !== 'function') logErrorsOf(fastify, sink, onError)
  const write = typeof sink === 'function' ? sink : (event: AuditEvent) => sink.write(`${JSON.stringify({ audit: true, ...event })}\n`)
  const pending = new Set<Promise<unknown>>()
  fastify.addHook('onClose', async () => { await settle(pending, onError) })
  return event => {
    const members = Object.entries({ at: event.at, ...membersOf(event) }).filter(([, member]) => member !== undefined)
    const written = write(Object.fromEntries(members) as unknown as AuditEvent)
    if (!(written instanceof Promise)) return
    const settled = written.then(() => {}, onError).finally(() => { pending.delete(settled) })
    pending.add(settled)
  }
}

/** Waits for the writes that have begun, for a limited time: a sink that never settles must not keep the server from closing. */
async function settle (pending: ReadonlySet<Promise<unknown>>, onError: (error: unknown) => void): Promise<void> {
  if (pending.size === 0) return
  const { promise: late, resolve } = Promise.withResolvers<'late'>()
  const timer = setTimeout(resolve, longestCloseMs, 'late')
  const outcome = await Promise.race([Promise.allSettled(pending), late])
  clearTimeout(timer)
  if (outcome === 'late') onError(new Error(`the sink has not settled ${pending.size} events ${longestCloseMs} ms after the server began to close`))
}

/** Logs errors that a stream emits. Without a listener, the first one would end the process. */
function logErrorsOf (fastify: FastifyInstance, sink: AuditWriter & { on?: (event: 'error', listener: (error: unknown) => void) => unknown, off?: (event: 'error', listener: (error: unknown) => void) => unknown }, onError: (error: unknown) => void): void {
  if (typeof sink.on !== 'function') return
  sink.on('error', onError)
  fastify.addHook('onClose', async () => { sink.off?.('error', onError) })
}

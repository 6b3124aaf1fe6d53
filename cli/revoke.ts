import type { SecurityEvent } from '../lib/events.ts'
import { isIdle, isOfOtherOrigin } from '../lib/session/record.ts'
import { isSid } from '../lib/session/sid.ts'
import type { Config } from '../config/config.ts'
import { issuersOf } from '../config/issuers.ts'
import { retention } from '../config/retention.ts'
import type { Store } from '../stores/store.ts'
import { required, UsageError, type Arguments } from './arguments.ts'
import { writeAudit } from './audit.ts'
import type { Edge } from './edge.ts'
import { withStore } from './with-store.ts'

/** A durable revocation: the text that the command prints, and the event that the audit line records. */
interface Revoked { text: string, event: Omit<SecurityEvent, 'event'> }

type Revoke = (store: Store, config: Config) => Promise<Revoked>

/** Makes a revocation durable; running gateways follow the store's log. */
export async function revokeCommand (args: Arguments, edge: Edge): Promise<number> {
  const { stdout } = edge
  const revoke = chosen(args)
  return await withStore(required(args, 'config'), edge, async (store, config) => {
    const { text, event } = await revoke(store, config)
    writeAudit(edge, { event: 'revocation.added', ...event })
    stdout.write(`${text}\n`)
    return 0
  })
}

function chosen ({ values: { session, subject, jti, issuer, all } }: Arguments): Revoke {
  if ([session, subject, jti, all].filter(what => what !== undefined).length !== 1) throw new UsageError('say one of --session SID, --subject S, --jti J, --all')
  if (issuer !== undefined && jti === undefined) throw new UsageError('--issuer goes with --jti')
  if (session !== undefined) return async (store, config) => await revokeSession(store, config, session)
  if (subject !== undefined) return async (store, config) => await revokeSubject(store, config, subject)
  if (jti !== undefined) return async (store, config) => await revokeToken(store, config, { jti, issuer: issuer ?? config.origin })
  return async (store, config) => {
    await store.revokeAll({ keepForMs: retention(config).keepCutsForMs })
    return { text: 'ended every session, and every token that was issued until now', event: { outcome: 'all' } }
  }
}

async function revokeSession (store: Store, config: Config, sid: string): Promise<Revoked> {
  if (!isSid(sid)) throw new UsageError('--session: is not a session id')
  const record = await store.close(sid, { maxTokenAgeMs: retention(config).maxTokenAgeMs, origin: config.origin })
  if (record !== null && isOfOtherOrigin(record, config.origin)) throw new UsageError(`--session: is a session of ${record.origin}; give --config of the gateway there`)
  if (record === null) return { text: `revoked session ${sid}, which had no record`, event: { outcome: 'sid', sid, sessions: 0 } }
  return { text: `revoked session ${sid} of ${record.subject}`, event: { outcome: 'sid', sid, subject: record.subject, sessions: 1 } }
}

async function revokeSubject (store: Store, config: Config, subject: string): Promise<Revoked> {
  const open = (await store.list(subject)).filter(record => !isIdle(record, store.nowMs(), config.session.idleTimeoutMs)).length
  await store.revokeSubject(subject, { exceptSid: null, keepForMs: retention(config).keepCutsForMs })
  return { text: describeEnded(open, subject), event: { outcome: 'subject', subject, sessions: open } }
}

async function revokeToken (store: Store, config: Config, { jti, issuer }: { jti: string, issuer: string }): Promise<Revoked> {
  const issuers = issuersOf(config)
  // A revocation under an unknown issuer would match no token.
  if (!issuers.includes(issuer)) throw new UsageError(`--issuer: must be the iss of the token, ${issuers.join(' or ')}`)
  await store.revokeToken({ issuer, jti, expiresAtMs: store.nowMs() + retention(config).maxForeignTokenAgeMs })
  return { text: `revoked token ${jti} of ${issuer}`, event: { outcome: 'jti' } }
}

/** Returns the number of ended sessions; zero reveals a misspelt subject. */
function describeEnded (count: number, subject: string): string {
  if (count === 0) return `no session of ${subject} was open; its tokens of until now are refused all the same`
  return `ended ${count === 1 ? '1 session' : `${count} sessions`} of ${subject}`
}

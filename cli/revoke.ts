import { isOfOtherOrigin } from '../lib/session-origin.ts'
import { isSid } from '../lib/sid.ts'
import type { Config } from '../config/config.ts'
import { issuersOf } from '../config/issuers.ts'
import { retention } from '../config/retention.ts'
import type { Store } from '../stores/store.ts'
import { required, UsageError, type Arguments } from './arguments.ts'
import type { Edge } from './main.ts'
import { withStore } from './with-store.ts'

/** Makes a revocation true; running gateways follow the store's log. */
export async function revokeCommand (args: Arguments, { env, stdout, stderr }: Edge): Promise<number> {
  const revoke = chosen(args)
  return await withStore(required(args, 'config'), { env, stderr }, async (store, config) => {
    stdout.write(`${await revoke(store, config)}\n`)
    return 0
  })
}

function chosen ({ values: { session, subject, jti, issuer, all } }: Arguments): (store: Store, config: Config) => Promise<string> {
  if ([session, subject, jti, all].filter(what => what !== undefined).length !== 1) throw new UsageError('say one of --session SID, --subject S, --jti J, --all')
  if (issuer !== undefined && jti === undefined) throw new UsageError('--issuer goes with --jti')
  if (session !== undefined) return async (store, config) => await revokeSession(store, config, session)
  if (subject !== undefined) return async (store, config) => await revokeSubject(store, config, subject)
  if (jti !== undefined) return async (store, config) => await revokeToken(store, config, { jti, issuer: issuer ?? config.origin })
  return async (store, config) => {
    await store.revokeAll({ keepForMs: retention(config).cutMs })
    return 'revoked everything'
  }
}

async function revokeSession (store: Store, config: Config, sid: string): Promise<string> {
  if (!isSid(sid)) throw new UsageError('--session: is not a session id')
  const record = await store.close(sid, { maxTokenAgeMs: retention(config).sessionMs, origin: config.origin })
  if (record !== null && isOfOtherOrigin(record, config.origin)) throw new UsageError(`--session: is a session of ${record.origin}; give --config of the gateway there`)
  return record === null ? `revoked session ${sid}, which had no record` : `revoked session ${sid} of ${record.subject}`
}

async function revokeSubject (store: Store, config: Config, subject: string): Promise<string> {
  await store.revokeSubject(subject, { exceptSid: null, keepForMs: retention(config).cutMs })
  return `revoked every session of ${subject}`
}

async function revokeToken (store: Store, config: Config, { jti, issuer }: { jti: string, issuer: string }): Promise<string> {
  const issuers = issuersOf(config)
  // Under another name it would be revoked for nobody.
  if (!issuers.includes(issuer)) throw new UsageError(`--issuer: must be the iss of the token, ${issuers.join(' or ')}`)
  await store.revokeToken({ issuer, jti, expiresAtMs: store.nowMs() + retention(config).tokenMs })
  return `revoked token ${jti} of ${issuer}`
}

import type { DatabaseSync } from 'node:sqlite'
import type { Revocation } from '../../lib/revocation/entries.ts'
import { isLive } from './is-live.ts'
import type { Log } from './log.ts'

/* Logouts at identity providers by their key (lib/revocation/provider-keys.ts): how they are remembered, and how they end sessions. */

/** Creates the function that ends every session of a provider `sid`. Returns the revocations of those that had not ended. */
export function createEndByProviderKey (db: DatabaseSync, log: Log) {
  const find = db.prepare(`
    SELECT sid FROM provider_sids JOIN sessions USING (sid)
    WHERE provider_key = :tokenKey AND (:subjectKey IS NULL OR subject_key = :subjectKey) AND ${isLive}`)
  const remove = db.prepare('DELETE FROM sessions WHERE sid = ?')

  return (nowMs: number, tokenKey: string, { subjectKey, expiresAtMs }: { subjectKey: string | null, expiresAtMs: number }): Revocation[] => {
    return find.all({ tokenKey, subjectKey, nowMs }).map(row => {
      const sid = String(row['sid'])
      remove.run(sid)
      log.revokeSid(nowMs, sid, expiresAtMs - nowMs)
      return { kind: 'sid', sid, expiresAtMs }
    })
  }
}

/** Creates the function that revokes a token by its key, until the later end of the known revocation and this one. */
export function createRememberToken (db: DatabaseSync, log: Log) {
  const longest = db.prepare("SELECT max(expires_at_ms) AS expiresAtMs FROM log WHERE kind = 'jti' AND token_key = ?")
  const remove = db.prepare("DELETE FROM log WHERE kind = 'jti' AND token_key = ?")

  return (nowMs: number, tokenKey: string, expiresAtMs: number): Extract<Revocation, { kind: 'jti' }> => {
    const known = Number(longest.get(tokenKey)?.['expiresAtMs'] ?? 0)
    if (expiresAtMs <= Math.max(known, nowMs)) return { kind: 'jti', tokenKey, expiresAtMs: known }
    remove.run(tokenKey)
    log.append(nowMs, { kind: 'jti', tokenKey, expiresAtMs })
    return { kind: 'jti', tokenKey, expiresAtMs }
  }
}

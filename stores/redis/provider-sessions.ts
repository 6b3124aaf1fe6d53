import { logoutKeyOf, providerSidKeyOf } from '../../lib/revocation/provider-keys.ts'
import { subjectKeyOf } from '../../lib/revocation/revocation-keys.ts'
import type { Revocation } from '../../lib/revocation/entries.ts'
import { encodeProvider, longestSignInMs, providerSubjectOf, type ProviderProof, type ProviderSession } from '../../lib/session/provider-session.ts'
import type { SessionRecord } from '../../lib/session/record.ts'
import { createSid } from '../../lib/session/sid.ts'
import type { EndProviderSessions, ProviderSessionsEnd, Store } from '../store.ts'
import { indexName, logoutName, providerName, sessionName, subjectName, tokenName, type Keys, type Shard } from './keys.ts'
import { decodeRecord, encodeSession } from './records.ts'
import type { Scripts } from './scripts.ts'

type ProviderSessions = Pick<Store, 'openFromProvider' | 'renewFromProvider' | 'endProviderSessions' | 'lastCutMs'>
type Ended = Extract<Revocation, { kind: 'sid' }>

/** Maximum number of sessions that one script ends for each index, so that it does not block the server for long. */
const endedPerScript = 1000
const keysPerScript = 200
/** Time for which the log lists sessions as revoked that a restored logout has ended, in milliseconds. */
const restoredEndKeptMs = 3_600_000

/*
 * A logout is in the shard of the provider's `sid`, a session in that of its subject, and a script changes one shard. A logout is therefore
 * remembered before sessions are looked for, and a session is made before a logout is looked for: at least one of the two finds the other.
 */
export function createProviderSessions ({ run }: Scripts, keys: Keys, { close }: Pick<Store, 'close'>): ProviderSessions {
  /** Looks for the logout of the provider's `sid`, after the session was made or changed. Ends the session if there is one, or if that is unknown. */
  async function confirm (sid: string, { provider, beganAtMs }: ProviderProof, maxTokenAgeMs: number): Promise<'logged-out' | 'cut' | null> {
    if (provider.sid === null) return null
    const key = providerSidKeyOf(provider.name, provider.sid)
    const shard = keys.ofKey(key)
    try {
      const [found] = await run('find-logout', shard, [tokenName(shard, key), shard.beat], [beganAtMs, longestSignInMs])
      if (found === '') return null
      await close(sid, { maxTokenAgeMs })
      return found as 'logged-out' | 'cut'
    } catch (error) {
      await close(sid, { maxTokenAgeMs }).catch(() => null)
      throw error
    }
  }

  const endByKey = createEndByKey(run)
  const cutByLogout = createCutByLogout(run, keys)
  return {
    async openFromProvider (session) {
      const { subject, provider, authTimeMs, beganAtMs, countsFromMs, absoluteTimeoutMs, maxPerSubject, maxTokenAgeMs } = session
      const sid = createSid(subject)
      const shard = keys.ofSubject(subject)
      const key = subjectKeyOf(subject)
      const names = [sessionName(shard, sid), subjectName(shard, key), indexName(shard, key), ...indexesOf(shard, provider)]
      const [outcome, fields, closed] = await run('open-from-provider', shard, names, [sid, absoluteTimeoutMs, maxPerSubject, maxTokenAgeMs, authTimeMs, beganAtMs, countsFromMs, longestSignInMs, ...encodeSession(session)])
      const refusal = outcome === 'cut' ? 'cut' : await confirm(sid, session, maxTokenAgeMs)
      if (refusal !== null) return { outcome: refusal, record: null, closed: [] }
      return { outcome: 'opened', record: decodeRecord(fields) as SessionRecord, closed: closed as string[] }
    },

    async renewFromProvider (sid, { secretHash, acr, amr, maxTokenAgeMs, ...proof }) {
      const { provider, authTimeMs, beganAtMs } = proof
      const shard = keys.ofSid(sid)
      const names = [sessionName(shard, sid), ...indexesOf(shard, provider)]
      const [outcome, fields] = await run('renew-from-provider', shard, names, [sid, secretHash, acr, JSON.stringify(amr), authTimeMs, beganAtMs, longestSignInMs, providerSubjectOf(provider), encodeProvider(provider) ?? ''])
      const record = outcome === 'renewed' ? decodeRecord(fields) : null
      if (record === null) return { outcome: 'gone', record }
      if (await confirm(sid, proof, maxTokenAgeMs) !== null) return { outcome: 'logged-out', record: null }
      return { outcome: 'renewed', record }
    },

    async endProviderSessions (logout) {
      const { provider, subject, sid, keepSidForMs, keepJtiForMs, maxTokenAgeMs } = logout
      if (sid === null) return await cutByLogout(logout)
      const tokenKey = providerSidKeyOf(provider, sid)
      const shard = keys.ofKey(tokenKey)
      const [untilMs] = await run('remember-logout', shard, [tokenName(shard, tokenKey)], [tokenKey, Math.ceil(Math.max(keepSidForMs, longestSignInMs, keepJtiForMs))])
      const shards = subject === null ? keys.shards : [keys.ofSubject(subject)]
      const ended = await Promise.all(shards.map(shard => endByKey(shard, tokenKey, subject, maxTokenAgeMs)))
      return { outcome: 'ended', sessions: ended.flat().length, revocations: [{ kind: 'jti', tokenKey, expiresAtMs: Number(untilMs) }, ...ended.flat()] }
    },

    async lastCutMs (subject) {
      const shard = keys.ofSubject(subject)
      const [lastMs] = await run('last-cut', shard, [subjectName(shard, subjectKeyOf(subject))])
      return lastMs === '' ? null : Number(lastMs)
    }
  }
}

/** Returns the name of the index of the session at the provider, if it states one. */
function indexesOf (shard: Shard, { name, sid }: ProviderSession): string[] {
  return sid === null ? [] : [providerName(shard, providerSidKeyOf(name, sid))]
}

/** Creates the function that ends the sessions of a session at a provider in one shard, of one subject if it is given. */
function createEndByKey (run: Scripts['run']): (shard: Shard, tokenKey: string, subject: string | null, maxTokenAgeMs: number) => Promise<Ended[]> {
  return async (shard, tokenKey, subject, maxTokenAgeMs) => {
    const all: Ended[] = []
    for (let offset = 0; ;) {
      const [ended, expiresAtMs, kept, isMore] = await run('end-provider-sessions', shard, [providerName(shard, tokenKey)], [subject === null ? '' : subjectKeyOf(subject), maxTokenAgeMs, offset, endedPerScript])
      for (const sid of ended as string[]) all.push({ kind: 'sid', sid, expiresAtMs: Math.ceil(Number(expiresAtMs)) })
      offset += Number(kept)
      if (isMore !== 1) return all
    }
  }
}

function createCutByLogout (run: Scripts['run'], keys: Keys): (logout: EndProviderSessions) => Promise<ProviderSessionsEnd> {
  return async ({ provider, subject, jti, keepForMs, keepJtiForMs }) => {
    if (subject === null) throw new TypeError('a logout names a session or a subject')
    const shard = keys.ofSubject(subject)
    const subjectKey = subjectKeyOf(subject)
    const names = [subjectName(shard, subjectKey), indexName(shard, subjectKey), logoutName(shard, logoutKeyOf(provider, jti, subject))]
    const [outcome, belowEpoch, excepted, expiresAtMs, sessions] = await run('cut-by-logout', shard, names, [subjectKey, keepForMs, Math.max(1, Math.ceil(keepJtiForMs))])
    if (outcome === 'repeated') return { outcome, sessions: 0, revocations: [] }
    const cut: Revocation = { kind: 'subject', subjectKey, belowEpoch: Number(belowEpoch), exceptSid: excepted === '' ? null : String(excepted), expiresAtMs: Number(expiresAtMs) }
    return { outcome: 'ended', sessions: Number(sessions), revocations: [cut] }
  }
}

/** Ends the sessions that were opened or renewed while the logouts of their sessions at a provider were lost. */
export async function endByRestoredLogouts ({ run }: Scripts, keys: Keys, tokenKeys: readonly string[]): Promise<void> {
  for (const shard of keys.shards) {
    for (let at = 0; at < tokenKeys.length;) {
      const some = tokenKeys.slice(at, at + keysPerScript)
      const [, , , isMore] = await run('end-provider-sessions', shard, some.map(key => providerName(shard, key)), ['', restoredEndKeptMs, 0, endedPerScript])
      if (isMore !== 1) at += keysPerScript
    }
  }
}

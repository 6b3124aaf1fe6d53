import { subjectKeyOf, tokenKeyOf } from '../../lib/revocation/revocation-keys.ts'
import type { CredentialClaims, Revocation } from '../../lib/revocation/entries.ts'
import type { Store } from '../store.ts'
import { endByRestoredLogouts } from './provider-sessions.ts'
import { indexName, sessionName, subjectName, tokenName, type Keys, type Shard } from './keys.ts'
import type { Scripts } from './scripts.ts'

type Revocations = Pick<Store, 'revokeToken' | 'revokeSubject' | 'revokeAll' | 'reassert' | 'isGood'>

/** The latest instant of JavaScript; foreign tokens may contain later ones. */
const latestMs = 8.64e15

const reassertedPerScript = 200
/**
 * The lease in milliseconds: longer than one script takes, and short enough that a process that has died does not delay the others
 * for long.
 */
const leaseMs = 3000

export function createRevocations (scripts: Scripts, keys: Keys): Revocations {
  const { run } = scripts
  return {
    async revokeToken ({ issuer, jti, expiresAtMs }) {
      const shard = keys.ofToken(jti)
      const key = tokenKeyOf(issuer, jti)
      await run('revoke-token', shard, [tokenName(shard, key)], [key, Math.min(Math.ceil(expiresAtMs), latestMs)])
    },

    async revokeSubject (subject, { exceptSid, keepForMs }) {
      const shard = keys.ofSubject(subject)
      const subjectKey = subjectKeyOf(subject)
      const names = [subjectName(shard, subjectKey), indexName(shard, subjectKey)]
      const [belowEpoch, excepted, expiresAtMs] = await run('revoke-subject', shard, names, [subjectKey, exceptSid ?? '', keepForMs])
      return { kind: 'subject', subjectKey, belowEpoch: Number(belowEpoch), exceptSid: excepted === '' ? null : String(excepted), expiresAtMs: Number(expiresAtMs) }
    },

    async revokeAll ({ keepForMs }) {
      let belowEpoch = 0
      for (;;) {
        const floors = await Promise.all(keys.shards.map(shard => run('revoke-all', shard, [], [belowEpoch, keepForMs])))
        belowEpoch = Math.max(...floors.map(([floor]) => Number(floor)))
        if (floors.every(([floor]) => floor === belowEpoch)) {
          return { kind: 'all', belowEpoch, expiresAtMs: Math.max(...floors.map(([, expiresAtMs]) => Number(expiresAtMs))) }
        }
      }
    },

    async reassert (revocations, { owner }) {
      for (const shard of keys.shards) {
        const ofShard = revocations.filter(revocation => isIn(shard, revocation, keys))
        for (let at = 0; at < ofShard.length; at += reassertedPerScript) {
          const entries = ofShard.slice(at, at + reassertedPerScript).flatMap(revocation => [encodeRevocation(revocation), Math.min(Math.ceil(revocation.expiresAtMs), latestMs)])
          const [outcome] = await run('reassert', shard, [shard.lease], [owner, leaseMs, ...entries])
          if (outcome === 'busy') return 'busy'
        }
      }
      await endByRestoredLogouts(scripts, keys, revocations.flatMap(revocation => revocation.kind === 'jti' ? [revocation.tokenKey] : []))
      return 'asserted'
    },

    async isGood (claims) {
      const shards = new Set(shardsOf(claims, keys))
      const answers = await Promise.all([...shards].map(shard => run('is-good', shard, ...question(claims, keys, shard))))
      return answers.every(([good]) => good === 1)
    }
  }
}

function isIn (shard: Shard, revocation: Revocation, keys: Keys): boolean {
  switch (revocation.kind) {
    case 'sid': return keys.ofSid(revocation.sid) === shard
    case 'jti': return keys.ofKey(revocation.tokenKey) === shard
    case 'subject': return keys.ofKey(revocation.subjectKey) === shard
    case 'all': return true
  }
}

/** Encodes a revocation as the scripts write it into the log. */
function encodeRevocation (revocation: Revocation): string {
  switch (revocation.kind) {
    case 'sid': return JSON.stringify(['sid', revocation.sid])
    case 'jti': return JSON.stringify(['jti', revocation.tokenKey])
    case 'subject': return JSON.stringify(['subject', revocation.subjectKey, revocation.belowEpoch, revocation.exceptSid])
    case 'all': return JSON.stringify(['all', revocation.belowEpoch])
  }
}

function shardsOf ({ sid, subject, jti }: CredentialClaims, keys: Keys): Shard[] {
  return [
    ...sid === null ? [] : [keys.ofSid(sid)],
    subject === null ? keys.first : keys.ofSubject(subject),
    ...jti === null ? [] : [keys.ofToken(jti)]
  ]
}

/** Returns the keys and arguments for one shard: those claims whose data the shard holds. */
function question ({ sid, subject, epoch, issuer, jti }: CredentialClaims, keys: Keys, shard: Shard): [keys: string[], args: Array<string | number>] {
  const hasSession = sid !== null && keys.ofSid(sid) === shard
  const hasSubject = subject !== null && keys.ofSubject(subject) === shard
  const hasToken = jti !== null && keys.ofToken(jti) === shard
  const names = [
    hasSession ? sessionName(shard, sid) : shard.state,
    hasSubject ? subjectName(shard, subjectKeyOf(subject)) : shard.state,
    hasToken ? tokenName(shard, tokenKeyOf(issuer ?? '', jti)) : shard.state,
    hasToken ? tokenName(shard, tokenKeyOf('', jti)) : shard.state
  ]
  return [names, [sid ?? '', epoch ?? '', hasSession ? 1 : 0, hasToken ? 1 : 0]]
}

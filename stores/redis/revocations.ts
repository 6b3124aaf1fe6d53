import type { CredentialClaims, Store } from '../store.ts'
import { indexKey, sessionKey, subjectKey, tokenKey, type Keys, type Shard } from './keys.ts'
import type { Scripts } from './scripts.ts'

type Revocations = Pick<Store, 'revokeToken' | 'revokeSubject' | 'revokeAll' | 'isGood'>

/** The latest instant of JavaScript; foreign tokens may name later ones. */
const latestMs = 8.64e15

export function createRevocations (scripts: Scripts, keys: Keys): Revocations {
  const { run } = scripts
  return {
    async revokeToken ({ issuer, jti, expiresAtMs }) {
      const shard = keys.ofToken(jti)
      await run('revoke-token', shard, [tokenKey(shard, { issuer, jti })], [issuer, jti, Math.min(Math.ceil(expiresAtMs), latestMs)])
    },

    async revokeSubject (subject, { exceptSid, keepForMs }) {
      const shard = keys.ofSubject(subject)
      const names = [subjectKey(shard, subject), indexKey(shard, subject)]
      const [belowEpoch, excepted, expiresAtMs] = await run('revoke-subject', shard, names, [subject, exceptSid ?? '', keepForMs])
      return { kind: 'subject', subject, belowEpoch: Number(belowEpoch), exceptSid: excepted === '' ? null : String(excepted), expiresAtMs: Number(expiresAtMs) }
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

    async isGood (claims) {
      const shards = new Set(shardsOf(claims, keys))
      const answers = await Promise.all([...shards].map(shard => run('is-good', shard, ...question(claims, keys, shard))))
      return answers.every(([good]) => good === 1)
    }
  }
}

function shardsOf ({ sid, subject, jti }: CredentialClaims, keys: Keys): Shard[] {
  return [
    ...sid === null ? [] : [keys.ofSid(sid)],
    subject === null ? keys.first : keys.ofSubject(subject),
    ...jti === null ? [] : [keys.ofToken(jti)]
  ]
}

/** What one shard is asked: of the claims, those whose data it holds. */
function question ({ sid, subject, epoch, issuer, jti }: CredentialClaims, keys: Keys, shard: Shard): [keys: string[], args: Array<string | number>] {
  const hasSession = sid !== null && keys.ofSid(sid) === shard
  const hasSubject = subject !== null && keys.ofSubject(subject) === shard
  const hasToken = jti !== null && keys.ofToken(jti) === shard
  const names = [
    hasSession ? sessionKey(shard, sid) : shard.state,
    hasSubject ? subjectKey(shard, subject) : shard.state,
    hasToken ? tokenKey(shard, { issuer: issuer ?? '', jti }) : shard.state,
    hasToken ? tokenKey(shard, { issuer: '', jti }) : shard.state
  ]
  return [names, [sid ?? '', epoch ?? '', hasSession ? 1 : 0, hasToken ? 1 : 0]]
}

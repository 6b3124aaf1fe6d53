import { createHash } from 'node:crypto'
import { shardOfSid, shardOfText } from '../../lib/sid.ts'

/** The names of one shard. The braces are Redis's hash tag: everything in a shard shares a slot, so one script can change it. */
export interface Shard {
  /** Counters: `seq` of the log, `floor` of revoke-all, `maxEpoch` of the subjects. */
  state: string
  log: string
  /** The revocations in force, by the end of their force. */
  revocations: string
  beat: string
  /** What every other name of the shard begins with. */
  prefix: string
}

export interface Keys {
  shards: readonly Shard[]
  ofSid (sid: string): Shard
  ofSubject (subject: string): Shard
  /** By `jti` alone, so that what is said of any issuer's token lies beside what is said of one issuer's. */
  ofToken (jti: string): Shard
  /** The signing keys live in the first shard. */
  first: Shard
}

/** `count` is a power of two, up to maxShards. */
export function createKeys (prefix: string, count: number): Keys {
  const shards = Array.from({ length: count }, (_, number) => createShard(`${prefix}:{${number}}:`))
  const at = (shard: number): Shard => shards[shard & (count - 1)] as Shard
  return {
    shards,
    first: at(0),
    ofSid: sid => at(shardOfSid(sid)),
    ofSubject: subject => at(shardOfText(subject)),
    ofToken: jti => at(shardOfText(jti))
  }
}

function createShard (prefix: string): Shard {
  return { prefix, state: `${prefix}state`, log: `${prefix}log`, revocations: `${prefix}revocations`, beat: `${prefix}beat` }
}

export function sessionKey (shard: Shard, sid: string): string {
  return `${shard.prefix}session:${sid}`
}

export function subjectKey (shard: Shard, subject: string): string {
  return `${shard.prefix}subject:${subject}`
}

/** The sids of a subject, by creation; may name dead sessions, never misses a live one. */
export function indexKey (shard: Shard, subject: string): string {
  return `${shard.prefix}index:${subject}`
}

/** Issuers and token ids are foreign texts of any length: the name is a digest. */
export function tokenKey (shard: Shard, token: { issuer: string, jti: string }): string {
  return `${shard.prefix}token:${createHash('sha256').update(JSON.stringify([token.issuer, token.jti])).digest('base64url')}`
}

export function keyDocumentKey (shard: Shard): string {
  return `${shard.prefix}keys`
}

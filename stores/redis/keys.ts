import { subjectKeyOf, tokenKeyOf } from '../../lib/revocation/revocation-id.ts'
import { shardOfSid } from '../../lib/session/sid.ts'

/** The names of one shard. The braces are Redis's hash tag: everything in a shard shares a slot, so one script can change it. */
export interface Shard {
  /** Counters: `seq` of the log, `floor` of revoke-all, `maxEpoch` of the subjects. */
  state: string
  log: string
  /** The revocations in force, by the end of their force. */
  revocations: string
  beat: string
  /** Who is at re-asserting revocations. */
  lease: string
  /** What every other name of the shard begins with. */
  prefix: string
}

export interface Keys {
  shards: readonly Shard[]
  ofSid (sid: string): Shard
  /** Of a token's or a subject's key. */
  ofKey (key: string): Shard
  ofSubject (subject: string): Shard
  /** By `jti` alone, so that what is said of any issuer's token lies beside what is said of one issuer's. */
  ofToken (jti: string): Shard
  /** The signing keys live in the first shard. */
  first: Shard
}

/** `keyPrefix`: what the name of every key begins with. `count` is a power of two, up to maxShards. */
export function createKeys (keyPrefix: string, count: number): Keys {
  const shards = Array.from({ length: count }, (_, number) => createShard(`${keyPrefix}{${number}}:`))
  const at = (shard: number): Shard => shards[shard & (count - 1)] as Shard
  return {
    shards,
    first: at(0),
    ofSid: sid => at(shardOfSid(sid)),
    ofKey: key => at(shardOfSid(key)),
    ofSubject: subject => at(shardOfSid(subjectKeyOf(subject))),
    ofToken: jti => at(shardOfSid(tokenKeyOf('', jti)))
  }
}

function createShard (prefix: string): Shard {
  return { prefix, state: `${prefix}state`, log: `${prefix}log`, revocations: `${prefix}revocations`, beat: `${prefix}beat`, lease: `${prefix}lease` }
}

export function sessionName (shard: Shard, sid: string): string {
  return `${shard.prefix}session:${sid}`
}

/** Of a subject, by its key (lib/revocation/revocation-id.ts): foreign texts of any length would be names of any length. */
export function subjectName (shard: Shard, subjectKey: string): string {
  return `${shard.prefix}subject:${subjectKey}`
}

/** The sids of a subject, by creation; may name dead sessions, never misses a live one. */
export function indexName (shard: Shard, subjectKey: string): string {
  return `${shard.prefix}index:${subjectKey}`
}

export function tokenName (shard: Shard, tokenKey: string): string {
  return `${shard.prefix}token:${tokenKey}`
}

/** The notes of a topic live in the first shard. */
export function notesName (shard: Shard, topic: string): string {
  return `${shard.prefix}notes:${topic}`
}

export function keyDocumentName (shard: Shard): string {
  return `${shard.prefix}keys`
}

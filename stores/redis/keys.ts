import { subjectKeyOf, tokenKeyOf } from '../../lib/revocation/revocation-keys.ts'
import { shardOfSid, shardOfText } from '../../lib/session/sid.ts'

/** The key names of one shard. The braces are Redis's hash tag: all keys of a shard share a slot, so one script can change them. */
export interface Shard {
  /** The counters: `seq` of the log, `floor` of revoke-all, `maxEpoch` of the subjects. */
  state: string
  log: string
  /** The revocations in force, sorted by their expiry. */
  revocations: string
  beat: string
  /** The process that is re-asserting revocations. */
  lease: string
  /** The prefix of every other name of the shard. */
  prefix: string
}

export interface Keys {
  shards: readonly Shard[]
  ofSid (sid: string): Shard
  /** Returns the shard of a token's or a subject's key. */
  ofKey (key: string): Shard
  ofSubject (subject: string): Shard
  /** Returns the shard by `jti` only, so that revocations for any issuer and for one issuer are in the same shard. */
  ofToken (jti: string): Shard
  /** Returns the shard of any other name. */
  ofText (text: string): Shard
  /** The first shard, which has the signing keys. */
  first: Shard
}

/** Creates the key names. `keyPrefix`: the prefix of every name. `count`: the number of shards, a power of two up to maxShards. */
export function createKeys (keyPrefix: string, count: number): Keys {
  const shards = Array.from({ length: count }, (_, number) => createShard(`${keyPrefix}{${number}}:`))
  const at = (shard: number): Shard => shards[shard & (count - 1)] as Shard
  return {
    shards,
    first: at(0),
    ofSid: sid => at(shardOfSid(sid)),
    ofText: text => at(shardOfText(text)),
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

/** Returns the name of a subject by its key (lib/revocation/revocation-keys.ts), because foreign subjects may have any length. */
export function subjectName (shard: Shard, subjectKey: string): string {
  return `${shard.prefix}subject:${subjectKey}`
}

/**
 * Returns the name of a subject's index: its sids by creation. The index may contain dead sessions, and always contains the live
 * ones.
 */
export function indexName (shard: Shard, subjectKey: string): string {
  return `${shard.prefix}index:${subjectKey}`
}

export function tokenName (shard: Shard, tokenKey: string): string {
  return `${shard.prefix}token:${tokenKey}`
}

/** Returns the name of the index of a session at an identity provider, by its key (lib/revocation/provider-keys.ts). Every shard may have one. */
export function providerName (shard: Shard, tokenKey: string): string {
  return `${shard.prefix}provider:${tokenKey}`
}

/** Returns the name under which it is remembered that a logout token has cut a subject. */
export function logoutName (shard: Shard, logoutKey: string): string {
  return `${shard.prefix}logout:${logoutKey}`
}

/** Returns the name of a topic's notes, which are in the first shard. */
export function notesName (shard: Shard, topic: string): string {
  return `${shard.prefix}notes:${topic}`
}

/** Returns the name under which a use of a name is remembered (lib/once.ts). */
export function usedName (shard: Shard, name: string): string {
  return `${shard.prefix}used:${name}`
}

export function keyDocumentName (shard: Shard): string {
  return `${shard.prefix}keys`
}

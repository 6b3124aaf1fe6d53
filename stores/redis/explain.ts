import { ConfigInvalidError, StoreUnavailableError } from '../../lib/errors.ts'
import { isCluster, type RedisClient } from './client.ts'
import { unavailable } from './deadline.ts'

/**
 * A reason for a failure. It is final when waiting cannot change it. `setting` has no `store.` prefix; by default it is the setting
 * that names the servers.
 */
interface Reason { pattern: RegExp, text: string, setting?: string, isFinal: boolean }

const final = (pattern: RegExp, text: string, setting?: string): Reason => ({ pattern, text, isFinal: true, ...setting === undefined ? {} : { setting } })
const passing = (pattern: RegExp, text: string): Reason => ({ pattern, text, isFinal: false })

/** Matches the errors of a sentinel that knows no primary of the name, or has no address for it. */
export const noSuchName = /No such master with that name|got an invalid reply: null/

/** The messages of Redis, OpenSSL and Node, and their remedies. The first match counts. */
const reasons: readonly Reason[] = [
  final(/NOAUTH/, 'Redis demands a password; add store.password, and store.username unless it is the default user'),
  final(/WRONGPASS|ERR invalid password|ERR .*AUTH/, 'Redis refuses the user or the password; correct them there or in store.username and store.password. In an address % begins an encoded character, in store.password it does not'),
  final(/NOPERM.*'select'/, 'the user of Redis may not run SELECT; allow +select, or use database 0'),
  final(/DB index is out of range/, 'Redis has no database of that number; choose a smaller one, or raise databases in redis.conf', 'database'),
  final(/SELECT is not allowed in cluster mode/, 'is a node of a Redis Cluster, which has database 0 alone; write store.cluster, without a database'),
  final(/MOVED|CROSSSLOT|CLUSTERDOWN Hash slot not served/, 'is a node of a Redis Cluster; write its nodes to store.cluster'),
  final(/cluster support disabled/, 'is not a Redis Cluster; write its address to store.url'),
  final(/unknown command [`']?(?:EVALSHA|EVAL)\b/i, 'is a Sentinel, or a server without scripts; write sentinels to store.sentinels with store.name'),
  final(noSuchName, 'the sentinels know no primary of that name; write the name that they have in "sentinel monitor"', 'name'),
  final(/unknown command [`']?SENTINEL\b/i, 'is no Sentinel; write the addresses of sentinels, or the address of the server to store.url'),
  final(/DENIED Redis is running in protected mode/, 'Redis runs in protected mode, which refuses other machines; give it a password, or bind it to a network that only gateways reach'),
  final(/compiling script/, 'Redis 7.0 or newer is needed'),
  final(/self-signed certificate|certificate signature failure|unable to (?:get (?:local )?issuer certificate|verify the first certificate)/, 'the certificate of Redis is signed by an authority that is not trusted here; name the file of that authority\'s certificate', 'tls.ca'),
  final(/certificate has expired/, 'the certificate of Redis has expired; renew it'),
  final(/certificate is not yet valid/, 'the certificate of Redis is not valid yet; check the clocks'),
  final(/does not match certificate's altnames|Hostname\/IP does not match/, 'the certificate of Redis is for other names; write one of them in the address'),
  final(/certificate required|handshake failure/, 'Redis demands a certificate of the gateway; name its files', 'tls.cert'),
  final(/alert unknown ca|alert bad certificate|alert certificate (?:expired|unknown)/, 'Redis does not accept the certificate of the gateway; have it signed by the authority that Redis trusts', 'tls.cert'),
  passing(/wrong version number|packet length too long|bad record type/, 'does not speak TLS; write redis://, or the port that does'),
  passing(/LOADING/, 'Redis is loading its data'),
  passing(/READONLY|MASTERDOWN/, 'is a replica; write the address of the primary'),
  passing(/ECONNREFUSED/, 'nothing listens there; start Redis, or correct host and port'),
  passing(/ENOTFOUND|EAI_AGAIN/, 'the name of the host cannot be looked up; correct it, or the name service'),
  passing(/All sentinels are unreachable.*Connection is closed/, 'none of the sentinels can be connected to; start them, or correct hosts, ports and firewall, and redis:// or rediss://'),
  passing(/ECONNRESET|EPIPE|Connection is closed|socket disconnected|socket hang up/, 'the connection is closed at once; write rediss:// if that port speaks TLS, and see that Redis has connections left'),
  passing(/ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|no answer/, 'there is no answer; start Redis, or correct host, port and firewall, and redis:// or rediss://')
]

export interface Explanation { error: Error, isFinal: boolean }

/** Returns the setting that names the servers of a client. */
export function settingOf (redis: RedisClient): string {
  if (isCluster(redis)) return 'store.cluster'
  return redis.options.sentinels == null ? 'store.url' : 'store.sentinels'
}

/** Explains a failure at the start: ConfigInvalidError when only the operator can change it, otherwise StoreUnavailableError. */
export function explain (redis: RedisClient, failure: Error): Explanation {
  const { message } = failure
  const reason = reasons.find(({ pattern }) => pattern.test(message))
  const setting = reason?.setting === undefined ? settingOf(redis) : `store.${reason.setting}`
  const text = `${setting}: ${reason?.isFinal === true ? reason.text : `Redis cannot be reached: ${reason?.text ?? 'see what it says'} (${message})`}`
  const { cause } = unavailable(failure)
  if (reason?.isFinal === true) return { error: new ConfigInvalidError(text, { cause }), isFinal: true }
  return { error: new StoreUnavailableError({ cause: new Error(text, { cause }) }), isFinal: false }
}

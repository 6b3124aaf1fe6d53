/**
 * The commands that the gateway runs at Redis, by its scripts and directly, with the right number of arguments; `key` stands for a
 * name that begins with the key prefix.
 */
export const redisCommands: Readonly<Record<string, readonly string[]>> = {
  DECR: ['key'],
  DEL: ['key'],
  EVAL: ['return', '1', 'key'],
  EVALSHA: ['sha', '1', 'key'],
  GET: ['key'],
  HGET: ['key', 'field'],
  HGETALL: ['key'],
  HINCRBY: ['key', 'field', '1'],
  HMGET: ['key', 'field'],
  HSET: ['key', 'field', 'value'],
  INCR: ['key'],
  MGET: ['key'],
  PEXPIRE: ['key', '1'],
  PEXPIREAT: ['key', '1'],
  PEXPIRETIME: ['key'],
  PING: [],
  PTTL: ['key'],
  SET: ['key', 'value'],
  TIME: [],
  XADD: ['key', '*', 'field', 'value'],
  XRANGE: ['key', '-', '+'],
  XREAD: ['STREAMS', 'key', '0'],
  XREVRANGE: ['key', '+', '-'],
  ZADD: ['key', '1', 'member'],
  ZRANGE: ['key', '0', '1'],
  ZRANGEBYSCORE: ['key', '0', '1'],
  ZREM: ['key', 'member'],
  ZREVRANGE: ['key', '0', '1'],
  ZSCORE: ['key', 'member']
}

/** Returns the rule for `ACL SETUSER` that the gateway's user needs. INFO tells whether Redis evicts data, and whether it is loading. */
export function redisAcl (keyPrefix: string): string {
  return `~${keyPrefix}* ${['info', 'select', 'cluster|slots', 'cluster|info', ...Object.keys(redisCommands)].map(name => `+${name.toLowerCase()}`).join(' ')}`
}

/* The addresses of a Redis, in the configuration and in the options of the store. No text here repeats an address, because it may
 * contain a password. */

/** The settings that locate the Redis and describe the connection. Only the presence of `tls` matters here. */
export interface RedisSettings {
  url?: string | undefined
  cluster?: string[] | undefined
  sentinels?: string[] | undefined
  name?: string | undefined
  username?: string | undefined
  password?: string | undefined
  database?: number | undefined
  tls?: object | undefined
}

export interface RedisAddress {
  host: string
  port: number | null
  /** The database number; null when the address has none. */
  database: number | null
  username: string | null
  password: string | null
  isTls: boolean
}

export interface RedisProblem {
  /** The name of the setting without `store.`. */
  setting: string
  /** The text after "setting: ". */
  text: string
}

export const defaultKeyPrefix = 'portcullis:'

/** The highest database number; `databases` in redis.conf sets the actual limit. */
export const mostDatabase = 65_535

/** Returns what is wrong with a key prefix, or null. Braces would move the hash tag, which keeps the keys of one script together. */
export function keyPrefixProblem (text: string): string | null {
  if (!/^[A-Za-z0-9._:-]{1,64}$/.test(text)) return 'must be 1 to 64 letters, digits and . : _ -; write for example portcullis:'
  return text.split(':').includes('rate') ? 'must not have rate between colons, which is where the counts of rate limits of another prefix are; choose another' : null
}

const encodeHint = '; when the password has a / ? # or % in it, percent-encode it, or write it to store.password, which takes it as it is'

/** Returns what is wrong with an address, or null. */
export function redisUrlProblem (text: string): string | null {
  // An unencoded password can end the host, so that the rest looks like a path, a query or a fragment.
  const hint = /^rediss?:\/\/[^@]*[/?#%][^@]*@/.test(text) ? encodeHint : ''
  const url = URL.parse(text)
  if (url === null || !/^rediss?:$/.test(url.protocol) || url.hostname === '') return `must be a redis:// or rediss:// address; write for example redis://127.0.0.1:6379${hint}`
  // The driver would read a parameter as an option.
  if (url.search !== '' || url.hash !== '') return `must not have a query or a fragment; remove what follows the ? or the #${hint}`
  if (!/^\/?\d*$/.test(url.pathname)) return `must end in a database number or nothing; write for example redis://127.0.0.1:6379/0${hint}`
  if (Number(url.pathname.slice(1)) > mostDatabase) return `must end in a database number of at most ${mostDatabase}; write a smaller one`
  try {
    decodeURIComponent(`${url.username}${url.password}`)
    return null
  } catch {
    return `has a user or a password with a % that encodes nothing; write %25 for %${encodeHint}`
  }
}

/** Returns the parts of an address that `redisUrlProblem` accepts. */
export function parseRedisUrl (text: string): RedisAddress {
  const url = new URL(text)
  const part = (encoded: string): string | null => encoded === '' ? null : decodeURIComponent(encoded)
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? null : Number(url.port),
    database: url.pathname.length < 2 ? null : Number(url.pathname.slice(1)),
    username: part(url.username),
    password: part(url.password),
    isTls: url.protocol === 'rediss:'
  }
}

/** Returns the setting that names the servers, and their addresses. */
export function addressesOf ({ url, cluster, sentinels }: RedisSettings): { setting: 'url' | 'cluster' | 'sentinels', texts: string[] } {
  if (cluster !== undefined) return { setting: 'cluster', texts: cluster }
  return sentinels === undefined ? { setting: 'url', texts: url === undefined ? [] : [url] } : { setting: 'sentinels', texts: sentinels }
}

/** Returns the conflicts between settings whose addresses are valid. */
export function findRedisProblems (settings: RedisSettings): RedisProblem[] {
  return [...checkWay(settings), ...checkAddresses(settings), ...checkDatabase(settings), ...checkTls(settings)]
}

/** Checks that the settings give one way to the server: its address, the nodes of a Cluster, or sentinels that name it. */
function checkWay ({ url, cluster, sentinels, name }: RedisSettings): RedisProblem[] {
  const [first, second] = Object.entries({ url, cluster, sentinels }).filter(([, value]) => value !== undefined).map(([setting]) => setting)
  if (first === undefined) return [{ setting: 'url', text: 'is required with redis, unless cluster or sentinels is set; add url: redis://<host>:6379' }]
  if (second !== undefined) return [{ setting: second, text: `cannot be set together with ${first}; remove one of them` }]
  if (sentinels !== undefined && name === undefined) return [{ setting: 'name', text: 'is required with sentinels; add the name that they know the primary by' }]
  return sentinels === undefined && name !== undefined ? [{ setting: 'name', text: 'belongs to sentinels; remove it' }] : []
}

/**
 * Checks that all addresses have one user, one password and one scheme. In addresses of sentinels the user and the password are the
 * sentinels'.
 */
function checkAddresses (settings: RedisSettings): RedisProblem[] {
  const { setting, texts } = addressesOf(settings)
  const addresses = texts.map(parseRedisUrl)
  const problems: RedisProblem[] = []
  if (new Set(addresses.map(({ isTls }) => isTls)).size > 1) problems.push({ setting, text: 'either all addresses are rediss:// or none is' })
  for (const [part, name] of [['username', 'user'], ['password', 'password']] as const) {
    const given = new Set(addresses.flatMap(address => address[part] ?? []))
    if (given.size > 1) problems.push({ setting, text: `the addresses have different ${name}s, and one is used for all; write the same one` })
    const beside = settings[part]
    if (setting !== 'sentinels' && beside !== undefined && given.size === 1 && !given.has(beside)) {
      problems.push({ setting: part, text: `is another ${name} than that in ${setting}; remove one of them` })
    }
  }
  return problems
}

function checkDatabase (settings: RedisSettings): RedisProblem[] {
  const { setting, texts } = addressesOf(settings)
  const { database } = settings
  const named = texts.flatMap(text => parseRedisUrl(text).database ?? [])
  if (setting === 'cluster') {
    if (named.some(number => number !== 0)) return [{ setting, text: 'a Cluster has no database numbers; remove what follows the port' }]
    return database === undefined || database === 0 ? [] : [{ setting: 'database', text: 'is not for a Cluster, which has database 0 alone; remove it, and keep deployments apart with keyPrefix' }]
  }
  const differs = named.some(number => number !== (database ?? 0))
  if (setting === 'sentinels') return differs ? [{ setting, text: 'sentinels have no databases, and the number would not be that of the primary; remove what follows the port, and set store.database' }] : []
  return database !== undefined && differs ? [{ setting: 'database', text: 'is another number than that in url; remove one of them' }] : []
}

function checkTls (settings: RedisSettings): RedisProblem[] {
  const { setting, texts } = addressesOf(settings)
  const isTls = texts.some(text => parseRedisUrl(text).isTls)
  return settings.tls === undefined || isTls || texts.length === 0 ? [] : [{ setting: 'tls', text: `is for connections with TLS; write rediss:// in ${setting}, or remove it` }]
}

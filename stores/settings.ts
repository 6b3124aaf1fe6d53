import { Type } from '@sinclair/typebox'
import { count, duration, group, list, reference, text } from '../lib/settings/fields.ts'
import { checkNotEmpty } from '../lib/settings/text-checks.ts'
import { defaultKeyPrefix, keyPrefixProblem, mostDatabase, redisUrlProblem } from './redis/settings.ts'

const { Optional } = Type

const timeout = { description: 'How long one operation may take before it counts as an outage.', minimum: '50ms', maximum: '60s' } as const

const address = text(redisUrlProblem, { description: 'Address of a Redis; with a user and a password where needed, percent-encoded. Secret.', expects: 'a redis:// or rediss:// address' })

const sqlite = group({
  type: Type.Literal('sqlite'),
  path: Optional(text(checkNotEmpty, { description: 'The database file, or :memory: to forget everything at exit.', default: './portcullis.db', expects: 'a path' })),
  timeout: Optional(duration({ ...timeout, default: '5s' }))
}, { description: 'The embedded store: one file, one machine.' })

const redis = group({
  type: Type.Literal('redis'),
  url: Optional(address),
  cluster: Optional(list(address, { description: 'Nodes of a Redis Cluster; the others are found from there.', minItems: 1 })),
  sentinels: Optional(list(address, { description: 'Redis Sentinels, which name the primary.', minItems: 1 })),
  name: Optional(text(checkNotEmpty, { description: 'The name under which the sentinels know the primary.', expects: 'a string' })),
  username: Optional(text(checkNotEmpty, { description: 'User at the Redis servers, unless it stands in url or cluster. In the addresses of sentinels stands the user of the sentinels.', expects: 'a string' })),
  password: Optional(text(checkNotEmpty, { description: 'Password at the Redis servers, as it is, unless it stands in url or cluster. In the addresses of sentinels stands the password of the sentinels. Secret.', expects: 'a string', example: reference('REDIS_PASSWORD') })),
  database: Optional(count({ description: 'Number of the database, unless it stands in url; 0 by default. Not with cluster.', minimum: 0, maximum: mostDatabase })),
  keyPrefix: Optional(text(keyPrefixProblem, { description: 'What the name of every key begins with. Deployments that share a Redis have one each.', default: defaultKeyPrefix, expects: 'a string of letters, digits and . : _ -' })),
  tls: Optional(group({
    ca: Optional(text(checkNotEmpty, { description: 'File of the certificates, PEM, of the authorities that sign those of the servers; by default the authorities that Node knows.', expects: 'a path' })),
    cert: Optional(text(checkNotEmpty, { description: 'File of the certificate chain, PEM, that the gateway shows.', expects: 'a path' })),
    key: Optional(text(checkNotEmpty, { description: 'File of its private key, PEM, without a passphrase.', expects: 'a path' }))
  }, { description: 'For rediss:// addresses.' })),
  timeout: Optional(duration({ ...timeout, default: '250ms' }))
}, { description: 'Redis, for more than one machine.' })

/** The stores that a configuration may name. */
export const store = Object.assign(Type.Union([sqlite, redis]), { description: 'Where sessions and revocations live.', default: { type: 'sqlite' }, expects: 'a group of settings with type: sqlite or type: redis' })

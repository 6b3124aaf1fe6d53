import { Type } from '@sinclair/typebox'
import { count, duration, group, list, reference, text } from '../lib/settings/fields.ts'
import { checkNotEmpty } from '../lib/settings/text-checks.ts'
import { defaultKeyPrefix, keyPrefixProblem, mostDatabase, redisUrlProblem } from './redis/settings.ts'

const { Optional } = Type

const timeout = { description: 'Maximum duration of one operation; a longer one counts as an outage.', minimum: '50ms', maximum: '60s' } as const

const address = text(redisUrlProblem, { description: 'Address of a Redis server, with user and password if required, percent-encoded. Secret.', expects: 'a redis:// or rediss:// address' })

const sqlite = group({
  type: Type.Literal('sqlite'),
  path: Optional(text(checkNotEmpty, { description: 'The database file, or :memory: for a database that is lost at exit.', default: './portcullis.db', expects: 'a path' })),
  timeout: Optional(duration({ ...timeout, default: '5s' }))
}, { description: 'The embedded store: one file, one machine.' })

const redis = group({
  type: Type.Literal('redis'),
  url: Optional(address),
  cluster: Optional(list(address, { description: 'Nodes of a Redis Cluster, from which the gateway discovers the others.', minItems: 1 })),
  sentinels: Optional(list(address, { description: 'Redis Sentinels, which name the primary.', minItems: 1 })),
  name: Optional(text(checkNotEmpty, { description: 'The name under which the sentinels know the primary.', expects: 'a string' })),
  username: Optional(text(checkNotEmpty, { description: 'User of the Redis servers, unless url or cluster contains it. The addresses in sentinels contain the user of the Sentinels.', expects: 'a string' })),
  password: Optional(text(checkNotEmpty, { description: 'Password of the Redis servers, without encoding, unless url or cluster contains it. The addresses in sentinels contain the password of the Sentinels. Secret.', expects: 'a string', example: reference('REDIS_PASSWORD') })),
  database: Optional(count({ description: 'Number of the database, unless url contains it; 0 by default. Not available with cluster.', minimum: 0, maximum: mostDatabase })),
  keyPrefix: Optional(text(keyPrefixProblem, { description: 'Prefix of every key. Deployments that share a Redis need different prefixes.', default: defaultKeyPrefix, expects: 'a string of letters, digits and . : _ -' })),
  tls: Optional(group({
    ca: Optional(text(checkNotEmpty, { description: 'File of the certificates, PEM, of the authorities that sign the servers\' certificates; by default the authorities of Node.', expects: 'a path' })),
    cert: Optional(text(checkNotEmpty, { description: 'File of the certificate chain, PEM, that the gateway presents.', expects: 'a path' })),
    key: Optional(text(checkNotEmpty, { description: 'File of its private key, PEM, without a passphrase.', expects: 'a path' }))
  }, { description: 'For rediss:// addresses.' })),
  timeout: Optional(duration({ ...timeout, default: '250ms' }))
}, { description: 'Redis, for more than one machine.' })

/** The stores that a configuration may name. */
export const store = Object.assign(Type.Union([sqlite, redis]), { description: 'The store of sessions and revocations.', default: { type: 'sqlite' }, expects: 'a group of settings with type: sqlite or type: redis' })

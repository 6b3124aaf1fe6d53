import { Type } from '@sinclair/typebox'
import { clientTls } from '../../lib/settings/client-tls.ts'
import { count, duration, group, list, reference, text } from '../../lib/settings/fields.ts'
import { checkNotEmpty } from '../../lib/settings/text-checks.ts'
import { operationTimeout } from '../driver.ts'
import { defaultKeyPrefix, keyPrefixProblem, mostDatabase, redisUrlProblem } from './addresses.ts'

const { Optional } = Type

const address = text(redisUrlProblem, { description: 'Address of a Redis server, with user and password if required, percent-encoded. Secret.', expects: 'a redis:// or rediss:// address' })

/** The settings of `store.type: redis`. */
export const settings = group({
  type: Type.Literal('redis'),
  url: Optional(address),
  cluster: Optional(list(address, { description: 'Nodes of a Redis Cluster, from which the gateway discovers the others.', minItems: 1 })),
  sentinels: Optional(list(address, { description: 'Redis Sentinels, which name the primary.', minItems: 1 })),
  name: Optional(text(checkNotEmpty, { description: 'The name under which the sentinels know the primary.', expects: 'a string' })),
  username: Optional(text(checkNotEmpty, { description: 'User of the Redis servers, unless url or cluster contains it. The addresses in sentinels contain the user of the Sentinels.', expects: 'a string' })),
  password: Optional(text(checkNotEmpty, { description: 'Password of the Redis servers, without encoding, unless url or cluster contains it. The addresses in sentinels contain the password of the Sentinels. Secret.', expects: 'a string', example: reference('REDIS_PASSWORD') })),
  database: Optional(count({ description: 'Number of the database, unless url contains it; 0 by default. Not available with cluster.', minimum: 0, maximum: mostDatabase })),
  keyPrefix: Optional(text(keyPrefixProblem, { description: 'Prefix of every key. Deployments that share a Redis need different prefixes.', default: defaultKeyPrefix, expects: 'a string of letters, digits and . : _ -' })),
  tls: Optional(group(clientTls('the servers\' certificates'), { description: 'For rediss:// addresses.' })),
  timeout: Optional(duration({ ...operationTimeout, default: '250ms' }))
}, { description: 'Redis, for more than one machine.' })

import { Type } from '@sinclair/typebox'
import { ConfigInvalidError } from '../../lib/errors.ts'
import { checkOptions, type Duration } from '../../lib/check-options.ts'
import { durationOption, optionsOf } from '../../lib/settings/options.ts'
import { storePluginName } from '../driver.ts'
import { defaultKeyPrefix, mostDatabase } from './addresses.ts'
import type { RedisTarget, RedisTls } from './options.ts'

export type RedisPluginOptions = {
  /** Selects Redis. */
  type: 'redis'
  /** Maximum duration of an operation. Default 250ms. */
  timeout?: Duration
  /** Prefix of every key. Deployments that share a Redis need different prefixes. Default `portcullis:`. */
  keyPrefix?: string
  /** User of the servers that hold data, unless the addresses contain it. */
  username?: string
  /** Password of that user. */
  password?: string
  /** Number of the database; not with a Cluster. Default 0. */
  database?: number
  /** For `rediss://`, PEM: authorities to trust in place of those of Node, and the certificate that the gateway presents. */
  tls?: RedisTls
} & (
  | {
    /** Address of a single server, or of a primary: `redis://` or `rediss://`. */
    url: string
  } | {
    /** Nodes of a Redis Cluster, from which the gateway discovers the others. */
    cluster: readonly string[]
  } | {
    /** Sentinels, with their own user and password. */
    sentinels: readonly string[]
    /** Name under which the Sentinels know the primary. */
    name: string
  }
)

const Address = Type.String({ pattern: '^rediss?://', errorMessage: 'must be a redis:// or rediss:// URL' })
const Text = Type.String({ minLength: 1 })
const Pem = Type.Union([Text, Type.Uint8Array()], { errorMessage: 'must be PEM, as a text or a Buffer' })

const Options = optionsOf({}, {
  type: Type.Literal('redis'),
  url: Type.Optional(Address),
  cluster: Type.Optional(Type.Array(Address, { minItems: 1 })),
  sentinels: Type.Optional(Type.Array(Address, { minItems: 1 })),
  name: Type.Optional(Text),
  username: Type.Optional(Text),
  password: Type.Optional(Text),
  database: Type.Optional(Type.Integer({ minimum: 0, maximum: mostDatabase, errorMessage: `must be a whole number from 0 to ${mostDatabase}` })),
  keyPrefix: Type.String({ default: defaultKeyPrefix }),
  tls: Type.Optional(Type.Unsafe<RedisTls>(Type.Object({ ca: Type.Optional(Pem), cert: Type.Optional(Pem), key: Type.Optional(Pem) }, { additionalProperties: false, errorMessage: 'must be { ca?, cert?, key? }' }))),
  timeout: Type.Optional(durationOption())
})

/** Checks the options of the plugin. Throws ConfigInvalidError that names the option. */
export function checkRedisOptions (options: RedisPluginOptions): { target: Exclude<RedisTarget, string>, keyPrefix: string, timeoutMs?: number } {
  const { type: _, timeoutMs, keyPrefix, ...target } = checkOptions(storePluginName, Options, options)
  const ways = [target.url, target.cluster, target.sentinels].filter(way => way !== undefined)
  if (ways.length !== 1) throw new ConfigInvalidError(`${storePluginName}: one of url, cluster and sentinels is required`)
  if ((target.sentinels === undefined) !== (target.name === undefined)) throw new ConfigInvalidError(`${storePluginName}: name goes with sentinels`)
  if ((target.tls?.cert === undefined) !== (target.tls?.key === undefined)) throw new ConfigInvalidError(`${storePluginName}: tls.cert goes with tls.key`)
  return { target: target as Exclude<RedisTarget, string>, keyPrefix, ...timeoutMs === undefined ? {} : { timeoutMs } }
}

import { ConfigInvalidError } from '../../lib/errors.ts'
import { redisAcl, redisCommands } from './acl.ts'
import type { RedisClient } from './client.ts'
import { settingOf } from './explain.ts'
import type { Keys } from './keys.ts'
import type { Scripts } from './scripts.ts'

/**
 * Rejects with ConfigInvalidError, which names what is missing, when the user of the connection lacks a permission that the gateway
 * needs later. Changes no data. Every primary of a Cluster is asked, because users are not replicated.
 */
export async function assertPermitted ({ redis, scripts, keys, keyPrefix }: { redis: RedisClient, scripts: Scripts, keys: Keys, keyPrefix: string }): Promise<void> {
  const refuse = (missing: string, cause?: unknown): never => {
    throw new ConfigInvalidError(`${settingOf(redis)}: the user of Redis may not ${missing}; give it the rule: ${redisAcl(keyPrefix)}`, { cause })
  }
  const commands = (key: string): string[] => Object.entries(redisCommands).flatMap(([name, args]) => [String(args.length + 1), name, ...args.map(word => word === 'key' ? key : word)])
  const answers = await Promise.all([...keys.shards.map(shard => ({ shard, key: `${shard.prefix}session:x` })), { shard: keys.first, key: `${keyPrefix}rate:x` }].map(async ({ shard, key }) => {
    const [refused] = await scripts.run('permissions', shard, [], commands(key)).catch((error: Error) => {
      const { message } = error.cause as Error
      // Every script begins with TIME, so a user without it fails before the check of the other commands.
      if (/script can't run this command/.test(message)) return refuse('run TIME', error.cause)
      const command = /run the '(?:[^']*\|)?([a-z]+)/i.exec(message)?.[1]
      if (!message.includes('NOPERM')) throw error
      return refuse(command === undefined ? `use keys that begin with ${keyPrefix}` : `run ${command.toUpperCase()}`, error.cause)
    })
    return refused as string[]
  }))
  const [first = []] = answers.filter(refused => refused.length > 0)
  const withKeys = Object.keys(redisCommands).filter(name => redisCommands[name]!.includes('key'))
  if (withKeys.every(name => first.includes(name))) refuse(`use keys that begin with ${keyPrefix}`)
  if (first.length > 0) refuse(`run ${first.join(', ')}`)
}

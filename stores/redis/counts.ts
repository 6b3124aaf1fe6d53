import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Redis } from 'ioredis'
import { ConfigInvalidError } from '../../lib/errors.ts'
import type { BudgetLimits, Counts } from '../counts.ts'
import type { RedisClient } from './client.ts'
import { within } from './deadline.ts'

/** A client of the store's Redis, and the prefix of the store's keys. */
export interface SharedRedis { client: RedisClient, keyPrefix: string }

const subtractOne = "if tonumber(redis.call('GET', KEYS[1]) or 0) > 0 then return redis.call('DECR', KEYS[1]) end"

/** Returns the prefix of the counters. They have none of the store's hash tags, so that a Cluster distributes them. */
function prefixOf (keyPrefix: string): string {
  return `${keyPrefix}rate:`
}

interface Take { key: string, limits: BudgetLimits }

type Limiter = ReturnType<FastifyInstance['createRateLimit']>

/** Counts that all processes on one Redis share. An operation that exceeds the timeout rejects with StoreUnavailableError. */
export class RedisCounts implements Counts {
  readonly #redis: Redis
  readonly #prefix: string
  readonly #timeoutMs: number
  readonly #takes: WeakMap<FastifyRequest, Take>
  readonly #limiter: Limiter

  private constructor ({ client, keyPrefix }: SharedRedis, timeoutMs: number, takes: WeakMap<FastifyRequest, Take>, limiter: Limiter) {
    this.#redis = client as Redis
    this.#prefix = prefixOf(keyPrefix)
    this.#timeoutMs = timeoutMs
    this.#takes = takes
    this.#limiter = limiter
  }

  /** Creates the counts, with one limiter for all budgets. A limiter with separate options would change the key. */
  static async create (fastify: FastifyInstance, redis: SharedRedis, timeoutMs: number): Promise<RedisCounts> {
    if (fastify.hasDecorator('createRateLimit')) throw new ConfigInvalidError('portcullis-rate-limit: register it before your own @fastify/rate-limit')
    const takes = new WeakMap<FastifyRequest, Take>()
    const takeOf = (request: FastifyRequest): Take => takes.get(request)!
    let limiter: Limiter | null = null
    // The plugin is registered in a separate scope, so that the application's own @fastify/rate-limit finds the names free.
    await fastify.register(async function rateLimiter (scope) {
      await scope.register(rateLimit, {
        global: false,
        redis: redis.client,
        nameSpace: prefixOf(redis.keyPrefix),
        keyGenerator: request => `${takeOf(request).limits.name}:${takeOf(request).key}`,
        max: request => takeOf(request).limits.max,
        timeWindow: request => takeOf(request).limits.windowMs,
        // No client is banned. The option only distinguishes the first request over the budget from those that follow.
        ban: 1
      })
      limiter = scope.createRateLimit()
    })
    return new RedisCounts(redis, timeoutMs, takes, limiter!)
  }

  async add (request: FastifyRequest, key: string, limits: BudgetLimits): Promise<{ count: number, leftMs: number }> {
    this.#takes.set(request, { key, limits })
    const result = await within(this.#limiter(request), this.#timeoutMs)
    if (result.isAllowed) return { count: 0, leftMs: 0 }
    const over = result.isBanned ? 2 : 1
    return { count: result.isExceeded ? limits.max + over : limits.max - result.remaining, leftMs: result.ttl }
  }

  /** Takes one request back. If this operation is lost, the count stays one too high. */
  subtract (key: string, { name }: BudgetLimits): void {
    this.#redis.eval(subtractOne, 1, `${this.#prefix}${name}:${key}`).catch(() => {})
  }
}

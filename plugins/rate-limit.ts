import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { ConfigInvalidError } from '../lib/errors.ts'
import { checkOptions, durationMs } from '../lib/options.ts'
import { durationOption, optional, optionsOf, type OptionsFrom } from '../lib/settings/options.ts'
import { rateLimit, type budget } from '../lib/settings/rate-limit.ts'
import type { BudgetLimits, Counts } from '../stores/counts.ts'
import { addPart, beginPart } from './portcullis.ts'
import { accountKey, addressKey, Budget, MemoryCounts, type LimitedAccount } from './rate-limit/budget.ts'
import { guardAccess } from './rate-limit/guard.ts'

export type { Budget, LimitedAccount } from './rate-limit/budget.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    rateLimit: RateLimit
  }
}

export interface RateLimit {
  /**
   * One attempt to sign in. The address's attempts are all counted, here and before `verify`, which hashes; the account's are
   * counted as `attempt` says. `known`: what events say of the account, where there is one.
   */
  signIn: <Result>(reply: FastifyReply, username: string, verify: () => Promise<Result | null>, known?: LimitedAccount) => Promise<Result | null>
  /**
   * One attempt at the password of an account, known here or not: its failures are counted in the `signIn` budget, and when that
   * is used up `verify` is not called. `account`: the user name, or the subject where that is known.
   */
  attempt: <Result>(request: FastifyRequest, account: string, verify: () => Promise<Result | null>, known?: LimitedAccount) => Promise<Result | null>
  /**
   * One refresh. A token with a session is counted by it, and by the store, in one operation with the rotation: `rotate` is given the
   * budget for that (`reply.rotateFamily({ budget })`). What has no session is counted by `sid`, or by the client's address where
   * the token is forged (null).
   */
  refresh: <Result>(reply: FastifyReply, sid: string | null, rotate: (budget: Budget) => Promise<Result>) => Promise<Result>
  /**
   * One proof of a session's device: as a refresh of the session, but counted by this process alone, so that a store which takes
   * nothing more keeps no device from renewing what is good for minutes; and by address, so that whoever has copied the session's
   * cookie uses up proofs of their own.
   */
  device: (reply: FastifyReply, sid: string) => Promise<void>
  /** The hook that does as `authenticate` does, and counts by subject, or by address where there is none. */
  guard: (name: string, size: BudgetSize, authenticate: onRequestHookHandler) => onRequestHookHandler
  /** A budget of the application's own. */
  createBudget: (name: string, size: BudgetSize) => Budget
  /** How many requests were refused, by the name of the budget. */
  readonly limited: ReadonlyMap<string, number>
}

export interface BudgetSize extends OptionsFrom<typeof budget> {}

const own = {
  /** How long Redis may take, where the store is Redis. */
  timeout: durationOption({ default: '250ms' }),
  /** Keys that a budget remembers at most, where it counts in memory. Default 50000, about 8 MB. */
  maxKeys: optional(50_000, Type.Integer({ minimum: 1 })),
  /** The clock of budgets in memory, in milliseconds. */
  now: Type.Optional(Type.Unsafe<() => number>(Type.Function([], Type.Number())))
}

export interface RateLimitOptions extends OptionsFrom<typeof rateLimit.properties, typeof own> {}

const Options = optionsOf(rateLimit.properties, own)

/** Of a refresh that the store has not counted, though it may have been asked. */
const refusals = ['PTC_ERR_REFRESH_REFUSED', 'PTC_ERR_AUDIENCE_UNKNOWN']

/**
 * Named budgets of requests: shared by every process where the store is Redis, each process's own otherwise. What cannot be
 * counted is refused.
 */
export default fp<RateLimitOptions>(async function rateLimitPlugin (fastify, options) {
  const { signIn, refresh, timeoutMs, maxKeys, now = () => performance.now() } = checkOptions('portcullis-rate-limit', Options, options)
  const portcullis = beginPart(fastify, 'rateLimit')
  const shared = await portcullis.createCounts?.(fastify, timeoutMs)
  const ownCounts = (limits: BudgetLimits): Counts => new MemoryCounts(limits, { maxKeys, now })
  const limited = new Map<string, number>()
  const createBudget = (name: string, size: Omit<BudgetLimits, 'name'>, countsOf: (limits: BudgetLimits) => Counts = limits => shared ?? ownCounts(limits)): Budget => {
    const limits = { name, ...size }
    if (!/^[\w/.~:@-]{1,200}$/.test(name)) throw new ConfigInvalidError('portcullis-rate-limit: the name of a budget may hold letters, digits and / . ~ : @ _ - only')
    if (limits.windowMs < 1000) throw new ConfigInvalidError(`portcullis-rate-limit: ${name}.window must be at least 1s`)
    limited.set(name, limited.get(name) ?? 0)
    return new Budget(limits, countsOf(limits), { where: portcullis, limited })
  }
  const signIns = createBudget('signIn', signIn)
  const refreshes = createBudget('refresh', refresh)
  const proofs = createBudget('refresh', refresh, ownCounts)

  addPart(fastify, 'rateLimit', {
    limited,
    createBudget: (name, size) => createBudget(name, limitsOf(size)),
    attempt: async (request, account, verify, known) => await attempt(signIns, request, account, verify, known),
    async signIn (reply, username, verify, known) {
      await signIns.spend(reply, addressKey(reply.request), known)
      return await attempt(signIns, reply.request, username, verify, known)
    },
    refresh: async (reply, sid, rotate) => await countRefresh(refreshes, reply, sid, rotate),
    device: async (reply, sid) => { await proofs.spend(reply, `sid ${sid} ${addressKey(reply.request)}`, { sid }) },
    guard: (name, size, authenticate) => guardAccess(createBudget(name, limitsOf(size)), authenticate)
  })
}, { name: 'portcullis-rate-limit', fastify: '5.x', dependencies: ['portcullis-store'] })

function limitsOf ({ max, window }: BudgetSize): Omit<BudgetLimits, 'name'> {
  return { max, windowMs: durationMs(window) }
}

/** What no store has counted, because there was no session to count it by, is counted here, once it is known. */
async function countRefresh<Result> (budget: Budget, reply: FastifyReply, sid: string | null, rotate: (budget: Budget) => Promise<Result>): Promise<Result> {
  if (sid === null) await budget.spend(reply, addressKey(reply.request))
  try {
    return await rotate(budget)
  } catch (error) {
    if (sid !== null && refusals.includes((error as { code?: string }).code ?? '')) await budget.spend(reply, `sid ${sid}`, { sid })
    throw error
  }
}

/**
 * Counted before the password is looked at, so that many attempts at once are no more than the budget; given back unless it was
 * wrong. So only failures use the budget up, and nobody but who fails is kept out, until the window ends and no longer.
 */
async function attempt<Result> (budget: Budget, request: FastifyRequest, account: string, verify: () => Promise<Result | null>, known?: LimitedAccount): Promise<Result | null> {
  const key = accountKey(account)
  await budget.take(request, key, known)
  let isFailure = false
  try {
    const result = await verify()
    isFailure = result === null
    return result
  } finally {
    if (!isFailure) budget.giveBack(key)
  }
}

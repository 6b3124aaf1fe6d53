import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { ConfigInvalidError } from '../lib/errors.ts'
import { assertMethods, checkOptions, durationMs } from '../lib/check-options.ts'
import { durationOption, optional, optionsOf, type OptionsFrom } from '../lib/settings/options.ts'
import { rateLimit, type budget } from '../lib/settings/rate-limit.ts'
import type { BudgetLimits, Counts } from '../stores/counts.ts'
import { describeError } from './errors.ts'
import { addPart, beginPart } from './portcullis.ts'
import { accountKey, addressKey, Budget, MemoryCounts, type LimitedAccount } from './rate-limit/budget.ts'
import { GuardedCounts } from './rate-limit/guarded-counts.ts'
import { guardAccess } from './rate-limit/guard.ts'

export type { BudgetLimits, Count, Counts } from '../stores/counts.ts'
export type { Budget, LimitedAccount } from './rate-limit/budget.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    rateLimit: RateLimit
  }
}

export interface RateLimit {
  /**
   * Runs one attempt to sign in. All attempts of an address are counted, before `verify`, which hashes; those of the account are counted as
   * in `attempt`, unless `username` is null. `known` identifies the account in events, if there is one.
   */
  signIn: <Result>(reply: FastifyReply, username: string | null, verify: () => Promise<Result | null>, known?: LimitedAccount) => Promise<Result | null>
  /**
   * Runs one attempt at the password of an account, whether the account exists or not. Failures are counted in the `signIn` budget; when it
   * is used up, `verify` is not called. `account` is the user name, or the subject if it is known.
   */
  attempt: <Result>(request: FastifyRequest, account: string, verify: () => Promise<Result | null>, known?: LimitedAccount) => Promise<Result | null>
  /**
   * Runs one refresh. The store counts a token with a session by its session, in one operation with the rotation: `rotate` receives the
   * budget for that (`reply.rotateFamily({ budget })`). A token without a session is counted by `sid`, or by the client's address if it is
   * forged (null).
   */
  refresh: <Result>(reply: FastifyReply, sid: string | null, rotate: (budget: Budget) => Promise<Result>) => Promise<Result>
  /**
   * Counts one proof of a session's device. It counts as a refresh of the session, but in this process only, so that a store that accepts
   * no writes does not prevent a device from renewing a cookie that lasts for minutes. Proofs are counted by address too, so that an
   * attacker who has copied the session's cookie uses up a separate budget.
   */
  device: (reply: FastifyReply, sid: string) => Promise<void>
  /** Returns a hook that acts as `authenticate` does, and counts by subject, or by address if there is none. */
  guard: (name: string, size: BudgetSize, authenticate: onRequestHookHandler) => onRequestHookHandler
  /** Creates a budget for the application. */
  createBudget: (name: string, size: BudgetSize) => Budget
  /** Number of rejected requests, by the name of the budget. */
  readonly limited: ReadonlyMap<string, number>
}

export interface BudgetSize extends OptionsFrom<typeof budget> {}

const own = {
  /** Maximum time of an operation, if the store is Redis or if there are `counts`. */
  timeout: durationOption({ default: '250ms' }),
  /** Maximum number of keys of a budget that counts in memory. Default 50000, about 8 MB. */
  maxKeys: optional(50_000, Type.Integer({ minimum: 1 })),
  /** Counters in place of those of the store or of this process. Refreshes of a session are counted by its store in any case. */
  counts: Type.Optional(Type.Unsafe<Counts>(Type.Object({}, { errorMessage: 'must have the methods add and subtract' }))),
  /** Clock of the budgets that count in memory, in milliseconds. Default: the clock of tokens (`portcullis.clock`). */
  now: Type.Optional(Type.Unsafe<() => number>(Type.Function([], Type.Number())))
}

export interface RateLimitOptions extends OptionsFrom<typeof rateLimit.properties, typeof own> {}

const Options = optionsOf(rateLimit.properties, own)

/** Codes of a refresh that the store has not counted, although it may have been queried. */
const refusals = ['PTC_ERR_REFRESH_REFUSED', 'PTC_ERR_AUDIENCE_UNKNOWN']

/**
 * Named budgets of requests. All processes share them if the store is Redis, or if `counts` are shared; otherwise each process counts alone.
 * A request that cannot be counted is rejected.
 */
export default fp<RateLimitOptions>(async function rateLimitPlugin (fastify, options) {
  const { signIn, refresh, timeoutMs, maxKeys, counts, ...given } = checkOptions('portcullis-rate-limit', Options, options)
  assertMethods('portcullis-rate-limit: counts', counts, ['add', 'subtract'], 'counters')
  const portcullis = beginPart(fastify, 'rateLimit')
  const { now = portcullis.clock } = given
  const shared = counts === undefined ? await portcullis.createCounts?.(fastify, timeoutMs) : new GuardedCounts(counts, { timeoutMs, onError: error => { fastify.log.warn({ error: describeError(error) }, 'the counts of portcullis-rate-limit failed') } })
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
      return username === null ? await verify() : await attempt(signIns, reply.request, username, verify, known)
    },
    refresh: async (reply, sid, rotate) => await countRefresh(refreshes, reply, sid, rotate),
    device: async (reply, sid) => { await proofs.spend(reply, `sid ${sid} ${addressKey(reply.request)}`, { sid }) },
    guard: (name, size, authenticate) => guardAccess(createBudget(name, limitsOf(size)), authenticate)
  })
}, { name: 'portcullis-rate-limit', fastify: '5.x', dependencies: ['portcullis-store'] })

function limitsOf ({ max, window }: BudgetSize): Omit<BudgetLimits, 'name'> {
  return { max, windowMs: durationMs(window) }
}

/** Counts a refresh here if no store has counted it, because there was no session. This is known only afterwards. */
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
 * Counts the attempt before the password is verified, so that concurrent attempts cannot exceed the budget, and gives it back unless the
 * password was wrong. Only failures therefore use the budget up, and it rejects attempts only until the window ends.
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

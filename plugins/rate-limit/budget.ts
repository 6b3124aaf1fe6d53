import type { FastifyReply, FastifyRequest } from 'fastify'
import { createHash } from 'node:crypto'
import { foldAccount } from '../../lib/account.ts'
import { countedAddress } from '../../lib/http/client-address.ts'
import { RateLimitedError } from '../../lib/errors.ts'
import { publish, sourceOf, type SecurityEvent } from '../../lib/events.ts'
import { rateLimitHeaders, secondsLeft, type Standing } from '../../lib/http/rate-limit-headers.ts'
import type { BudgetLimits, Counts } from '../../stores/counts.ts'
import { WindowCounter } from './window-counter.ts'

/** The session or the subject whose requests are counted, where it is known; events name it. */
export interface LimitedAccount { sid?: string | null | undefined, subject?: string | undefined, account?: 'unknown' }

interface Reports {
  /** `app.portcullis` of the server whose requests are counted. */
  where: object
  /** How many requests each budget has refused. */
  limited: Map<string, number>
}

/** A named number of requests that one key may make in a window. */
export class Budget {
  readonly limits: BudgetLimits
  readonly #counts: Counts
  readonly #reports: Reports

  constructor (limits: BudgetLimits, counts: Counts, reports: Reports) {
    this.limits = limits
    this.#counts = counts
    this.#reports = reports
  }

  /** Counts one. Throws, or rejects with, RateLimitedError when the budget is used up. A promise only with Redis. */
  take (request: FastifyRequest, key: string, known?: LimitedAccount): Standing | Promise<Standing> {
    const counted = this.#counts.add(request, key, this.limits)
    return counted instanceof Promise ? counted.then(now => this.#judge(request, now, known)) : this.#judge(request, counted, known)
  }

  /** The same, and the answer tells the client how much is left. */
  async spend (reply: FastifyReply, key: string, known?: LimitedAccount): Promise<void> {
    void reply.headers(rateLimitHeaders(await this.take(reply.request, key, known)))
  }

  /** The same of what the store has counted. Throws RateLimitedError when the budget is used up. */
  tell (reply: FastifyReply, counted: Pick<Standing, 'count' | 'leftMs'>, known?: LimitedAccount): void {
    void reply.headers(rateLimitHeaders(this.#judge(reply.request, counted, known)))
  }

  /** What was counted turned out not to count. */
  giveBack (key: string): void {
    this.#counts.subtract(key, this.limits)
  }

  #judge (request: FastifyRequest, { count, leftMs }: Pick<Standing, 'count' | 'leftMs'>, known?: LimitedAccount): Standing {
    const standing = { ...this.limits, count, leftMs }
    if (count <= this.limits.max) return standing
    const { name } = this.limits
    const { where, limited } = this.#reports
    limited.set(name, (limited.get(name) ?? 0) + 1)
    // Once in a window, however many follow.
    if (count === this.limits.max + 1) publish({ event: 'rate.limited', ...membersOf(known), ...sourceOf(request), outcome: name, budget: name }, where)
    throw Object.assign(new RateLimitedError({ cause: new Error(`the budget ${name} is used up`) }), { headers: { 'retry-after': secondsLeft(leftMs), ...rateLimitHeaders(standing) } })
  }
}

function membersOf ({ sid, subject, account }: LimitedAccount = {}): Pick<SecurityEvent, 'sid' | 'subject' | 'account'> {
  return { ...sid == null ? {} : { sid }, ...subject === undefined ? {} : { subject }, ...account === undefined ? {} : { account } }
}

/** Counts of this process alone. */
export class MemoryCounts implements Counts {
  readonly #counter: WindowCounter
  readonly #now: () => number

  constructor (limits: BudgetLimits, { maxKeys, now }: { maxKeys: number, now: () => number }) {
    this.#counter = new WindowCounter({ windowMs: limits.windowMs, maxKeys })
    this.#now = now
  }

  add (_request: FastifyRequest, key: string): { count: number, leftMs: number } {
    // Whole milliseconds: of fractions a sum less one part is not always the other.
    const nowMs = Math.floor(this.#now())
    const { count, endsAtMs } = this.#counter.add(key, nowMs)
    return { count, leftMs: endsAtMs - nowMs }
  }

  subtract (key: string): void {
    this.#counter.subtract(key, Math.floor(this.#now()))
  }
}

/** The key of a client's address. No subject has a space in it. */
export function addressKey (request: FastifyRequest): string {
  return `address ${countedAddress(request.ip ?? 'unknown')}`
}

/**
 * The key of the account that a password is tried for, hashed, so that it has one length and cannot be read. Spellings that a
 * directory may take for one account share a budget.
 */
export function accountKey (name: string): string {
  return `account ${createHash('sha256').update(foldAccount(name)).digest('base64url')}`
}

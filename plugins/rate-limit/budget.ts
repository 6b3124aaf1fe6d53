import type { FastifyReply, FastifyRequest } from 'fastify'
import { createHash } from 'node:crypto'
import { foldAccount } from '../../lib/account.ts'
import { countedAddress } from '../../lib/client-address.ts'
import { RateLimitedError } from '../../lib/errors.ts'
import { publish } from '../../lib/events.ts'
import { rateLimitHeaders, secondsLeft, type Standing } from '../../lib/rate-limit-headers.ts'
import { WindowCounter } from '../../lib/window-counter.ts'

export interface BudgetLimits {
  /** The name that clients read in `RateLimit-Policy`. */
  name: string
  /** Requests of one key in a window. */
  max: number
  windowMs: number
}

/** Where a budget counts. A promise only where others count too. */
export interface Counts {
  /** `count` includes this one. Rejects with StoreUnavailableError when it cannot be known. */
  add (request: FastifyRequest, key: string, limits: BudgetLimits): Pick<Standing, 'count' | 'leftMs'> | Promise<Pick<Standing, 'count' | 'leftMs'>>
  subtract (key: string, limits: BudgetLimits): void
}

/** A named number of requests that one key may make in a window. */
export class Budget {
  readonly limits: BudgetLimits
  readonly #counts: Counts
  readonly #where: object

  /** `where`: `app.portcullis` of the server whose requests are counted. */
  constructor (limits: BudgetLimits, counts: Counts, where: object) {
    this.limits = limits
    this.#counts = counts
    this.#where = where
  }

  /** Counts one. Throws, or rejects with, RateLimitedError when the budget is used up. A promise only with Redis. */
  take (request: FastifyRequest, key: string): Standing | Promise<Standing> {
    const counted = this.#counts.add(request, key, this.limits)
    return counted instanceof Promise ? counted.then(known => this.#judge(request, known)) : this.#judge(request, counted)
  }

  /** The same, and the answer tells the client how much is left. */
  async spend (reply: FastifyReply, key: string): Promise<void> {
    void reply.headers(rateLimitHeaders(await this.take(reply.request, key)))
  }

  /** The same of what the store has counted. Throws RateLimitedError when the budget is used up. */
  tell (reply: FastifyReply, counted: Pick<Standing, 'count' | 'leftMs'>): void {
    void reply.headers(rateLimitHeaders(this.#judge(reply.request, counted)))
  }

  /** What was counted turned out not to count. */
  giveBack (key: string): void {
    this.#counts.subtract(key, this.limits)
  }

  #judge (request: FastifyRequest, { count, leftMs }: Pick<Standing, 'count' | 'leftMs'>): Standing {
    const standing = { ...this.limits, count, leftMs }
    if (count <= this.limits.max) return standing
    // Once in a window, however many follow.
    if (count === this.limits.max + 1) publish({ event: 'rate.limited', ip: request.ip, outcome: this.limits.name }, this.#where)
    throw Object.assign(new RateLimitedError(), { headers: { 'retry-after': secondsLeft(leftMs), ...rateLimitHeaders(standing) } })
  }
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

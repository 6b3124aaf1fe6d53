import type { FastifyReply, FastifyRequest } from 'fastify'
import { createHash } from 'node:crypto'
import { foldAccount } from '../../lib/account.ts'
import { countedAddress } from '../../lib/http/client-address.ts'
import { RateLimitedError } from '../../lib/errors.ts'
import { publish, sourceOf, type SecurityEvent } from '../../lib/events.ts'
import type { BudgetLimits, Counts } from '../../stores/counts.ts'
import { RecencyCache } from '../../lib/cache.ts'

/* Budgets of requests: the maximum for a key in a window, how requests are counted, and the headers that report a budget. */

/** Session or subject whose requests are counted, if it is known. Events name it. */
export interface LimitedAccount { sid?: string | null | undefined, subject?: string | undefined, account?: 'unknown' }

/** State of a budget after a request was counted. */
export interface Standing {
  name: string
  max: number
  windowMs: number
  /** Number of requests counted in the window, including this one. */
  count: number
  /** Time until the window ends, in milliseconds. */
  leftMs: number
}

interface Reports {
  /** `app.portcullis` of the server whose requests are counted. */
  where: object
  /** Number of requests that each budget has rejected. */
  limited: Map<string, number>
}

/** A named maximum number of requests that one key may make in a window. */
export class Budget {
  /** Name, maximum and window. */
  readonly limits: BudgetLimits
  readonly #counts: Counts
  readonly #reports: Reports

  constructor (limits: BudgetLimits, counts: Counts, reports: Reports) {
    this.limits = limits
    this.#counts = counts
    this.#reports = reports
  }

  /** Counts one request. Throws, or rejects with, RateLimitedError if the budget is used up. Returns a promise only with Redis. */
  take (request: FastifyRequest, key: string, known?: LimitedAccount): Standing | Promise<Standing> {
    const counted = this.#counts.add(request, key, this.limits)
    return counted instanceof Promise ? counted.then(now => this.#judge(request, now, known)) : this.#judge(request, counted, known)
  }

  /** Counts one request as `take` does, and reports the remaining budget in the response. */
  async spend (reply: FastifyReply, key: string, known?: LimitedAccount): Promise<void> {
    void reply.headers(rateLimitHeaders(await this.take(reply.request, key, known)))
  }

  /** Reports the remaining budget of a request that the store has counted. Throws RateLimitedError if the budget is used up. */
  tell (reply: FastifyReply, counted: Pick<Standing, 'count' | 'leftMs'>, known?: LimitedAccount): void {
    void reply.headers(rateLimitHeaders(this.#judge(reply.request, counted, known)))
  }

  /** Takes back a request that turned out not to count. */
  giveBack (key: string): void {
    this.#counts.subtract(key, this.limits)
  }

  #judge (request: FastifyRequest, { count, leftMs }: Pick<Standing, 'count' | 'leftMs'>, known?: LimitedAccount): Standing {
    const standing = { ...this.limits, count, leftMs }
    if (count <= this.limits.max) return standing
    const { name } = this.limits
    const { where, limited } = this.#reports
    limited.set(name, (limited.get(name) ?? 0) + 1)
    // The event is published once in a window, however many requests follow.
    if (count === this.limits.max + 1) publish({ event: 'rate.limited', ...membersOf(known), ...sourceOf(request), outcome: name, budget: name }, where)
    throw Object.assign(new RateLimitedError({ cause: new Error(`the budget ${name} is used up`) }), { headers: { 'retry-after': secondsLeft(leftMs), ...rateLimitHeaders(standing) } })
  }
}

/** Returns the headers of draft-ietf-httpapi-ratelimit-headers, as structured fields. `name` must be visible ASCII without " and \. */
export function rateLimitHeaders ({ name, max, windowMs, count, leftMs }: Standing): { ratelimit: string, 'ratelimit-policy': string } {
  return {
    'ratelimit-policy': `"${name}";q=${max};w=${Math.ceil(windowMs / 1000)}`,
    ratelimit: `"${name}";r=${Math.max(0, max - count)};t=${secondsLeft(leftMs)}`
  }
}

/** Returns the whole seconds after which the window has ended, rounded up; at least 1. */
export function secondsLeft (leftMs: number): number {
  return Math.max(1, Math.ceil(leftMs / 1000))
}

function membersOf ({ sid, subject, account }: LimitedAccount = {}): Pick<SecurityEvent, 'sid' | 'subject' | 'account'> {
  return { ...sid == null ? {} : { sid }, ...subject === undefined ? {} : { subject }, ...account === undefined ? {} : { account } }
}

/** Counts of this process only. */
export class MemoryCounts implements Counts {
  readonly #counter: WindowCounter
  readonly #now: () => number

  constructor (limits: BudgetLimits, { maxKeys, now }: { maxKeys: number, now: () => number }) {
    this.#counter = new WindowCounter({ windowMs: limits.windowMs, maxKeys })
    this.#now = now
  }

  add (_request: FastifyRequest, key: string): { count: number, leftMs: number } {
    // Milliseconds are whole numbers, because the sum of two fractions less one of them is not always exactly the other.
    const nowMs = Math.floor(this.#now())
    const { count, endsAtMs } = this.#counter.add(key, nowMs)
    return { count, leftMs: endsAtMs - nowMs }
  }

  subtract (key: string): void {
    this.#counter.subtract(key, Math.floor(this.#now()))
  }
}

/** Returns the key of a client's address. No subject contains a space. */
export function addressKey (request: FastifyRequest): string {
  return `address ${countedAddress(request.ip ?? 'unknown')}`
}

/**
 * Returns the key of the account whose password is tried. It is hashed, so that it has a fixed length and cannot be read. Spellings that a
 * directory may treat as one account share a budget.
 */
export function accountKey (name: string): string {
  return `account ${createHash('sha256').update(foldAccount(name)).digest('base64url')}`
}

export interface Count {
  /** Number of requests counted in the window, including this one. */
  count: number
  /** End of the window, by the given clock. */
  endsAtMs: number
}

/**
 * Counts by key in windows that start with a key's first request. If there are more than `maxKeys` keys, those that were not counted for
 * the longest time are dropped, so clients that keep trying remain counted.
 */
export class WindowCounter {
  readonly #windowMs: number
  readonly #counts: RecencyCache<Count>

  constructor ({ windowMs, maxKeys }: { windowMs: number, maxKeys: number }) {
    this.#windowMs = windowMs
    this.#counts = new RecencyCache(maxKeys)
  }

  get size (): number {
    return this.#counts.size
  }

  /** Counts one request. The returned object belongs to the counter and must be read at once. */
  add (key: string, nowMs: number): Count {
    const known = this.#counts.get(key)
    if (known !== undefined && this.#isIn(known, nowMs)) {
      known.count++
      return known
    }
    const count = { count: 1, endsAtMs: nowMs + this.#windowMs }
    this.#counts.set(key, count)
    return count
  }

  /** Takes one request back if its window has not ended. */
  subtract (key: string, nowMs: number): void {
    const known = this.#counts.get(key)
    if (known !== undefined && this.#isIn(known, nowMs) && known.count > 0) known.count--
  }

  /** Returns whether a window has begun and has not ended. One that has not begun was counted before the clock was set back. */
  #isIn ({ endsAtMs }: Count, nowMs: number): boolean {
    return nowMs < endsAtMs && endsAtMs - nowMs <= this.#windowMs
  }
}

import { Type } from '@sinclair/typebox'
import { count, duration, group } from './fields.ts'

const { Optional } = Type

const requests = { description: 'Requests.', minimum: 1, maximum: 1_000_000 } as const
const time = { description: 'In this time, from the first one on.', minimum: '1s', maximum: '24h' } as const

/** A budget that is said in full. */
export const budget = {
  /** Requests in a window. */
  max: count({ ...requests, example: '600' }),
  /** How long a window is; it begins with the first request. At least 1s. */
  window: duration(time)
}

const budgetOf = (max: number, description: string) => group({
  /** Requests in a window. */
  max: Optional(count({ ...requests, default: max })),
  /** How long a window is; it begins with the first request. At least 1s. */
  window: Optional(duration({ ...time, default: '1m' }))
}, { description, default: {} })

export const rateLimit = group({
  /** Attempts to sign in of one address, and failed ones of one account. */
  signIn: Optional(budgetOf(10, 'Attempts to sign in of one client address (of IPv6, a /64), and failed ones for one account.')),
  /** Refreshes of one session, and forged ones of one address. */
  refresh: Optional(budgetOf(60, 'Refreshes of one session, and forged ones of one client address.'))
}, { description: 'Budgets of the gateway\'s own endpoints.', default: {} })

/** `rateLimit` of one upstream. */
export const upstreamRateLimit = group(budget, { description: 'A budget of requests: of one subject, or of one client address where nobody is known.' })

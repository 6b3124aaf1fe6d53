import { Type } from '@sinclair/typebox'
import { count, duration, group } from './fields.ts'

const { Optional } = Type

const requests = { description: 'Requests.', minimum: 1, maximum: 1_000_000 } as const
const time = { description: 'Length of the window, which starts with the first request.', minimum: '1s', maximum: '24h' } as const

/** A budget without defaults. */
export const budget = {
  /** Number of requests in a window. */
  max: count({ ...requests, example: '600' }),
  /** Length of a window, which starts with the first request. At least 1s. */
  window: duration(time)
}

const budgetOf = (max: number, description: string) => group({
  /** Number of requests in a window. */
  max: Optional(count({ ...requests, default: max })),
  /** Length of a window, which starts with the first request. At least 1s. */
  window: Optional(duration({ ...time, default: '1m' }))
}, { description, default: {} })

export const rateLimit = group({
  /** Sign-in attempts from one client address, and failed attempts for one account. */
  signIn: Optional(budgetOf(10, 'Sign-in attempts from one client address (an IPv6 /64), and failed attempts for one account.')),
  /** Refreshes of one session, and forged refresh tokens from one client address. */
  refresh: Optional(budgetOf(60, 'Refreshes of one session, and forged refresh tokens from one client address.'))
}, { description: 'Budgets of the gateway\'s own endpoints.', default: {} })

/** `rateLimit` of one upstream. */
export const upstreamRateLimit = group(budget, { description: 'A budget of requests from one subject, or from one client address without a subject.' })

import { Type } from '@sinclair/typebox'
import { choice, duration, group } from './fields.ts'

const { Optional } = Type

/** Settings of the replica of the store's log that every process holds. */
export const replica = {
  /** Maximum age of the store's last answer; when it is older, the process queries the store. 100ms to 60s. */
  maxStaleness: Optional(duration({ description: 'Maximum age of the store\'s last answer; when it is older, the process queries the store.', default: '2s', minimum: '100ms', maximum: '60s', hard: true })),
  /** Time for which the replica may still answer when the store cannot. Revocations made in that time are not seen. */
  staleFor: Optional(duration({ description: 'Time for which a process serves without the store. It misses revocations made meanwhile.', default: '0s', minimum: '0s', maximum: '24h' }))
}

const consistencies = ['replica', 'strict'] as const

export type Consistency = typeof consistencies[number]

export const revocation = group({
  consistency: Optional(choice(consistencies, { description: 'replica: check the copy in memory; strict: query the store for every request, and never use stale data.', default: 'replica' })),
  ...replica
}, { description: 'How current a process\' view of revocations must be.', default: {} })

/** `revocation` of one upstream. */
export const upstreamRevocation = group({
  consistency: Optional(choice(consistencies, { description: 'Overrides revocation.consistency.' }))
}, { description: 'How current the view of revocations must be for this upstream.' })

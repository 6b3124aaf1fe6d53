import { Type } from '@sinclair/typebox'
import { choice, duration, group } from './fields.ts'

const { Optional } = Type

/** The settings of the replica of the store's log, which every process has. */
export const replica = {
  /** How long ago the store may have been heard from before it is asked directly. 100ms to 60s. */
  maxStaleness: Optional(duration({ description: 'How long ago the process may last have heard from the store before it asks directly.', default: '2s', minimum: '100ms', maximum: '60s', hard: true })),
  /** How long the replica may still answer when the store cannot; revocations of that time are not seen. */
  staleFor: Optional(duration({ description: 'How long to go on without the store. Revocations of that time are not seen.', default: '0s', minimum: '0s', maximum: '24h' }))
}

const consistencies = ['replica', 'strict'] as const

export type Consistency = typeof consistencies[number]

export const revocation = group({
  consistency: Optional(choice(consistencies, { description: 'replica: answer from memory; strict: always ask the store, never serve stale.', default: 'replica' })),
  ...replica
}, { description: 'How fresh the knowledge of revocations is.', default: {} })

/** `revocation` of one upstream. */
export const upstreamRevocation = group({
  consistency: Optional(choice(consistencies, { description: 'In place of revocation.consistency.' }))
}, { description: 'How fresh the knowledge of revocations must be here.' })

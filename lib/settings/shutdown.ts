import { Type } from '@sinclair/typebox'
import { duration, group } from './fields.ts'

const { Optional } = Type

export const shutdown = group({
  /** Time for which the gateway keeps serving after it reports that it is not ready. Then it refuses new connections. */
  delay: Optional(duration({ description: 'Time for which the gateway keeps serving after it reports that it is not ready.', default: '0s', minimum: '0s', maximum: '10m' })),
  /** Time for which requests in flight may finish after that; then their connections are closed. */
  timeout: Optional(duration({ description: 'Time for which requests in flight may finish.', default: '10s', minimum: '0s', maximum: '10m' }))
}, { description: 'Behaviour on SIGTERM.', default: {} })

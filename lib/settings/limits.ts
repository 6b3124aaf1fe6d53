import { Type } from '@sinclair/typebox'
import { duration, group, size } from './fields.ts'

const { Optional } = Type

export const limits = group({
  /** All headers of a request together; more is 431. */
  headers: Optional(size({ description: 'Largest request head.', default: '16KiB', minimum: '1KiB', maximum: '256KiB' })),
  /** Bodies that the gateway's own routes read; more is 413. What is proxied streams. */
  body: Optional(size({ description: 'Largest body of the gateway\'s own endpoints; upstreams stream.', default: '1MiB', minimum: '1KiB', maximum: '64MiB' })),
  /** From the first byte of a request to the end of its headers; longer is 408. */
  headersTimeout: Optional(duration({ description: 'How long a request head may take to arrive.', default: '10s', minimum: '100ms', maximum: '5m' })),
  /** How long an idle connection is kept. */
  keepAlive: Optional(duration({ description: 'How long an idle connection stays open.', default: '72s', minimum: '1s', maximum: '1h' }))
}, { description: 'What a client may ask for.', default: {} })

import { Type } from '@sinclair/typebox'
import { duration, group, size } from './fields.ts'

const { Optional } = Type

export const limits = group({
  /** Maximum size of all headers of a request together; a larger head is rejected with 431. */
  headers: Optional(size({ description: 'Largest request head.', default: '16KiB', minimum: '1KiB', maximum: '256KiB' })),
  /** Maximum size of a body that the gateway's own routes read; a larger body is rejected with 413. Proxied bodies are streamed. */
  body: Optional(size({ description: 'Largest body of the gateway\'s own endpoints; bodies for upstreams are streamed.', default: '1MiB', minimum: '1KiB', maximum: '64MiB' })),
  /** Maximum time from the first byte of a request to the end of its headers; a longer one is rejected with 408. */
  headersTimeout: Optional(duration({ description: 'Maximum time in which a request head must arrive.', default: '10s', minimum: '100ms', maximum: '5m' })),
  /** Maximum time for which a client may accept none of the bytes that wait for it; then its connection is reset. */
  clientTimeout: Optional(duration({ description: 'How long a client may take nothing of an answer, an event stream or a WebSocket that waits for it; then its connection is reset.', default: '60s', minimum: '1s', maximum: '1h' })),
  /** Time for which an idle connection stays open. */
  keepAlive: Optional(duration({ description: 'Time for which an idle connection stays open.', default: '72s', minimum: '1s', maximum: '1h' }))
}, { description: 'Limits of a request.', default: {} })

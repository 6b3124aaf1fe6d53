import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { checkOptions } from '../lib/check-options.ts'
import { addPart, beginPart, partsWithin } from './portcullis.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    health: Health
  }
}

export interface Health {
  /** Returns whether this process can verify credentials and is not shutting down. */
  isReady (): boolean
  /** Makes the process report that it is not ready, so that load balancers send no new requests. */
  leave (): void
  /** Returns reasons for operators to inspect this process although it can verify credentials. */
  warnings (): string[]
  /** Adds a warning that applies while `read` returns a text. */
  warnWhile (read: () => string | null): void
}

const Options = Type.Object({}, { additionalProperties: false })

/** Determines whether this process can verify credentials. `healthRoutes` reports it. */
export default fp(async function healthPlugin (fastify, options) {
  checkOptions('portcullis-health', Options, options)
  const portcullis = beginPart(fastify, 'health')
  addPart(fastify, 'health', createHealth(() => [portcullis.blocklist, ...partsWithin(portcullis, 'blocklist')].every(blocklist => blocklist.isFresh())))
}, { name: 'portcullis-health', fastify: '5.x', dependencies: ['portcullis-blocklist'] })

export function createHealth (canVerify: () => boolean): Health {
  const readers: Array<() => string | null> = []
  let isLeaving = false
  return {
    isReady: () => !isLeaving && canVerify(),
    leave: () => { isLeaving = true },
    warnings: () => readers.flatMap(read => read() ?? []),
    warnWhile: read => { readers.push(read) }
  }
}

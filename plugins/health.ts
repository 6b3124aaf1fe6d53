import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { checkOptions } from '../lib/options.ts'
import { json, problems, type Operation } from '../lib/route-schema.ts'
import { serializerCompiler } from '../lib/type-provider.ts'
import { addPart, beginPart, partsWithin } from './portcullis.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    health: Health
  }
}

export interface Health {
  /** Whether this process can verify, and is not on its way out. */
  isReady (): boolean
  /** From now on not ready: load balancers send nothing new. */
  leave (): void
}

const Options = Type.Object({}, { additionalProperties: false })

/** Knows whether this process can verify. `healthRoutes` tells it. */
export default fp(async function healthPlugin (fastify, options) {
  checkOptions('portcullis-health', Options, options)
  let isLeaving = false
  const portcullis = beginPart(fastify, 'health')
  addPart(fastify, 'health', {
    isReady: () => !isLeaving && [portcullis.blocklist, ...partsWithin(portcullis, 'blocklist')].every(blocklist => blocklist.isFresh()),
    leave: () => { isLeaving = true }
  })
}, { name: 'portcullis-health', fastify: '5.x', dependencies: ['portcullis-blocklist'] })

const tags = ['Health']
const Status = <Text extends string>(status: Text) => Type.Object({ status: Type.Literal(status) }, { additionalProperties: false })

const healthzSchema = {
  ...{ operationId: 'getHealth', tags, summary: 'Whether the process is alive', 'x-credentials': [] } satisfies Operation,
  response: { 200: json(Status('alive'), 'It is.'), ...problems() }
}

const readyzSchema = {
  ...{ operationId: 'getReadiness', tags, summary: 'Whether the process can verify', 'x-credentials': [] } satisfies Operation,
  response: { 200: json(Status('ready'), 'It can.'), ...problems(), 503: json(Status('not ready'), 'The store is away, or the process is about to end.') }
}

/** `GET /healthz`: alive. `GET /readyz`: able to verify, 503 otherwise. For a listener that only operators reach. */
export async function healthRoutes (fastify: FastifyInstance): Promise<void> {
  fastify.setSerializerCompiler(serializerCompiler)
  fastify.get('/healthz', { schema: healthzSchema }, async () => ({ status: 'alive' }))
  fastify.get('/readyz', { schema: readyzSchema }, async (_request, reply) => {
    const isReady = fastify.portcullis.health.isReady()
    return await reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ready' : 'not ready' })
  })
}

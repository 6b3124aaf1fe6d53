import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { checkOptions } from '../lib/check-options.ts'
import { json, problems, type Operation } from '../lib/http/route-schema.ts'
import { serializerCompiler } from '../lib/http/type-provider.ts'
import { needParts, noOptions } from './options.ts'

const tags = ['Health']
const Status = <Text extends string>(status: Text) => Type.Object({ status: Type.Literal(status) }, { additionalProperties: false })

/**
 * Schema of readiness. A process with warnings can still verify credentials: taking all processes out of service for a file that they share
 * would make every session unusable.
 */
const Readiness = <Text extends string>(status: Text) => Type.Object({ status: Type.Literal(status), warnings: Type.Optional(Type.Array(Type.String(), { description: 'Problems that need an operator; absent if there are none.' })) }, { additionalProperties: false })

const healthzSchema = {
  ...{ operationId: 'getHealth', tags, summary: 'Whether the process is alive', 'x-credentials': [] } satisfies Operation,
  response: { 200: json(Status('alive'), 'The process is alive.'), ...problems() }
}

const readyzSchema = {
  ...{ operationId: 'getReadiness', tags, summary: 'Whether the process can verify', 'x-credentials': [] } satisfies Operation,
  response: { 200: json(Readiness('ready'), 'The process can verify credentials.'), ...problems(), 503: json(Readiness('not ready'), 'The store is unavailable, or the process is about to end.') }
}

/** Serves `GET /healthz` (alive) and `GET /readyz` (able to verify, 503 otherwise), for a listener that only operators reach. */
export default async function healthRoutes (fastify: FastifyInstance, options: object = {}): Promise<void> {
  checkOptions('healthRoutes', noOptions, options)
  const { health } = needParts(fastify, 'healthRoutes', ['health'])
  fastify.setSerializerCompiler(serializerCompiler)
  fastify.get('/healthz', { schema: healthzSchema }, async () => ({ status: 'alive' }))
  fastify.get('/readyz', { schema: readyzSchema }, async (_request, reply) => {
    const isReady = health.isReady()
    const warnings = health.warnings()
    return await reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ready' : 'not ready', ...warnings.length === 0 ? {} : { warnings } })
  })
}

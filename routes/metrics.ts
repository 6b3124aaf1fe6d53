import type { FastifyInstance } from 'fastify'
import { checkOptions } from '../lib/check-options.ts'
import { noStoreHeader, plain, problems, type Operation } from '../lib/http/route-schema.ts'
import { serializerCompiler } from '../lib/http/type-provider.ts'
import { needParts, noOptions } from './options.ts'

const metricsSchema = {
  ...{ operationId: 'getMetrics', tags: ['Health'], summary: 'Return metrics for Prometheus', 'x-credentials': [] } satisfies Operation,
  response: { 200: plain('Prometheus\' text format.', noStoreHeader), ...problems() }
}

/** Serves `GET /metrics`, for a listener that only operators reach. */
export default async function metricsRoutes (fastify: FastifyInstance, options: object = {}): Promise<void> {
  checkOptions('metricsRoutes', noOptions, options)
  const { metrics } = needParts(fastify, 'metricsRoutes', ['metrics'])
  fastify.setSerializerCompiler(serializerCompiler)
  fastify.get('/metrics', { schema: metricsSchema }, async (_request, reply) => {
    const text = await metrics.text()
    return await reply.header('cache-control', 'no-store').type(metrics.contentType).send(text)
  })
}

import type { FastifyInstance } from 'fastify'
import { keepSecondsOf } from '../lib/key-schedule.ts'

/** What others need to verify our tokens. Register with the prefix `/.well-known`. */
export default async function wellKnownRoutes (fastify: FastifyInstance): Promise<void> {
  const { keys } = fastify.portcullis
  const cacheControl = `public, max-age=${keepSecondsOf(keys.publishAheadMs)}`
  fastify.get('/jwks.json', async (_request, reply) => {
    void reply.header('cache-control', cacheControl)
    return keys.jwks()
  })
}

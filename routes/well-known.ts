import type { FastifyInstance } from 'fastify'

/** How long others may keep our public keys; a new key is published at least that long before it signs. */
const maxAgeSeconds = 60

/** What others need to verify our tokens. Register with the prefix `/.well-known`. */
export default async function wellKnownRoutes (fastify: FastifyInstance): Promise<void> {
  fastify.get('/jwks.json', async (_request, reply) => {
    void reply.header('cache-control', `public, max-age=${maxAgeSeconds}`)
    return fastify.portcullis.keys.jwks()
  })
}

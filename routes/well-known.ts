import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { checkOptions } from '../lib/check-options.ts'
import { keepSecondsOf } from '../lib/jwt/signing-key.ts'
import { json, problems, required, type Operation } from '../lib/http/route-schema.ts'
import { serializerCompiler } from '../lib/http/type-provider.ts'
import { needParts, noOptions } from './options.ts'

const Key = Type.Object({ kid: Type.String(), kty: Type.String(), alg: Type.String(), use: Type.Literal('sig') }, { title: 'PublicKey', description: 'A JWK (RFC 7517), with the further members of its type.' })

const jwksSchema = {
  ...{ operationId: 'getKeys', tags: ['Keys'], summary: 'Return the public keys of the gateway\'s tokens', 'x-credentials': [] } satisfies Operation,
  response: {
    200: json(Type.Object({ keys: Type.Array(Key) }, { additionalProperties: false }), 'A JWK set (RFC 7517).', { 'Cache-Control': required('public, with the maximum age.') }),
    ...problems()
  }
}

/** Registers the documents that services need to verify our tokens. Register with the prefix `/.well-known`. */
export default async function wellKnownRoutes (fastify: FastifyInstance, options: object = {}): Promise<void> {
  checkOptions('wellKnownRoutes', noOptions, options)
  const { keys } = needParts(fastify, 'wellKnownRoutes', ['keys'])
  const cacheControl = `public, max-age=${keepSecondsOf(keys.publishAheadMs)}`
  fastify.setSerializerCompiler(serializerCompiler)
  fastify.get('/jwks.json', { schema: jwksSchema }, async (_request, reply) => {
    void reply.header('cache-control', cacheControl)
    return keys.jwks()
  })
}

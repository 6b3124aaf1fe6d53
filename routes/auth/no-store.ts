import type { FastifyReply, FastifyRequest } from 'fastify'

/** An onSend hook for whatever carries credentials or session data: nobody keeps a copy of the answer. */
export async function noStore (_request: FastifyRequest, reply: FastifyReply): Promise<void> {
  void reply.header('cache-control', 'no-store')
}

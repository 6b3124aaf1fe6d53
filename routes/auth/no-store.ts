import type { FastifyReply, FastifyRequest } from 'fastify'

/** An onSend hook for routes that answer with credentials or session data: no cache stores the response. */
export async function noStore (_request: FastifyRequest, reply: FastifyReply): Promise<void> {
  void reply.header('cache-control', 'no-store')
}

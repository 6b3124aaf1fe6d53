import type { FastifyInstance } from 'fastify'
import { cpuTime, serveParent, type Answers } from '../child.ts'

/** Listens, and reports the address to the parent. */
export async function servePeer (app: FastifyInstance, answers: Answers = {}): Promise<void> {
  serveParent({ url: await app.listen({ host: '127.0.0.1', port: 0 }) }, { cpu: cpuTime, ...answers })
}

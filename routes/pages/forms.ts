import formbody from '@fastify/formbody'
import type { FastifyInstance } from 'fastify'
import { parseForm } from '../../lib/http/form.ts'
import { limitBodyTime } from '../json-api.ts'

/** Accepts forms only. An ambiguous form parses to null, which the schema of the route rejects. */
export async function acceptFormsAlone (app: FastifyInstance): Promise<void> {
  app.removeAllContentTypeParsers()
  await app.register(formbody, { parser: text => parseForm(text) as Record<string, unknown> })
  limitBodyTime(app)
}

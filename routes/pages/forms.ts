import formbody from '@fastify/formbody'
import type { FastifyInstance } from 'fastify'
import { parseForm } from '../../lib/http/form.ts'
import { limitBodyTime } from '../auth/json-alone.ts'

/** What could be read in two ways is no form: the schema of the route refuses the null that stands for it. */
export async function acceptFormsAlone (app: FastifyInstance): Promise<void> {
  app.removeAllContentTypeParsers()
  await app.register(formbody, { parser: text => parseForm(text) as Record<string, unknown> })
  limitBodyTime(app)
}

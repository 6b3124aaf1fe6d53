import AutoLoad from '@fastify/autoload'
import { join } from 'node:path'
import { serverOptions } from 'portcullis'

export const options = serverOptions({ origin: 'http://localhost:3000' })

export default async function app (fastify, options) {
  await fastify.register(AutoLoad, { dir: join(import.meta.dirname, 'plugins'), options })
  await fastify.register(AutoLoad, { dir: join(import.meta.dirname, 'routes'), options })
}

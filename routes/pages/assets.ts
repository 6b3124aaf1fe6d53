import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'
import { hidden } from '../../lib/http/route-schema.ts'

/** The folder of the views. The built package has it too: the build copies it beside the compiled files. */
export const views = new URL('./views/', import.meta.url)

const types: Record<string, string> = { css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8' }

export type Files = Map<string, { body: string | Buffer }>

/** The address of each asset. It contains a digest of the content, so caches may keep the response indefinitely. */
export type AssetAddresses = Record<string, string>

export async function readViews (names: string[]): Promise<Files> {
  return new Map(await Promise.all(names.map(async name => [name, { body: await readFile(new URL(name, views)) }] as const)))
}

/** Serves files, identical for all users, under their names in a folder. */
export function addAssets (app: FastifyInstance, files: Files, folder = ''): AssetAddresses {
  const addresses: AssetAddresses = {}
  for (const [name, { body }] of files) {
    const version = createHash('sha256').update(body).digest('base64url').slice(0, 16)
    const [etag, path] = [`"${version}"`, `${folder}/${name}`]
    addresses[name] = `${app.prefix}${path}?v=${version}`
    app.get<{ Querystring: { v?: unknown } }>(path, { schema: { ...hidden } }, async (request, reply) => {
      // A gateway may get requests for another gateway's version during a rolling update.
      const isExact = request.query.v === version
      void reply.headers({ etag, 'content-type': types[name.split('.').at(-1)!]!, 'cache-control': isExact ? 'public, max-age=31536000, immutable' : 'no-cache' })
      return request.headers['if-none-match'] === etag ? await reply.code(304).send() : body
    })
  }
  return addresses
}

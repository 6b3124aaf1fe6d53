import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'
import { hidden } from '../../lib/http/route-schema.ts'

/** Also in the built package: the folder is copied beside what is compiled. */
export const views = new URL('./views/', import.meta.url)

const types: Record<string, string> = { css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8' }

export type Files = Map<string, { body: string | Buffer }>

/** The address of each asset, with a name of its content: what is asked for under that may be kept for ever. */
export type AssetAddresses = Record<string, string>

export async function readViews (names: string[]): Promise<Files> {
  return new Map(await Promise.all(names.map(async name => [name, { body: await readFile(new URL(name, views)) }] as const)))
}

/** Serves files, the same for everybody, under their names in a folder. */
export function addAssets (app: FastifyInstance, files: Files, folder = ''): AssetAddresses {
  const addresses: AssetAddresses = {}
  for (const [name, { body }] of files) {
    const version = createHash('sha256').update(body).digest('base64url').slice(0, 16)
    const [etag, path] = [`"${version}"`, `${folder}/${name}`]
    addresses[name] = `${app.prefix}${path}?v=${version}`
    app.get<{ Querystring: { v?: unknown } }>(path, { schema: { ...hidden } }, async (request, reply) => {
      // While gateways are replaced, one may be asked for what another one has.
      const isExact = request.query.v === version
      void reply.headers({ etag, 'content-type': types[name.split('.').at(-1)!]!, 'cache-control': isExact ? 'public, max-age=31536000, immutable' : 'no-cache' })
      return request.headers['if-none-match'] === etag ? await reply.code(304).send() : body
    })
  }
  return addresses
}

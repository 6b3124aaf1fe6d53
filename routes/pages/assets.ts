import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'

/** Also in the built package: views/ is copied beside what is compiled. */
export const views = new URL('../../views/', import.meta.url)

const types: Record<string, string> = { css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8' }

/** The address of each asset, with a name of its content: what is asked for under that may be kept for ever. */
export type AssetAddresses = Record<string, string>

/** Serves files of views/ under their names. */
export async function addAssets (app: FastifyInstance, names: string[]): Promise<AssetAddresses> {
  const addresses: AssetAddresses = {}
  for (const name of names) {
    const body = await readFile(new URL(name, views))
    const version = createHash('sha256').update(body).digest('base64url').slice(0, 16)
    const etag = `"${version}"`
    addresses[name] = `${app.prefix}/${name}?v=${version}`
    app.get<{ Querystring: { v?: unknown } }>(`/${name}`, { schema: { hide: true } }, async (request, reply) => {
      // While gateways are replaced, one may be asked for what another one has.
      const isExact = request.query.v === version
      void reply.headers({ etag, 'content-type': types[name.split('.').at(-1)!]!, 'cache-control': isExact ? 'public, max-age=31536000, immutable' : 'no-cache' })
      return request.headers['if-none-match'] === etag ? await reply.code(304).send() : body
    })
  }
  return addresses
}

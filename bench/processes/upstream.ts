import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpuTime, serveParent } from './child.ts'

/** The upstream of most arms, at two addresses: a small JSON answer, and under `/seen` the received headers. */
const order = { id: 42, status: 'shipped', currency: 'EUR', lines: Array.from({ length: 8 }, (_, line) => ({ line, article: `article-${line}`, amount: 1 })) }
const body = Buffer.from(JSON.stringify(order))
const headers = { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length, 'cache-control': 'private, max-age=0', etag: '"42-1"' }

async function listen (): Promise<string> {
  const server = createServer({ optimizeEmptyRequests: true, keepAliveTimeout: 600_000 }, (request, response) => {
    if (request.url?.endsWith('/seen') === true) response.end(JSON.stringify(request.headers))
    else response.writeHead(200, headers).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

serveParent({ url: await listen(), other: await listen(), body: body.toString() }, { cpu: cpuTime })

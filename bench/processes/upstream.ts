import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpuTime, serveParent } from './child.ts'

/** The upstream of every arm: a small JSON answer, and under `/seen` the received headers. */
const order = { id: 42, status: 'shipped', currency: 'EUR', lines: Array.from({ length: 8 }, (_, line) => ({ line, article: `article-${line}`, amount: 1 })) }
const body = Buffer.from(JSON.stringify(order))
const headers = { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length, 'cache-control': 'private, max-age=0', etag: '"42-1"' }

const server = createServer({ optimizeEmptyRequests: true, keepAliveTimeout: 600_000 }, (request, response) => {
  if (request.url?.endsWith('/seen') === true) response.end(JSON.stringify(request.headers))
  else response.writeHead(200, headers).end(body)
})

server.listen(0, '127.0.0.1', () => {
  serveParent({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, body: body.toString() }, { cpu: cpuTime })
})

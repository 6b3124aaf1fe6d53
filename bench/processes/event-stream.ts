import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serveParent } from './child.ts'

/** An upstream whose answers under `/orders/events` are event streams that do not end, with an event every few milliseconds. */
const everyMs = 5

const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
  if (request.url !== '/orders/events') {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  response.write('data: 0\n\n')
  let sent = 0
  const timer = setInterval(() => { response.write(`data: ${++sent}\n\n`) }, everyMs)
  response.on('close', () => { clearInterval(timer) })
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
serveParent({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, {})

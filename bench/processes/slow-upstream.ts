import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpuTime, serveParent } from './child.ts'

/** An upstream that answers at once, until it is told to hold its answers back. */
const held: ServerResponse[] = []
let isHolding = false

const server = createServer({ keepAliveTimeout: 600_000 }, (_request, response) => {
  if (isHolding) held.push(response)
  else answer(response)
})

function answer (response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 4 }).end('done')
}

server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  serveParent({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, {
    cpu: cpuTime,
    hold: () => { isHolding = true },
    held: () => held.length,
    release: () => {
      isHolding = false
      for (const response of held.splice(0)) answer(response)
    }
  })
})

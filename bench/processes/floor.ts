import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool, type Dispatcher } from 'undici'
import { argsOfParent, cpuTime, heapBytes, serveParent } from './child.ts'

/** The minimum of a proxy in Node: `node:http` and undici's `dispatch`. No framework, no header policy, no error handling. */
const pool = new Pool(argsOfParent<{ upstream: string }>().upstream)

class Hop implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse

  constructor (response: ServerResponse) {
    this.#response = response
  }

  onRequestStart (): void {}

  onResponseStart (_controller: Dispatcher.DispatchController, status: number, { connection, 'keep-alive': keepAlive, ...headers }: IncomingHttpHeaders): void {
    this.#response.writeHead(status, headers)
  }

  onResponseData (_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#response.write(chunk)
  }

  onResponseEnd (): void {
    this.#response.end()
  }

  onResponseError (): void {
    this.#response.destroy()
  }
}

const server = createServer({ optimizeEmptyRequests: true }, function forward (request: IncomingMessage, response: ServerResponse) {
  const headers: string[] = []
  for (const name in request.headers) if (name !== 'host' && name !== 'connection') headers.push(name, request.headers[name] as string)
  pool.dispatch({ path: request.url!, method: 'GET', headers }, new Hop(response))
})

server.listen(0, '127.0.0.1', () => {
  serveParent({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, { cpu: cpuTime, heap: heapBytes })
})

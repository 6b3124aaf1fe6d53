import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ConfigInput } from '../../config/schema.ts'

/** What reached an upstream. */
export interface Seen {
  upstream: UpstreamName
  method: string
  url: string
  /** As they came: name, value, name, value… */
  rawHeaders: string[]
}

export type UpstreamName = 'orders' | 'named' | 'pub' | 'carried'

export const mark = 'x-answered-by'

/** Four upstreams that always answer 200 and remember by `X-Fuzz` what reached them. */
export class Upstreams {
  readonly #servers: Server[] = []
  readonly #seen = new Map<string, Seen[]>()
  readonly #urls = new Map<UpstreamName, string>()
  /** Requests that no input has sent on its own account: none may ever come. */
  readonly strays: Seen[] = []

  static async start (): Promise<Upstreams> {
    const upstreams = new Upstreams()
    for (const name of ['orders', 'named', 'pub', 'carried'] as const) await upstreams.#start(name)
    return upstreams
  }

  /** Two that are protected and two for everybody. */
  get config (): NonNullable<ConfigInput['upstreams']> {
    const target = (name: UpstreamName): string => this.#urls.get(name) ?? ''
    return [
      { prefix: '/orders', target: target('orders'), audience: 'orders', scopes: ['orders:read'] },
      { prefix: '/named', target: target('named'), audience: 'named', forward: 'headers' },
      { prefix: '/pub', target: target('pub'), audience: 'pub', access: 'public' },
      { prefix: '/carried', target: target('carried'), access: 'public', authorization: 'keep', forward: 'none' }
    ]
  }

  /** What an input has sent to upstreams, each time once. */
  take (id: string): Seen[] {
    const seen = this.#seen.get(id) ?? []
    this.#seen.delete(id)
    return seen
  }

  async end (): Promise<void> {
    for (const server of this.#servers) {
      await new Promise(resolve => {
        server.close(resolve)
        server.closeAllConnections()
      })
    }
  }

  async #start (name: UpstreamName): Promise<void> {
    const server = createServer({ maxHeaderSize: 1_048_576 }, (request, response) => {
      const seen: Seen = { upstream: name, method: request.method ?? '', url: request.url ?? '', rawHeaders: request.rawHeaders }
      const id = request.headers['x-fuzz']
      if (typeof id !== 'string') this.strays.push(seen)
      else this.#seen.set(id, [...this.#seen.get(id) ?? [], seen])
      request.on('end', () => { response.writeHead(200, { [mark]: name, 'content-type': 'text/plain' }).end('ok') })
      request.resume()
    })
    // What the gateway lets in with a few headers of its own is no more than it may be sent.
    server.maxHeadersCount = 0
    await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
    this.#servers.push(server)
    this.#urls.set(name, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  }
}

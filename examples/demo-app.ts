import { readFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'

/** The policy of the page: it may load its own files, and connect to its own origin. */
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
const files: Record<string, { name: string, type: string }> = {
  '/': { name: 'index.html', type: 'text/html; charset=utf-8' },
  '/demo.css': { name: 'demo.css', type: 'text/css; charset=utf-8' },
  '/demo.svg': { name: 'demo.svg', type: 'image/svg+xml' },
  '/demo.js': { name: 'demo.js', type: 'text/javascript; charset=utf-8' }
}

export interface DemoApp {
  url: string
  close (): void
}

/** Starts the demo's page and its live feed: a service without any sign-in code. */
export async function startDemoApp (): Promise<DemoApp> {
  const feed = new WebSocketServer({ noServer: true })
  feed.on('connection', socket => {
    const stop = tick(count => socket.send(String(count)))
    socket.on('close', stop)
    socket.on('error', () => {})
  })
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://app')
    if (pathname === '/live') {
      stream(response)
      return
    }
    const file = files[pathname]
    if (file === undefined) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('There is no such page.\n')
      return
    }
    readFile(new URL(`demo/${file.name}`, import.meta.url)).then(
      body => { response.writeHead(200, { 'content-type': file.type, 'content-security-policy': policy, 'x-content-type-options': 'nosniff', 'cache-control': 'no-cache' }).end(body) },
      () => { response.writeHead(500).end() }
    )
  })
  server.on('upgrade', (request, socket, head) => feed.handleUpgrade(request, socket, head, webSocket => feed.emit('connection', webSocket)))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close () {
      for (const socket of feed.clients) socket.terminate()
      server.close()
      server.closeAllConnections()
    }
  }
}

/** Streams the feed to a page that cannot open a WebSocket: browsers send no token with one. */
function stream (response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  response.on('close', tick(count => { response.write(`data: ${count}\n\n`) }))
}

/** Calls `tell` now, and then each second; returns a function that stops it. */
function tick (tell: (count: number) => void): () => void {
  let count = 0
  const timer = setInterval(() => { tell(++count) }, 1000)
  tell(++count)
  return () => { clearInterval(timer) }
}

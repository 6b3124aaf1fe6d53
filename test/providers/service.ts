import type { Test } from 'tap'
import { startUpstream, type Upstream } from '../helpers/upstream.ts'

/** Starts the service behind the gateways: every path is a page, and /feed is an event stream that does not end. */
export async function startService (t: Test): Promise<Upstream> {
  return await startUpstream(t, (request, response) => {
    request.resume()
    if (request.url === '/feed') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const timer = setInterval(() => { response.write('data: tick\n\n') }, 50)
      response.on('close', () => { clearInterval(timer) })
      return
    }
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><title>${request.url}</title>`)
  })
}

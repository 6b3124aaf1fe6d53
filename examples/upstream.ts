import { createServer, type Server } from 'node:http'

/** Starts a small service that shows the request that it received, and its subject. */
export async function startUpstream (name: string, port = 0): Promise<{ server: Server, url: string }> {
  const server = createServer((request, response) => {
    const claims = claimsOf(request.headers.authorization)
    response.setHeader('content-type', 'application/json')
    response.end(`${JSON.stringify({ upstream: name, method: request.method, path: request.url, headers: { ...request.headers, authorization: claims === null ? 'none' : 'Bearer (shown as claims)' }, claims }, null, 2)}\n`)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the upstream has no port')
  return { server, url: `http://127.0.0.1:${address.port}` }
}

/** Returns the claims without verification. A real service verifies the signature with the gateway's `/.well-known/jwks.json`. */
function claimsOf (authorization: string | undefined): unknown {
  const payload = authorization?.split('.')[1]
  return payload === undefined ? null : JSON.parse(Buffer.from(payload, 'base64url').toString())
}

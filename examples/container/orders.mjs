import { createServer } from 'node:http'

/* A service that shows the subject that the gateway names. A real service verifies the token, as docs/guides/tutorial.md shows. */
const { HOST = '0.0.0.0', PORT = '3000' } = process.env

const server = createServer((request, response) => {
  const [, payload] = request.headers.authorization?.split('.') ?? []
  const claims = payload === undefined ? null : JSON.parse(Buffer.from(payload, 'base64url').toString())
  response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify({ orders: request.url, claims })}\n`)
})
server.listen(Number(PORT), HOST, () => { console.log(`orders listens on port ${server.address().port}`) })
process.once('SIGTERM', () => { server.close() })

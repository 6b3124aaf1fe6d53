import { createCipheriv, createHash } from 'node:crypto'
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, get as getTls } from 'node:https'
import dns from 'node:dns'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { makeCertificate } from '../helpers/certificate.ts'
import { patienceMs } from '../helpers/patience.ts'
import { startProxy } from '../helpers/proxy.ts'

/*
 * Connections with long responses read into buffers that the writes to clients go on using. Bytes of one response must never be overwritten
 * by those of a later read, of this or of another connection.
 */

const certificate = makeCertificate()
const downloads = 24

/** Returns bytes that only this download has: a key stream. */
function bytesOf (id: number, length: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, id + 1), Buffer.alloc(16)).update(Buffer.alloc(length))
}

function lengthOf (id: number): number {
  return id % 4 === 0 ? 1000 * (id + 1) : 1_500_000 + id * 65_537
}

function digestOf (bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

for (const [title, { client, upstream }] of Object.entries({
  'plain connections': { client: false, upstream: false },
  'TLS towards clients': { client: true, upstream: false },
  'TLS towards the upstream': { client: false, upstream: true }
})) {
  t.test(`long responses that clients read at different speeds arrive byte for byte, with ${title}`, async t => {
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      const id = Number(request.url!.slice(1))
      const bytes = bytesOf(id, lengthOf(id))
      // Half of them state a length, the others are sent in chunks.
      if (id % 2 === 0) response.setHeader('content-length', bytes.length)
      for (let at = 0; at < bytes.length; at += 300_000) response.write(bytes.subarray(at, at + 300_000))
      response.end()
    }
    const server = (upstream ? createTlsServer({ key: certificate.key, cert: certificate.cert }, listener) : createServer(listener)).listen(0, '127.0.0.1')
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    await once(server, 'listening')
    const target = `${upstream ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { port } = await startProxy(t, [{ target, connections: 6, timeout: 60_000, ...upstream ? { tls: { ca: certificate.cert } } : {} }], client ? { tls: certificate } : {})

    await Promise.all(Array.from({ length: downloads }, async (_, id) => {
      const options = { port, host: '127.0.0.1', path: `/${id}`, ca: certificate.cert }
      const [response] = await once(client ? getTls(options) : get(options), 'response') as [IncomingMessage]
      const hash = createHash('sha256')
      let pauses = id % 3 === 0 ? 6 : 0
      for await (const chunk of response as AsyncIterable<Buffer>) {
        hash.update(chunk)
        if (pauses-- > 0) await delay(40)
      }
      t.equal(hash.digest('hex'), digestOf(bytesOf(id, lengthOf(id))), `download ${id}`)
    }))
  })
}

t.test('a client that accepts nothing for a while receives what was read meanwhile in small pieces', async t => {
  const bytes = bytesOf(1, 16_000_000)
  const server = createServer((_request, response) => {
    // The connection to the gateway stays busy with pieces that are smaller than what a stream accepts at once.
    let at = 0
    const more = (): void => {
      if (at >= bytes.length) response.end()
      else {
        response.write(bytes.subarray(at, at += 10_000))
        setImmediate(more)
      }
    }
    more()
  }).listen(0, '127.0.0.1')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  const { port } = await startProxy(t, [{ target: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, timeout: 60_000 }])

  const [response] = await once(get({ port, host: '127.0.0.1' }), 'response') as [IncomingMessage]
  const hash = createHash('sha256')
  let isFirst = true
  for await (const chunk of response as AsyncIterable<Buffer>) {
    hash.update(chunk)
    if (isFirst) await delay(1500)
    isFirst = false
  }
  t.equal(hash.digest('hex'), digestOf(bytes))
})

for (const isTls of [false, true]) {
  t.test(`an upstream whose name has several addresses is read from the one that accepts the connection${isTls ? ', with TLS' : ''}`, async t => {
    const listener = (request: IncomingMessage, response: ServerResponse): void => { response.end(bytesOf(Number(request.url!.slice(1)), 300_000)) }
    const server = (isTls ? createTlsServer({ key: certificate.key, cert: certificate.cert }, listener) : createServer(listener)).listen(0, '127.0.0.1')
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    await once(server, 'listening')
    const { lookup } = dns
    dns.lookup = ((host: string, options: object, callback: (error: Error | null, addresses: object[]) => void) => {
      if (host === 'two.example') callback(null, [{ address: '127.0.0.2', family: 4 }, { address: '127.0.0.1', family: 4 }])
      else lookup(host, options, callback as never)
    }) as typeof dns.lookup
    t.teardown(() => { dns.lookup = lookup })
    const { url } = await startProxy(t, [{ target: `${isTls ? 'https' : 'http'}://two.example:${(server.address() as AddressInfo).port}`, tls: { rejectUnauthorized: false } }])

    for (const id of [1, 2, 3]) {
      const answer = await fetch(`${url}/${id}`, { signal: AbortSignal.timeout(patienceMs) })
      t.equal(digestOf(Buffer.from(await answer.arrayBuffer())), digestOf(bytesOf(id, 300_000)))
    }
  })
}

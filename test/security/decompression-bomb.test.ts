import { request } from 'node:http'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { post, startGateway } from '../helpers/build-gateway.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * The attack: a few kilobytes that become gigabytes. A gateway that takes the compression off what passes (because a library does,
 * or to look into it) is filled up by one answer of a service, or one body of a client. Here nothing is ever unpacked: what passes
 * is passed on as it is, and what is for the gateway itself is read as the plain text that it has to be.
 */

/** 64 MiB of zeros, once packed, and packed again. */
const bomb = gzipSync(Buffer.alloc(64 << 20))
const twice = gzipSync(bomb)

async function raw (url: string): Promise<{ encoding: unknown, body: Buffer }> {
  return await new Promise((resolve, reject) => {
    request(url, { headers: { 'accept-encoding': 'gzip, br' } }, response => {
      void response.toArray().then(chunks => { resolve({ encoding: response.headers['content-encoding'], body: Buffer.concat(chunks as Buffer[]) }) }, reject)
    }).on('error', reject).end()
  })
}

t.test('compressed answers pass as they are, whatever they claim to be', async t => {
  const up = await startUpstream(t, (incoming, response) => {
    const [encoding = '', body = ''] = decodeURIComponent(incoming.url!.slice('/up/'.length)).split('|')
    response.setHeader('content-encoding', encoding)
    response.end(body === 'bomb' ? bomb : body === 'twice' ? twice : 'no gzip at all')
  })
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/up', target: up.url, access: 'public' }] })
  const before = process.memoryUsage.rss()

  for (const [encoding, name, bytes] of [
    ['gzip', 'bomb', bomb], ['gzip, gzip', 'twice', twice], ['x-gzip', 'bomb', bomb], ['gzip', 'text', Buffer.from('no gzip at all')], ['br', 'bomb', bomb], ['deflate', 'text', Buffer.from('no gzip at all')],
    [Array(1000).fill('gzip').join(', '), 'text', Buffer.from('no gzip at all')], ['zebra', 'bomb', bomb]
  ] as const) {
    const answer = await raw(`${url}/up/${encodeURIComponent(`${encoding}|${name}`)}`)
    t.equal(answer.encoding, encoding)
    t.ok(answer.body.equals(bytes), `${encoding.slice(0, 40)} ${name}`)
  }
  t.ok(process.memoryUsage.rss() - before < 50 << 20, 'nothing was unpacked')
  t.ok(up.requests.every(({ headers }) => headers['accept-encoding'] === 'gzip, br'), 'what a client accepts is the client\'s to say')
})

t.test('a compressed body of a client passes to a service as it is', async t => {
  const received: Buffer[] = []
  const up = await startUpstream(t, (incoming, response) => { void incoming.toArray().then(chunks => { received.push(Buffer.concat(chunks as Buffer[])); response.end('ok') }) })
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/up', target: up.url, access: 'public' }] })

  t.equal((await fetch(`${url}/up`, { method: 'POST', headers: { 'content-encoding': 'gzip', 'content-type': 'application/octet-stream' }, body: bomb })).status, 200)
  t.ok(received[0]?.equals(bomb))
  t.equal(up.requests[0]?.headers['content-encoding'], 'gzip')
})

t.test('the gateway itself unpacks no body', async t => {
  const { url } = await startGateway(t)
  const packed = gzipSync(JSON.stringify({ username: 'ada', password: 'correct horse' }))
  for (const [encoding, body] of [['gzip', packed], ['gzip', bomb], ['gzip, gzip', twice], ['br', packed], ['identity', packed]] as const) {
    const response = await fetch(`${url}/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json', 'content-encoding': encoding }, body })
    t.equal(response.status, 400, encoding)
  }
  t.equal((await post(`${url}/auth/login`, { username: 'ada', password: 'correct horse' })).status, 200)
})

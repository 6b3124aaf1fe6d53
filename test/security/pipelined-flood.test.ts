import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { eventually, sendRaw } from '../helpers/proxy.ts'
import { startPortcullis, writeConfig } from '../helpers/portcullis.ts'

/*
 * The attack: thousands of requests at once on one connection, behind a first one that a service does not answer. If each of them
 * began, it would open thousands of connections to the service, and when the files that the process may have open run out, every
 * other client is cut. Their answers would be held in memory until the first one comes.
 */

const requests = 6000
const answerBytes = 11 * 1024
const bound = 32

/** A service that answers `/up/hang` when it is told to, everything else with 11 KiB, and counts its connections. */
async function startService (t: Test): Promise<{ url: string, hanging: ServerResponse[], connections: () => number, most: () => number, asked: () => number }> {
  const hanging: ServerResponse[] = []
  let connections = 0
  let most = 0
  let asked = 0
  const server = createServer((request, response) => {
    asked++
    if (request.url!.startsWith('/up/hang')) hanging.push(response)
    else response.end(`${request.url};`.padEnd(answerBytes, '.'))
  })
  server.on('connection', socket => {
    most = Math.max(most, ++connections)
    socket.on('close', () => { connections-- })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => new Promise(resolve => {
    server.close(resolve)
    server.closeAllConnections()
  }))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, hanging, connections: () => connections, most: () => most, asked: () => asked }
}

async function residentMiB (pid: number): Promise<number> {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

/** A gateway that may have 1024 files open. */
async function startSmallGateway (t: Test, target: string): Promise<{ port: number, pid: number }> {
  const { folder, config } = await writeConfig(t, { log: { level: 'warn' }, upstreams: [{ prefix: '/up', target, access: 'public', connections: bound, timeout: '10m' }] })
  const launcher = join(folder, 'node.sh')
  await writeFile(launcher, '#!/bin/sh\nulimit -n 1024\nexec "$NODE" "$@"\n', { mode: 0o755 })
  const { url, pid } = await startPortcullis(t, config, { launcher, env: { NODE: process.execPath } })
  return { port: Number(new URL(url).port), pid }
}

t.test('6000 requests at once on one connection, behind one that hangs, cost nobody else anything', async t => {
  const service = await startService(t)
  const { port, pid } = await startSmallGateway(t, service.url)
  t.match(await readFile(`/proc/${pid}/limits`, 'utf8'), /^Max open files\s+1024\s/m)
  const ask = async (path: string) => await sendRaw(t, port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`).ended
  for (let count = 0; count < 50; count++) await ask('/up/warm')
  const before = await residentMiB(pid)
  const askedBefore = service.asked()

  const socket = connect(port, '127.0.0.1')
  t.teardown(() => { socket.destroy() })
  let received = 0
  const paths: string[] = []
  let rest = ''
  socket.setEncoding('latin1').on('data', chunk => {
    received += String(chunk).length
    const text = rest + String(chunk)
    let end = 0
    for (const match of text.matchAll(/\/up\/(\d+);/g)) {
      paths.push(match[1]!)
      end = match.index + match[0].length
    }
    rest = text.slice(Math.max(end, text.length - 20))
  })
  await once(socket, 'connect')
  socket.write(`GET /up/hang HTTP/1.1\r\nHost: a\r\n\r\n${Array.from({ length: requests }, (_, index) => `GET /up/${index} HTTP/1.1\r\nHost: a\r\n\r\n`).join('')}`)
  await eventually(() => service.hanging.length === 1)

  for (let round = 0; round < 20; round++) {
    const answers = await Promise.all(Array.from({ length: 20 }, async () => await ask('/up/other')))
    t.ok(answers.every(answer => answer.startsWith('HTTP/1.1 200 ')), `round ${round}`)
    t.match(await ask('/.well-known/jwks.json'), /^HTTP\/1\.1 200 /)
  }
  t.equal(received, 0)
  t.equal(service.asked() - askedBefore, 1 + 400, 'nothing that waits has begun')
  const grown = await residentMiB(pid) - before
  t.comment(`resident memory: ${before.toFixed(0)} MiB, and ${grown.toFixed(0)} more`)
  t.ok(grown < 64, `${grown.toFixed(0)} MiB`)

  service.hanging[0]!.end('at last')
  await eventually(() => paths.length === requests)
  t.ok(received > requests * answerBytes)
  t.strictSame(paths, Array.from({ length: requests }, (_, index) => String(index)), 'each is answered, in order')
  t.ok(service.most() <= bound, `${service.most()} connections`)
})

t.test('many connections that pipeline are bounded together: those that are over it end, and others are served', async t => {
  const service = await startService(t)
  const { port, pid } = await startSmallGateway(t, service.url)
  const ask = async (path: string) => await sendRaw(t, port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`).ended
  for (let count = 0; count < 50; count++) await ask('/up/warm')
  const before = await residentMiB(pid)
  // The densest that is no error: HTTP/1.1 without a field.
  const clients = Array.from({ length: bound - 2 }, () => sendRaw(t, port, `GET /up/hang HTTP/1.1\r\nHost: a\r\n\r\n${'GET /up HTTP/1.1\r\n\r\n'.repeat(8000)}`))
  await eventually(() => service.hanging.length === clients.length)

  for (let round = 0; round < 10; round++) t.match(await ask('/up/other'), /^HTTP\/1\.1 200 /)
  const grown = await residentMiB(pid) - before
  t.comment(`resident memory: ${before.toFixed(0)} MiB, and ${grown.toFixed(0)} more`)
  t.ok(grown < 256, `${grown.toFixed(0)} MiB`)
  t.ok(service.most() <= bound, `${service.most()} connections`)

  for (const response of service.hanging) response.end('at last')
  const over = (await Promise.all(clients.map(async ({ until, socket }) => {
    const answer = await until(/at last/)
    socket.destroy()
    return /connection: close/i.test(answer.split('at last')[0]!)
  }))).filter(Boolean)
  t.ok(over.length > 0 && over.length < clients.length, `${over.length} of ${clients.length} end with their first answer`)
})

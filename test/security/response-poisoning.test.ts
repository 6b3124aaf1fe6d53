import { once } from 'node:events'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { startRawUpstream } from '../helpers/upstream.ts'

/*
 * The attack: a service that is broken, or that an attacker can make write what he wants, sends more than one answer, or sends
 * one before it was asked. On a connection that is kept and used for the next client, those bytes would be the next client's
 * answer: somebody else's data, or a page of the attacker's.
 *
 * Below every client asks with a number of its own, well-behaved and poisoned requests in turn over the same connections. Each
 * client gets the answer with its own number, or an error; never one that was meant for another, and never the poison.
 *
 * One thing nobody can tell who keeps connections: an answer too many that comes after the next request was sent looks like the
 * answer to it. Where a service cannot be trusted that far, its own server has to close connections.
 */

const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON'

function answer (number: string, head = ''): string {
  const body = `for ${number}.`
  return `HTTP/1.1 200 OK\r\n${head}Content-Length: ${body.length}\r\n\r\n${body}`
}

type Poisoner = (socket: Socket, number: string) => void

/** A service that answers every request with its number, and those under /bad as `poisoner` says. */
async function start (t: Test, poisoner: Poisoner): Promise<TestGateway> {
  const seen = new WeakMap<Socket, number>()
  const upstream = await startRawUpstream(t, (socket, sent) => {
    const requests = [...sent.matchAll(/^GET \/pub\/(good|bad)\/(\d+) HTTP\/1\.1\r\n(?:.+\r\n)*\r\n/gm)]
    for (const [, kind, number = ''] of requests.slice(seen.get(socket) ?? 0)) {
      if (kind === 'good') socket.write(answer(number))
      else poisoner(socket, number)
    }
    seen.set(socket, requests.length)
  })
  return await startGateway(t, { upstreams: [{ prefix: '/pub', target: upstream.url, access: 'public', timeout: '500ms' }] })
}

/** What clients get who ask one after the other and at once, every fifth of them for poison. */
async function interleave (url: string, clients = 200): Promise<Array<{ number: number, isGood: boolean, status: number, body: string }>> {
  const ask = async (number: number) => {
    const isGood = number % 5 !== 0
    try {
      const response = await fetch(`${url}/pub/${isGood ? 'good' : 'bad'}/${number}`)
      return { number, isGood, status: response.status, body: await response.text() }
    } catch {
      return { number, isGood, status: 0, body: 'cut' }
    }
  }
  const answers: Awaited<ReturnType<typeof interleave>> = []
  for (let first = 1; first <= clients; first += 40) answers.push(...await Promise.all(Array.from({ length: 40 }, (_, index) => ask(first + index))))
  return answers
}

const poisoners: Array<[what: string, poisoner: Poisoner]> = [
  ['two answers at once', (socket, number) => { socket.write(answer(number) + poison) }],
  ['a second answer behind a 204', socket => { socket.write(`HTTP/1.1 204 No Content\r\n\r\n${poison}`) }],
  ['a body behind a 304', socket => { socket.write(`HTTP/1.1 304 Not Modified\r\nContent-Length: ${poison.length}\r\n\r\n${poison}`) }],
  ['a body that is longer than its length', (socket, number) => { socket.write(`${answer(number)}more of ${number}${poison}`) }],
  ['an error of the protocol, unasked', (socket, number) => { socket.write(`${answer(number)}HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n`) }],
  ['bytes that are no HTTP behind an answer', (socket, number) => { socket.write(`${answer(number)}\0\0\0\0`) }],
  ['a flood of 100 Continue', (socket, number) => { socket.write('HTTP/1.1 100 Continue\r\n\r\n'.repeat(500) + answer(number)) }],
  ['a flood of early hints', (socket, number) => { socket.write('HTTP/1.1 103 Early Hints\r\nLink: </POISON>\r\n\r\n'.repeat(500) + answer(number)) }],
  ['101 that nobody asked for', socket => { socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n${poison}`) }],
  ['a length and chunks', (socket, number) => { socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n${number.padStart(5)}\r\n0\r\n\r\n${poison}`) }],
  ['two lengths', socket => { socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: ${poison.length}\r\n\r\n${poison}`) }],
  ['an unknown coding', socket => { socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${poison}`) }],
  ['a bad chunk', socket => { socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n${poison}`) }],
  ['a chunk that is longer than its size', socket => { socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n${poison}`) }],
  ['a folded header', socket => { socket.write(`HTTP/1.1 200 OK\r\nX: a\r\n Content-Length: 0\r\n\r\n${poison}`) }],
  ['a header with a NUL', socket => { socket.write(`HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n${poison}`) }],
  ['a header with a bare line feed', socket => { socket.write(`HTTP/1.1 200 OK\r\nX: a\nContent-Length: 0\r\n\r\n${poison}`) }],
  ['a header with a space before its colon', socket => { socket.write(`HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n${poison}`) }]
]

for (const [what, poisoner] of poisoners) {
  t.test(`${what}: every client gets its own answer or an error`, async t => {
    const { url } = await start(t, poisoner)

    const answers = await interleave(url)

    for (const { number, isGood, status, body } of answers) {
      const numbers = [...body.matchAll(/for (\d+)\./g)].map(([, other]) => Number(other))
      if (numbers.some(other => other !== number)) t.fail(`client ${number} got the answer of ${numbers.join()}`)
      // A service's own framing decides what its own client reads; nobody else reads any of it.
      if (isGood && body.includes('POISON')) t.fail(`client ${number} got the poison`)
      // A good request may meet a connection that was poisoned and is closing; it is asked again, or told so.
      if (isGood && !(status === 200 && body === `for ${number}.`) && status < 502) t.fail(`client ${number} got ${status} ${body}`)
    }
    const good = answers.filter(({ isGood }) => isGood)
    t.equal(answers.length, 200)
    t.ok(good.filter(({ status }) => status === 200).length > good.length * 0.9, 'and most of them their answer')
  })
}

t.test('what a service writes on an idle connection is nobody\'s answer', async t => {
  let last: Socket | undefined
  const upstream = await startRawUpstream(t, (socket, sent) => {
    last = socket
    const numbers = [...sent.matchAll(/^GET \/pub\/(\d+) /gm)]
    socket.write(answer(numbers.at(-1)?.[1] ?? ''))
  })
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/pub', target: upstream.url, access: 'public' }] })

  for (let number = 1; number <= 20; number++) {
    t.equal(await (await fetch(`${url}/pub/${number}`)).text(), `for ${number}.`)
    last?.write(poison)
    if (last?.destroyed === false) await once(last, 'close')
  }
  t.equal(upstream.connections.length, 20, 'a connection that spoke unasked is ended')
})

t.test('an answer before the question is nobody\'s', async t => {
  const upstream = await startRawUpstream(t, (socket, sent) => { socket.write(answer([...sent.matchAll(/\/pub\/(\d+) /g)].at(-1)?.[1] ?? '')) })
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/pub', target: upstream.url, access: 'public' }] })
  const client = sendRaw(t, Number(new URL(url).port), 'POST /pub/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf')

  t.match(await client.until(/for 1\./), /^HTTP\/1\.1 200 /)

  for (let number = 2; number <= 20; number++) t.equal(await (await fetch(`${url}/pub/${number}`)).text(), `for ${number}.`)
})

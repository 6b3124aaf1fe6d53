import { request } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { parseArgs } from 'node:util'
import { Client, type Dispatcher } from 'undici'
import { ResponseInvalid } from '../lib/proxy/response-invalid.ts'
import { ResponseParser } from '../lib/proxy/response-parser.ts'

/*
 * Differential fuzzing of the parser of responses. It reads mutated responses beside Node's own client and undici: what it accepts, both
 * must read in the same way, and what it refuses although one of them accepts it must be on the list of what is refused on purpose.
 */

const usage = `node scripts/fuzz-responses.ts [options]

Compares the parser of upstream responses with Node's HTTP client and with undici on mutated responses. Prints the first differences and
ends with 1 if there is one.

  --responses N   number of responses (default 10000000)
  --seed N        seed of the mutations (default: the time)
  --help          this text
`

/** Why this parser refuses responses that a client of Node accepts. */
const onPurpose = /^(?:it has more than one Content-Length|its status line is not|its transfer coding is not chunked alone|HTTP\/1\.0 has no transfer codings|it has both|an informational response has a body|too many informational|its head has a (?:control character|line feed|carriage return)|the name of a header is malformed|a header has no colon|its Content-Length is not|the size of a chunk|the extensions of a chunk|its trailers|a chunk does not end|the connection ends before its end|a tab is behind|it changes the protocol)/

/**
 * What undici refuses although it is valid: a `100 Continue` that was not asked for (RFC 9110, section 15.2), and a blank behind
 * Content-Length.
 */
const refusedByUndici = /^(?:bad response|Response body length does not match content-length header)$/

interface Reading { isComplete: boolean, why: string, status: number, headers: string[], body: string }

export interface Outcome { responses: number, accepted: number, refused: number, refusedAlone: Map<string, number>, differences: string[] }

const seeds = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\nA;x=y\r\n0123456789\r\n0\r\nX: 1\r\n\r\n',
  'HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: "x"\r\n\r\n', 'HTTP/1.0 200 OK\r\nServer: x\r\n\r\nuntil the end', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc', 'HTTP/1.1 200 OK\r\nX-Latin: caf\xe9\r\nContent-Length: 1\r\n\r\nx'
]
const pieces = [
  '\r\n', '\n', '\r', ' ', '\t', '\0', ':', ': ', ',', ';', '0', '1', '5', 'a', '\r\n\r\n', '0\r\n\r\n', 'Content-Length: 5\r\n', 'Content-Length: 3', 'content-length:5\r\n', 'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: gzip, chunked\r\n', 'transfer-encoding:', 'chunked', 'identity',
  'HTTP/1.1 200 OK\r\n', 'HTTP/1.0 ', 'HTTP/2.0 ', '100 Continue', '101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade', 'Connection: keep-alive\r\n', 'Connection: close\r\n', 'X: y\r\n', ' folded\r\n', '\x7f', '\x80', '\xff', '-', '+', '0x', '00', 'FFFFFFFF', '5\r\nhello\r\n', '5;a=b\r\nhello\r\n', '__proto__: 1\r\n'
]

/** A generator of pseudo-random numbers (mulberry32), so that a seed repeats a run. */
function randomOf (seed: number): (below: number) => number {
  let state = seed >>> 0
  return below => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

function mutate (random: (below: number) => number): string {
  let text = seeds[random(seeds.length)]!
  for (let count = random(5); count > 0; count--) {
    const at = random(text.length + 1)
    const length = random(4) === 0 ? random(20) : random(3)
    switch (random(6)) {
      case 0: text = text.slice(0, at) + pieces[random(pieces.length)]! + text.slice(at); break
      case 1: text = text.slice(0, at) + pieces[random(pieces.length)]! + text.slice(at + length); break
      case 2: text = text.slice(0, at) + text.slice(at + length); break
      case 3: text = text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at + 1); break
      case 4: text = text.slice(0, at) + text.slice(Math.max(0, at - length - 10)); break
      default: {
        const line = text.indexOf('\r\n', at)
        if (line !== -1) text = text.slice(0, line + 2) + pieces[random(pieces.length)]! + text.slice(line + 2)
      }
    }
  }
  return text
}

function ours (text: string, method: string, random: (below: number) => number): Reading {
  const reading: Reading = { isComplete: false, why: '', status: 0, headers: [], body: '' }
  const parser = new ResponseParser({
    onHead (status, headers) { Object.assign(reading, { status, headers }) },
    onData (bytes) { reading.body += bytes.toString('latin1') },
    onEnd () { reading.isComplete = true }
  }, 65_536)
  parser.expect({ method, isUpgrade: false })
  try {
    const size = random(3) === 0 ? 1 + random(20) : text.length
    for (let at = 0; at < text.length; at += size) parser.execute(Buffer.from(text.slice(at, at + size), 'latin1'))
    if (!reading.isComplete) parser.finish()
  } catch (error) {
    if (!(error instanceof ResponseInvalid)) throw error
    reading.why = error.message
  }
  return reading
}

/** A connection in memory that delivers a text after the request. */
class Wire extends Duplex {
  #text: string | null
  constructor (text: string) {
    super({ allowHalfOpen: false })
    this.#text = text
  }

  override _read (): void {}

  override _write (_chunk: unknown, _encoding: BufferEncoding, callback: () => void): void {
    callback()
    if (this.#text === null) return
    const text = this.#text
    this.#text = null
    setImmediate(() => {
      this.push(Buffer.from(text, 'latin1'))
      this.push(null)
    })
  }

  setKeepAlive (): this { return this }
  setNoDelay (): this { return this }
  setTimeout (): this { return this }
  ref (): this { return this }
  unref (): this { return this }
}

async function nodes (text: string, method: string): Promise<Reading> {
  const reading: Reading = { isComplete: false, why: '', status: 0, headers: [], body: '' }
  return await new Promise(resolve => {
    const end = (why: string): void => {
      reading.why ||= why
      resolve(reading)
    }
    const asked = request({ method, host: 'a', createConnection: () => new Wire(text) as unknown as Socket })
    asked.on('error', error => { end(error.message) })
    asked.on('close', () => { end('closed') })
    asked.on('response', response => {
      reading.status = response.statusCode!
      reading.headers = response.rawHeaders.map((value, at) => at % 2 === 0 ? value.toLowerCase() : value.replace(/[ \t]+$/, ''))
      response.on('data', (chunk: Buffer) => { reading.body += chunk.toString('latin1') })
      response.on('error', error => { end(error.message) })
      response.on('end', () => { reading.isComplete = response.complete })
      response.on('close', () => { end('closed') })
    })
    asked.end()
  })
}

async function undicis (text: string, method: string): Promise<Reading> {
  const reading: Reading = { isComplete: false, why: '', status: 0, headers: [], body: '' }
  const wire = new Wire(text)
  wire.on('error', () => {})
  const client = new Client('http://a', { connect: (_options, callback) => { queueMicrotask(() => { callback(null, wire as unknown as Socket) }) } })
  await new Promise<void>(resolve => {
    client.dispatch({ method: method as Dispatcher.HttpMethod, path: '/' }, {
      onRequestStart () {},
      onResponseStart (controller, status) {
        if (status < 200) return
        const raw = (controller.rawHeaders ?? []) as Buffer[]
        reading.status = status
        reading.headers = raw.map((value, at) => at % 2 === 0 ? value.toString('latin1').toLowerCase() : value.toString('latin1').replace(/[ \t]+$/, ''))
      },
      onResponseData (_controller, chunk) { reading.body += chunk.toString('latin1') },
      onResponseEnd () {
        reading.isComplete = true
        resolve()
      },
      onResponseError (_controller, error) {
        reading.why = error.message
        resolve()
      }
    })
    // Undici leaves some requests without an outcome when their connection ends.
    wire.on('close', () => { setTimeout(resolve, 20) })
  })
  await client.destroy().catch(() => {})
  return reading
}

/** Compares the readings of `responses` mutated responses. */
export async function fuzzResponses ({ responses, seed, onProgress }: { responses: number, seed: number, onProgress?: (done: number) => void }): Promise<Outcome> {
  const random = randomOf(seed)
  const outcome: Outcome = { responses: 0, accepted: 0, refused: 0, refusedAlone: new Map(), differences: [] }
  while (outcome.responses < responses && outcome.differences.length < 20) {
    const text = mutate(random)
    const method = random(8) === 0 ? 'HEAD' : 'GET'
    const own = ours(text, method, random)
    compare(outcome, text, method, own, await Promise.all([nodes(text, method), undicis(text, method)]))
    if (++outcome.responses % 10_000 === 0) onProgress?.(outcome.responses)
  }
  return outcome
}

function compare (outcome: Outcome, text: string, method: string, own: Reading, others: Reading[]): void {
  if (own.isComplete) outcome.accepted++
  else outcome.refused++
  for (const [at, other] of others.entries()) {
    const name = at === 0 ? 'node' : 'undici'
    if (refusedByUndici.test(other.why)) continue
    if (own.isComplete && !isSame(own, other)) outcome.differences.push(JSON.stringify({ method, text, own, name, other }))
    else if (!own.isComplete && other.isComplete) {
      if (!onPurpose.test(own.why)) outcome.differences.push(JSON.stringify({ method, text, own, name, other }))
      outcome.refusedAlone.set(`${own.why} (${name})`, (outcome.refusedAlone.get(`${own.why} (${name})`) ?? 0) + 1)
    }
  }
}

function isSame (own: Reading, other: Reading): boolean {
  return other.isComplete && own.status === other.status && own.body === other.body && own.headers.join('\n') === other.headers.join('\n')
}

async function main (): Promise<number> {
  const { values } = parseArgs({ options: { responses: { type: 'string', default: '10000000' }, seed: { type: 'string', default: String(Date.now() % 2 ** 31) }, help: { type: 'boolean', default: false } } })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  const [responses, seed] = [Number(values.responses), Number(values.seed)]
  if (!Number.isInteger(responses) || responses < 1 || !Number.isInteger(seed)) throw new Error('--responses and --seed are whole numbers')
  const startedAtMs = performance.now()
  const outcome = await fuzzResponses({ responses, seed, onProgress: done => { process.stderr.write(`\r${done} of ${responses}, ${Math.round(done / (performance.now() - startedAtMs) * 1000)}/s `) } })
  process.stdout.write(`\nseed ${seed}: ${outcome.responses} responses, ${outcome.accepted} accepted, ${outcome.refused} refused\n`)
  for (const [why, count] of [...outcome.refusedAlone].sort(([, a], [, b]) => b - a)) process.stdout.write(`  refused alone: ${count} × ${why}\n`)
  for (const difference of outcome.differences) process.stdout.write(`difference: ${difference}\n`)
  return outcome.differences.length === 0 ? 0 : 1
}

if (import.meta.main) process.exitCode = await main()

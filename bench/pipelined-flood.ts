// How long do other clients wait while one connection pipelines 6000 requests to an upstream that hangs?

import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { Agent, get } from 'node:http'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeMachine, interleave, sayPlacement, spreadOf, withContext, type BenchContext } from './harness.ts'
import { wholeNumber } from './options.ts'
import { formatSpread, formatTable } from './report.ts'

const help = `node bench/pipelined-flood.ts [options]

How long do other clients wait while one connection pipelines 6000 requests to an upstream that hangs?

  --rounds N   rounds of both arms, 5 to 50 (default 7)
  --seconds S  length of one measurement, 1 to 30 (default 3)
  --help       this text
`

const flooding = 6000
const openFiles = 1024
/** The number of other clients. Half of them use a connection for each request, which may exhaust the open files. */
const others = 16
const firstSeconds = 1

interface Latencies { perSecond: number, p50Ms: number, p99Ms: number, maxMs: number, failed: number }

const arms: Record<string, string> = { quiet: 'no flood', flood: `${flooding} requests at once on one connection, to an upstream that hangs` }

/** Starts a gateway process that may have 1024 files open. */
async function startGateway (context: BenchContext, upstream: string, hanging: string): Promise<number> {
  const config = join(context.directory, 'portcullis.json')
  await writeFile(join(context.directory, 'users.json'), '{ "users": [] }')
  await writeFile(config, JSON.stringify({
    origin: 'https://app.example.com',
    listen: { host: '127.0.0.1', port: 0 },
    store: { type: 'sqlite', path: './portcullis.db' },
    identity: { type: 'users', file: './users.json' },
    log: { level: 'error' },
    upstreams: [{ prefix: '/up', target: upstream, access: 'public' }, { prefix: '/hang', target: hanging, access: 'public', timeout: '10m' }]
  }))
  const child = context.run(['sh', '-c', `ulimit -n ${openFiles}; exec "$0" "$@"`, process.execPath, join(import.meta.dirname, '../cli.ts'), 'start', '--config', config], 'measured', { stdout: true })
  let printed = ''
  for await (const chunk of child.stdout!) {
    const port = /^portcullis listening on \S+:(\d+)\n/m.exec(printed += String(chunk))?.[1]
    if (port !== undefined) return Number(port)
  }
  throw new Error('the gateway ended before it listened')
}

async function startHanging (context: BenchContext): Promise<{ url: string, reached: () => number }> {
  const sockets: Socket[] = []
  const server = createServer(socket => { sockets.push(socket.on('error', () => {}).resume()) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.atEnd(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, reached: () => sockets.length }
}

/** Resolves to the time until the whole answer has arrived; Infinity without one. */
async function ask (port: number, agent: Agent): Promise<number> {
  const startedAtMs = performance.now()
  return await new Promise(resolve => {
    get({ port, host: '127.0.0.1', path: '/up', agent }, response => {
      response.resume().on('end', () => { resolve(response.statusCode === 200 ? performance.now() - startedAtMs : Infinity) })
    }).on('error', () => { resolve(Infinity) })
  })
}

async function measureOthers (port: number, seconds: number): Promise<Latencies> {
  const latencies: number[] = []
  const endAtMs = performance.now() + seconds * 1000
  await Promise.all(Array.from({ length: others }, async (_, index) => {
    const agent = new Agent({ keepAlive: index % 2 === 0, maxSockets: 1 })
    while (performance.now() < endAtMs) latencies.push(await ask(port, agent))
    agent.destroy()
  }))
  const answered = latencies.filter(Number.isFinite).toSorted((a, b) => a - b)
  const at = (share: number): number => answered[Math.min(answered.length - 1, Math.floor(answered.length * share))] ?? NaN
  return { perSecond: answered.length / seconds, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1), failed: latencies.length - answered.length }
}

/** Measures the latencies. The flood begins before the measurement, and ends after it. */
async function measure (arm: string, port: number, seconds: number, reached: () => number): Promise<Latencies> {
  if (arm === 'quiet') return await measureOthers(port, seconds)
  const before = reached()
  const flood = connect(port, '127.0.0.1').on('error', () => {}).resume()
  flood.write('GET /hang HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(flooding))
  const measured = await measureOthers(port, seconds)
  flood.destroy()
  if (reached() === before) throw new Error('no request of the flood has reached its upstream')
  return measured
}

async function run (context: BenchContext): Promise<void> {
  const { ready: { url } } = await context.start<{ url: string }>('upstream')
  const { url: hanging, reached } = await startHanging(context)
  const port = await startGateway(context, url, hanging)
  await measureOthers(port, firstSeconds)
  const samples: Record<string, Latencies[]> = { quiet: [], flood: [] }
  for (const [round, names] of interleave(Object.keys(arms), context.rounds).entries()) {
    for (const name of names) samples[name]!.push(await measure(name, port, context.seconds, reached))
    context.say(`round ${round + 1} of ${context.rounds}`)
  }
  const rows = Object.entries(samples).map(([name, measured]) => {
    const figure = (key: keyof Latencies, digits: number): string => formatSpread(spreadOf(measured.map(sample => sample[key])), digits)
    return [name, figure('perSecond', 0), figure('p50Ms', 2), figure('p99Ms', 2), figure('maxMs', 1), figure('failed', 0), arms[name]!]
  })
  process.stdout.write(`${formatTable(['arm', 'requests/s', 'p50 ms', 'p99 ms', 'longest ms', 'failed', 'what'], rows)}\n\n`)
  process.stdout.write(`Medians of ${context.rounds} interleaved rounds of ${context.seconds} s, and the least and greatest, of ${others} other clients that ask one request at a time, half of them on a connection for each. The gateway may have ${openFiles} files open. ${sayPlacement()}\n${Object.values(describeMachine(['fastify', 'undici'])).join('; ')}\n`)
}

try {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '7' }, seconds: { type: 'string', default: '3' }, help: { type: 'boolean', default: false } } })
  if (values.help) process.stdout.write(help)
  else {
    const options = { rounds: wholeNumber(values.rounds, 'rounds', 5, 50), seconds: wholeNumber(values.seconds, 'seconds', 1, 30) }
    await withContext({ ...options, isQuick: false, arms: null, profiles: null, say: line => { process.stderr.write(`${line}\n`) } }, run)
  }
} catch (error) {
  process.stderr.write(`${error instanceof RangeError ? error.message : error instanceof Error ? error.stack : String(error)}\n`)
  process.exitCode = 1
}

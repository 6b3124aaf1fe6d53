// What does it cost the gateway to refuse what is made to be costly?

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Connection, format, type Sent } from '../test/fuzz/wire.ts'
import { describeMachine, interleave, placement, spreadOf, startChild, type Child } from './harness.ts'
import type { CpuTime } from './processes/child.ts'
import { formatTable } from './report.ts'

const question = 'What does it cost the gateway to refuse what is made to be costly?'

/** The CPU time that a refusal may take, in the median of the rounds. */
const goalUs = 1000

const help = `node bench/hostile.ts [options]

${question}

  --rounds N      rounds of all arms, 5 to 50 (default 7)
  --requests N    requests of each arm in a round, 20 to 10000 (default 200)
  --json FILE     every sample, as JSON
  --cpu-prof DIR  CPU profiles of the gateway processes
  --help          this text
`

type Gateway = Child<{ port: number, token: string }>

interface Arm {
  what: string
  server: Gateway
  /** The request; the function makes each request unique. */
  sent: (index: number) => Sent
  status: number
}

const mebibyte = 1_048_576
/** The length of a body that is read. */
const longest = 131_072
const fill = (unit: string, length: number): string => unit.repeat(Math.ceil(length / unit.length)).slice(0, length)
const encode = (text: string): string => Buffer.from(text).toString('base64url')

const get = (headers: Sent['headers'], target = '/orders/42'): Sent => ({ method: 'GET', target, headers, body: null })
const bearer = (token: string): Sent => get([['Authorization', `Bearer ${token}`]])
const login = (body: string): Sent => ({ method: 'POST', target: '/auth/login', headers: [['Content-Type', 'application/json']], body })

function withClaims (token: string, claims: string): string {
  const [header = '', , signature = ''] = token.split('.')
  return `${header}.${encode(claims)}.${signature}`
}

/** Creates the arms: heads of the default size, and of the largest size that the configuration permits. */
function createArms (usual: Gateway, raised: Gateway): Record<string, Arm> {
  const { token } = usual.ready
  const arms: Record<string, Arm> = {}
  const add = (name: string, what: string, server: Gateway, status: number, sent: Sent | ((index: number) => Sent)): void => {
    arms[name] = { what, server, status, sent: typeof sent === 'function' ? sent : () => sent }
  }
  const cookies = (count: number): Sent => get([['Cookie', Array.from({ length: count }, (_, index) => `c${index}=x`).join('; ')]])
  const headers = (count: number): Sent => get(Array.from({ length: count }, (_, index) => [`x-${index}`, '0'] as const))
  const nested = (depth: number): string => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`
  const members = (count: number): string => `{${Array.from({ length: count }, (_, index) => `"m${index}":1`).join()}}`

  add('ordinary', 'for comparison: no credential', usual, 401, get([]))
  add('forged', 'a token with another signature, each time a new one', usual, 401, index => bearer(`${token.slice(0, -12)}${encode(String(index).padStart(9, '0'))}`))
  add('unknown key', 'a token that names another key, each time a new one', usual, 401, index => bearer([encode(`{"alg":"ES256","typ":"at+jwt","kid":"k${index}"}`), ...token.split('.').slice(1)].join('.')))
  add('token 64K', 'a token of 64 KiB', usual, 431, bearer(fill('a', 65_536)))
  add('token 64K in', 'the same, let in', raised, 401, bearer(fill('a', 65_536)))
  add('dots 250K in', 'a token of 250 KB of dots, let in', raised, 401, bearer(fill('.', 250_000)))
  add('nested', 'claims nested 2900 deep', usual, 401, bearer(withClaims(token, nested(2900))))
  add('members', 'claims of 600 members', usual, 401, bearer(withClaims(token, members(600))))
  add('cookies', '3000 cookies', usual, 431, cookies(3000))
  add('cookies in', 'the same, let in', raised, 401, cookies(3000))
  add('separators in', 'a Cookie of 250 KB of separators, let in', raised, 401, get([['Cookie', fill('; ', 250_000)]]))
  add('headers', '1000 headers', usual, 431, headers(1000))
  add('headers in', '980 headers, let in', raised, 401, headers(980))
  add('path 64K', 'a path of 64 KiB', usual, 431, get([], `/orders/${fill('a', 65_536)}`))
  add('path 250K in', 'a path of 250 KB in 125000 segments, let in', raised, 401, get([], `/orders/${fill('a/', 250_000)}a`))
  add('escapes in', 'a path of 64 KB of escapes, let in', raised, 401, get([], `/orders/${fill('%61', 65_400)}`))
  add('escapes 250K in', 'a path of 250 KB of escapes, let in', raised, 400, get([], `/orders/${fill('%61', 249_999)}`))
  add('doubled in', 'a path of 64 KB of double escapes, let in', raised, 400, get([], `/orders/${fill('%2561', 65_400)}`))
  add('octets in', 'a path of 64 KB of escapes that are no UTF-8, let in', raised, 400, get([], `/orders/${fill('%ff', 65_400)}`))
  add('body 1M', 'sign-in with more than 1 MiB, refused unread', usual, 413, login(fill('a', mebibyte + 1)))
  add('body letters', 'sign-in with 128 KiB of letters', usual, 400, login(fill('a', longest)))
  add('body octets', 'sign-in with 128 KiB that is no UTF-8', usual, 400, login(fill('\xff', longest)))
  add('body nested', 'sign-in with 128 KiB of lists in lists', usual, 400, login(fill('[', longest)))
  add('body lists', 'sign-in with 43000 empty lists', usual, 400, login(`[${fill('[],', longest - 4)}1]`))
  add('body members', 'sign-in with 11000 members', usual, 400, login(members(11_000)))
  add('body text', 'sign-in with a user name of 130 KB', usual, 400, login(`{"username":"${fill('a', 131_000)}","password":"a"}`))
  add('body escapes', 'sign-in with a user name of 21800 escapes', usual, 400, login(`{"username":"${fill('\\u0061', 131_000)}","password":"a"}`))
  add('body quotes', 'sign-in with a user name of 65000 quotes', usual, 400, login(`{"username":"${fill('\\"', 131_000)}","password":"a"}`))
  return arms
}

/** Resolves to the CPU time of the process for each request, all of its threads included. */
async function measure (arm: Arm, requests: number, offset: number): Promise<number> {
  const connection = new Connection(arm.server.ready.port)
  const texts = Array.from({ length: requests }, (_, index) => arm.sent(offset + index)).map((sent, index) => format(sent, String(index)))
  const before = await arm.server.ask<CpuTime>('cpu')
  for (const text of texts) {
    const answer = await connection.exchange(text, false)
    // A connection may close before the answer is read when the request is refused while it is being sent.
    const status = typeof answer === 'string' ? answer : answer.status
    assert.ok(status === arm.status || ([413, 431].includes(arm.status) && status === 'ended without an answer'), `${arm.what}: answered ${status}`)
  }
  const after = await arm.server.ask<CpuTime>('cpu')
  connection.end()
  return (after.cpuUs - before.cpuUs) / requests
}

function numberOf (text: string, name: string, least: number, most: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least || value > most) throw new RangeError(`--${name}: must be a whole number from ${least} to ${most}`)
  return value
}

async function run (arms: Record<string, Arm>, { rounds, requests }: { rounds: number, requests: number }): Promise<Record<string, number[]>> {
  const samples: Record<string, number[]> = Object.fromEntries(Object.keys(arms).map(name => [name, []]))
  let offset = 0
  for (const names of interleave(Object.keys(arms), 2)) for (const name of names) await measure(arms[name]!, 50, offset += 50)
  for (const [round, names] of interleave(Object.keys(arms), rounds).entries()) {
    for (const name of names) samples[name]!.push(await measure(arms[name]!, requests, offset += requests))
    process.stderr.write(`round ${round + 1} of ${rounds}\n`)
  }
  return samples
}

async function main (): Promise<void> {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '7' }, requests: { type: 'string', default: '200' }, json: { type: 'string' }, 'cpu-prof': { type: 'string' }, help: { type: 'boolean', default: false } } })
  if (values.help) {
    process.stdout.write(help)
    return
  }
  const options = { rounds: numberOf(values.rounds, 'rounds', 5, 50), requests: numberOf(values.requests, 'requests', 20, 10_000) }
  const directory = await mkdtemp(join(tmpdir(), 'portcullis-hostile-'))
  const placed = { cpu: placement()?.measured ?? null, nodeArgs: values['cpu-prof'] === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values['cpu-prof']}`] }
  const gateways: Gateway[] = []
  try {
    for (const headers of ['16KiB', '256KiB']) gateways.push(await startChild('hostile', [directory, headers], placed))
    const [usual, raised] = gateways as [Gateway, Gateway]
    const arms = createArms(usual, raised)
    const samples = await run(arms, options)
    const rows = Object.entries(samples).map(([name, values]) => ({ name, ...spreadOf(values) }))
    process.stdout.write(`${formatTable(['arm', 'CPU µs/request', 'what'], rows.map(({ name, median, least, greatest }) => [name, `${median.toFixed(0)} (${least.toFixed(0)}–${greatest.toFixed(0)})`, arms[name]!.what]))}\n\n`)
    process.stdout.write(`Medians of ${options.rounds} interleaved rounds of ${options.requests} requests, and the least and greatest; one request at a time. “In”: limits.headers is 256KiB.\n${Object.values(describeMachine(['fastify', 'undici'])).join('; ')}\n`)
    const over = rows.filter(({ median }) => median > goalUs).map(({ name }) => name)
    if (over.length > 0) process.stdout.write(`\nAbove ${goalUs} µs: ${over.join(', ')}\n`)
    if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(samples, null, 2)}\n`)
  } finally {
    for (const gateway of gateways) await gateway.end()
    await rm(directory, { recursive: true, force: true })
  }
}

try {
  await main()
} catch (error) {
  process.stderr.write(`${error instanceof RangeError ? error.message : error instanceof Error ? error.stack : String(error)}\n`)
  process.exitCode = 1
}

/* Counts the files of the gateway in which a function runs because of one request, by V8's precise coverage: the files that a reader has
 * to follow. Every kind of request is sent many times, and the calls of an idle gateway in the same time are subtracted, so that timers
 * and what happens now and then do not count.
 * `node bench/files-of-request.ts`; `--list` names the files. */
import { Session } from 'node:inspector/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { buildGateway } from '../gateway/gateway.ts'

const { values: { list } } = parseArgs({ options: { list: { type: 'boolean', default: false } } })
const project = fileURLToPath(new URL('../', import.meta.url))
const origin = 'https://app.example.com'
const goals: Record<string, number> = { 'warm request': 25, 'cold token': 35, refresh: 30, 'sign-in': 30 }
/** Number of requests of a kind. */
const times = 16

const upstream = createServer((_request, response) => { response.end('ok') }).listen(0, '127.0.0.1')
await new Promise(resolve => upstream.once('listening', resolve))
const app = await buildGateway({
  origin,
  listen: { host: '127.0.0.1', port: 0 },
  store: { type: 'sqlite', path: ':memory:' },
  log: { level: 'fatal' },
  rateLimit: { signIn: { max: 1000 } },
  identity: async ({ username }) => ({ subject: username, scopes: [] }),
  upstreams: [{ prefix: '/orders', target: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, audience: 'orders' }]
})
const url = await app.listen({ host: '127.0.0.1', port: 0 })

const inspector = new Session()
inspector.connect()
await inspector.post('Profiler.enable')
await inspector.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })

type Calls = Map<string, { file: string, count: number }>

/** Returns the calls of each function of production code during `work`. */
async function callsOf (work: () => Promise<unknown>): Promise<Calls> {
  await inspector.post('Profiler.takePreciseCoverage')
  await work()
  const { result } = await inspector.post('Profiler.takePreciseCoverage')
  const calls: Calls = new Map()
  for (const { url, functions } of result.filter(({ url }) => isProduction(url))) {
    const file = fileURLToPath(url).slice(project.length)
    for (const { functionName, ranges: [range] } of functions) {
      // The code of a module itself is a function without a name that starts at 0.
      if (range!.count > 0 && (functionName !== '' || range!.startOffset > 0)) calls.set(`${file} ${range!.startOffset}`, { file, count: range!.count })
    }
  }
  return calls
}

function isProduction (url: string): boolean {
  const file = url.startsWith('file:') ? fileURLToPath(url) : ''
  return file.startsWith(project) && !file.includes('node_modules') && !file.startsWith(`${project}bench/`)
}

/** Returns the files with a function that each of the requests has called. */
async function filesOf (request: (index: number) => Promise<unknown>): Promise<string[]> {
  const startedAtMs = performance.now()
  const calls = await callsOf(async () => { for (let index = 0; index < times; index++) await request(index) })
  const idle = await callsOf(async () => await wait(performance.now() - startedAtMs))
  // A timer fires a little more or less often in the second of two equal times.
  const caused = [...calls].filter(([key, { count }]) => count - (idle.get(key)?.count ?? 0) > times / 2)
  return [...new Set(caused.map(([, { file }]) => file))].sort()
}

const post = async (path: string, headers: Record<string, string>, body?: object): Promise<Response> => await fetch(url + path, { method: 'POST', headers: { ...headers, ...body === undefined ? {} : { 'content-type': 'application/json' } }, ...body === undefined ? {} : { body: JSON.stringify(body) } })
const signIn = async (username: string, mode: 'session' | 'tokens'): Promise<Response> => await post('/auth/login', {}, { username, password: 'correct horse battery staple', mode })
const cookieOf = (response: Response, part: string): string => response.headers.getSetCookie().find(line => line.split('=')[0]!.includes(part) === true)!.split(';')[0]!
const get = async (headers: Record<string, string>): Promise<unknown> => await (await fetch(`${url}/orders/1`, { headers })).text()

const refreshes: string[] = []
const tokens: string[] = []
for (let index = 0; index < times; index++) refreshes.push(cookieOf(await signIn(`user-${index}`, 'tokens'), 'refresh'))
const { access_token: token } = await (await signIn('ada', 'tokens')).json() as { access_token: string }
const cookie = cookieOf(await signIn('ada', 'session'), 'portcullis')
for (let index = 0; index < 20; index++) {
  await get({ authorization: `Bearer ${token}` })
  await get({ cookie })
}

const measured: Array<[name: string, files: string[]]> = [
  ['warm request', await filesOf(async () => await get({ authorization: `Bearer ${token}` }))],
  ['warm cookie', await filesOf(async () => await get({ cookie }))],
  ['refresh', await filesOf(async index => { tokens[index] = (await (await post('/auth/refresh', { cookie: refreshes[index]! })).json() as { access_token: string }).access_token })],
  ['cold token', await filesOf(async index => await get({ authorization: `Bearer ${tokens[index]!}` }))],
  ['sign-in', await filesOf(async index => await (await signIn(`other-${index}`, 'session')).text())]
]
for (const [name, files] of measured) {
  console.log(`${name.padEnd(14)} ${String(files.length).padStart(3)} files${goals[name] === undefined ? '' : `, goal ${goals[name]}`}`)
  if (list) for (const file of files) console.log(`  ${file}`)
}
await app.close()
upstream.close()
process.exit(0)

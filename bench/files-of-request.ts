/* Counts the files of the gateway in which a function runs for one request, by V8's precise coverage: the files that a reader has
 * to follow.
 * `node bench/files-of-request.ts`; `--list` names the files. */
import { Session } from 'node:inspector/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { buildGateway } from '../gateway/gateway.ts'

const { values: { list } } = parseArgs({ options: { list: { type: 'boolean', default: false } } })
const project = fileURLToPath(new URL('../', import.meta.url))
const origin = 'https://app.example.com'
const goals: Record<string, number> = { 'warm request': 25, 'cold token': 35, refresh: 30, 'sign-in': 30 }

const upstream = createServer((_request, response) => { response.end('ok') }).listen(0, '127.0.0.1')
await new Promise(resolve => upstream.once('listening', resolve))
const app = await buildGateway({
  origin,
  listen: { host: '127.0.0.1', port: 0 },
  store: { type: 'sqlite', path: ':memory:' },
  log: { level: 'fatal' },
  identity: async () => ({ subject: 'ada', scopes: [] }),
  upstreams: [{ prefix: '/orders', target: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, audience: 'orders' }]
})
const url = await app.listen({ host: '127.0.0.1', port: 0 })

const inspector = new Session()
inspector.connect()
await inspector.post('Profiler.enable')
await inspector.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })

/** Returns the production files in which a function ran during `work`. */
async function filesOf (work: () => Promise<unknown>): Promise<string[]> {
  await inspector.post('Profiler.takePreciseCoverage')
  await work()
  const { result } = await inspector.post('Profiler.takePreciseCoverage')
  const files = result.filter(({ url, functions }) => url.startsWith('file:') && functions.some(({ ranges, functionName }) => functionName !== '' && ranges[0]!.count > 0)).map(({ url }) => fileURLToPath(url))
  return [...new Set(files)].filter(file => file.startsWith(project) && !file.includes('node_modules') && !file.startsWith(`${project}bench/`)).map(file => file.slice(project.length)).sort()
}

const post = async (path: string, headers: Record<string, string>, body?: object): Promise<Response> => await fetch(url + path, { method: 'POST', headers: { ...headers, ...body === undefined ? {} : { 'content-type': 'application/json' } }, ...body === undefined ? {} : { body: JSON.stringify(body) } })
const login = { username: 'ada', password: 'correct horse battery staple' }
const cookieOf = (response: Response, part: string): string => response.headers.getSetCookie().find(line => line.split('=')[0]!.includes(part) === true)!.split(';')[0]!

const first = await post('/auth/login', {}, { ...login, mode: 'tokens' })
const { access_token: token } = await first.json() as { access_token: string }
const cookie = cookieOf(await post('/auth/login', {}, login), 'portcullis')
let refresh = cookieOf(first, 'refresh')
const get = async (headers: Record<string, string>): Promise<unknown> => await (await fetch(`${url}/orders/1`, { headers })).text()
for (let times = 0; times < 20; times++) {
  await get({ authorization: `Bearer ${token}` })
  await get({ cookie })
}
const rotated = await post('/auth/refresh', { cookie: refresh })
refresh = cookieOf(rotated, 'refresh')
const { access_token: fresh } = await rotated.json() as { access_token: string }

const measured: Array<[name: string, files: string[]]> = [
  ['warm request', await filesOf(async () => await get({ authorization: `Bearer ${token}` }))],
  ['warm cookie', await filesOf(async () => await get({ cookie }))],
  ['cold token', await filesOf(async () => await get({ authorization: `Bearer ${fresh}` }))],
  ['refresh', await filesOf(async () => await (await post('/auth/refresh', { cookie: refresh })).text())],
  ['sign-in', await filesOf(async () => await (await post('/auth/login', {}, login)).text())]
]
for (const [name, files] of measured) {
  console.log(`${name.padEnd(14)} ${String(files.length).padStart(3)} files${goals[name] === undefined ? '' : `, goal ${goals[name]}`}`)
  if (list) for (const file of files) console.log(`  ${file}`)
}
await app.close()
upstream.close()
process.exit(0)

// What does the gateway cost per request, and what of that is verification?

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { chosenArms, interleave, measureRounds, sayPlacement, spreadOf, type Bench, type BenchContext, type Child } from './harness.ts'
import { browser, otherCookies } from './headers.ts'
import type { CpuTime } from './processes/child.ts'
import type { GatewayArgs, SignedIn, SignIns } from './processes/gateway.ts'
import type { Load, LoadResult } from './processes/load.ts'
import { ratiosOf, type Findings, type Goal, type Sample, type Table } from './report.ts'

const users = 500
const endedUsers = 100
const connections = 32

interface Arm {
  what: string
  server: Child<{ url: string }>
  path: string
  clients: Array<Record<string, string>>
  /** What a good request of this arm is answered. */
  status: number
  /** A credential that is no good, and what it is answered. */
  bad: { headers: Record<string, string>, status: number }
  /** Whether the upstream has to be told who it is, by a token of its own. */
  isMinted: boolean
}

interface Servers {
  upstream: Child<{ url: string, body: string }>
  floor: Child<{ url: string }>
  gateway: Child<{ url: string }>
  load: Child<object>
}

const columns: Table['columns'] = {
  requestsPerSecond: { head: 'requests/s', digits: 0, isThroughput: true },
  cpuUs: { head: 'CPU µs/request', digits: 1 },
  p50Ms: { head: 'p50 ms', digits: 2, isThroughput: true },
  p99Ms: { head: 'p99 ms', digits: 2, isThroughput: true }
}

const pairs = [['public', 'floor'], ['token', 'floor'], ['cookie', 'floor'], ['strict', 'floor'], ['token', 'public'], ['cookie', 'public'], ['token', 'carried'], ['refused', 'token'], ['revoked', 'token']] as const

export const bench: Bench = {
  question: 'What does the gateway cost per request, and what of that is verification?',
  async measure (context) {
    const servers = await startServers(context)
    const all = await createArms(servers)
    const names = chosenArms(Object.keys(all), context.arms)
    for (const name of names) await probe(name, all[name]!, servers.upstream.ready.body)
    await warmUp(names, all, servers, context)
    const samples = await measureRounds(names, context, name => measure(all[name]!, servers, context.seconds), ({ figures }) => `${figures['cpuUs']!.toFixed(1)} µs`)
    const table: Table = {
      title: 'Requests as fast as they are answered',
      columns,
      arms: Object.fromEntries(names.map(name => [name, { what: all[name]!.what, rounds: samples[name]! }])),
      ratios: ratiosOf(samples, 'cpuUs', pairs)
    }
    return { conditions: conditions(context), tables: [table], goals: goals(table), notRun: [] } satisfies Findings
  }
}

async function startServers (context: BenchContext): Promise<Servers> {
  const upstream = await context.start<Servers['upstream']['ready']>('upstream')
  const args: GatewayArgs = { store: { type: 'sqlite', path: join(context.directory, 'gateway.db') }, upstream: upstream.ready.url }
  return {
    upstream,
    floor: await context.start('floor', { args: { upstream: upstream.ready.url }, place: 'measured' }),
    gateway: await context.start('gateway', { args, place: 'measured' }),
    load: await context.start('load')
  }
}

async function createArms ({ floor, gateway }: Servers): Promise<Record<string, Arm>> {
  const signIn = async (signIns: SignIns): Promise<SignedIn[]> => await gateway.ask('signIn', signIns)
  const tokens = await signIn({ first: 0, count: users, mode: 'tokens' })
  const sessions = await signIn({ first: 0, count: users, mode: 'session' })
  const ended = await signIn({ first: users, count: endedUsers, mode: 'tokens' })
  for (const { sid } of ended) await gateway.ask('revoke', sid)

  const withToken = (token: string): Record<string, string> => ({ ...browser, cookie: otherCookies, authorization: `Bearer ${token}` })
  const anonymous = [{ ...browser, cookie: otherCookies }]
  const withTokens = tokens.map(({ token }) => withToken(token))
  const withCookies = sessions.map(({ cookie }) => ({ ...browser, cookie: `${otherCookies}; ${cookie}` }))
  const withForged = tokens.map(({ token }, index) => withToken(resign(token, tokens[(index + 1) % tokens.length]!.token)))
  const badCookie = { ...browser, cookie: `${sessions[0]!.cookie.slice(0, -4)}AAAA` }
  const badToken = withForged[0]!
  const open = { status: 200, bad: { headers: badToken, status: 200 }, isMinted: false }
  const guarded = { status: 200, bad: { headers: badToken, status: 401 }, isMinted: true }
  const closed = { status: 401, bad: { headers: badToken, status: 401 }, isMinted: false }
  return {
    floor: { what: 'node:http and undici dispatch, nothing else', server: floor, path: '/orders/42', clients: anonymous, ...open },
    public: { what: 'gateway, public upstream, no credential', server: gateway, path: '/public/42', clients: anonymous, ...open },
    carried: { what: 'gateway, public upstream, the client\'s token passes through unread', server: gateway, path: '/carried/42', clients: withTokens, ...open },
    token: { what: `gateway, ${users} ES256 access tokens seen before, minted token for the upstream`, server: gateway, path: '/orders/42', clients: withTokens, ...guarded },
    cookie: { what: `gateway, ${users} session cookies seen before, minted token for the upstream`, server: gateway, path: '/orders/42', clients: withCookies, ...guarded, bad: { headers: badCookie, status: 401 } },
    strict: { what: 'the same tokens, and the store is asked for each request', server: gateway, path: '/strict/42', clients: withTokens, ...guarded },
    refused: { what: 'gateway, ES256 access tokens with a wrong signature, which is verified each time', server: gateway, path: '/orders/42', clients: withForged, ...closed },
    revoked: { what: `gateway, ${endedUsers} access tokens of sessions that have ended`, server: gateway, path: '/orders/42', clients: ended.map(({ token }) => withToken(token)), ...closed }
  }
}

/** A token with the signature of another one: of the right form, and wrong. */
function resign (token: string, other: string): string {
  return [...token.split('.').slice(0, 2), other.split('.')[2]].join('.')
}

/** Figures of an arm that does something else than its name says would be worthless. */
async function probe (name: string, arm: Arm, body: string): Promise<void> {
  const url = arm.server.ready.url
  for (const headers of [arm.clients[0]!, arm.clients.at(-1)!]) {
    const response = await fetch(url + arm.path, { headers })
    const text = await response.text()
    assert.equal(response.status, arm.status, `${name}: its requests are answered ${arm.status}`)
    if (arm.status === 200) assert.equal(text, body, `${name}: with the upstream's body`)
  }
  const refused = await fetch(url + arm.path, { headers: arm.bad.headers })
  await refused.arrayBuffer()
  assert.equal(refused.status, arm.bad.status, `${name}: a bad credential is answered ${arm.bad.status}`)
  if (arm.status === 200) await probeForwarding(name, arm)
}

async function probeForwarding (name: string, arm: Arm): Promise<void> {
  const [client] = arm.clients as [Record<string, string>]
  const seen = await (await fetch(`${arm.server.ready.url}${arm.path}/seen`, { headers: client })).json() as Record<string, string>
  for (const header of Object.keys(browser)) assert.equal(seen[header], client[header], `${name}: ${header} is forwarded`)
  assert.equal(seen['cookie'], otherCookies, `${name}: other cookies are forwarded, and no other`)
  const { authorization } = seen
  if (!arm.isMinted) return assert.equal(authorization, client['authorization'], `${name}: Authorization is left as it is`)
  assert.notEqual(authorization, client['authorization'], `${name}: the client's token stays here`)
  const claims = JSON.parse(Buffer.from(authorization!.split('.')[1]!, 'base64url').toString()) as { aud: string, sub: string }
  assert.equal(`${claims.sub} at ${claims.aud}`, 'user-0 at orders', `${name}: the upstream is told who, by a token of its own`)
}

/** Twice, because arms that share a process warm up each other's code: the first would have less of that than the last. */
async function warmUp (names: string[], arms: Record<string, Arm>, servers: Servers, { isQuick, say }: BenchContext): Promise<void> {
  for (const order of interleave(names, isQuick ? 1 : 2)) {
    say(`warming up ${order.join(', ')}`)
    for (const name of order) await measure(arms[name]!, servers, isQuick ? 1 : 2)
  }
}

async function measure (arm: Arm, { load, upstream }: Servers, seconds: number): Promise<Sample> {
  const question: Load = { url: arm.server.ready.url, path: arm.path, clients: arm.clients, connections, seconds, status: arm.status, body: arm.status === 200 ? upstream.ready.body : null }
  const [server, beside] = [await arm.server.ask<CpuTime>('cpu'), await upstream.ask<CpuTime>('cpu')]
  const result = await load.ask<LoadResult>('run', question)
  const [serverAfter, besideAfter] = [await arm.server.ask<CpuTime>('cpu'), await upstream.ask<CpuTime>('cpu')]
  assert.equal(result.failures, 0, 'every request is answered as expected')
  const cpuUs = serverAfter.cpuUs - server.cpuUs
  return {
    figures: { requestsPerSecond: result.requests / result.seconds, cpuUs: cpuUs / result.requests, p50Ms: result.p50Ms, p99Ms: result.p99Ms },
    shares: {
      process: cpuUs / (serverAfter.atUs - server.atUs),
      load: result.cpuUs / (result.seconds * 1e6),
      beside: (besideAfter.cpuUs - beside.cpuUs) / (besideAfter.atUs - beside.atUs)
    }
  }
}

function goals ({ ratios }: Table): Goal[] {
  const goal = (pair: string, what: string, rest: Pick<Goal, 'unit' | 'digits' | 'most'>, of = (ratio: number) => ratio): Goal[] => {
    const rounds = ratios?.of[pair]
    return rounds === undefined ? [] : [{ what, ...rest, value: of(spreadOf(rounds).median) }]
  }
  return [
    ...goal('token/floor', 'everything on, by token, to the floor (CPU)', { unit: '×', digits: 2, most: 1.25 }),
    ...goal('cookie/floor', 'everything on, by cookie, to the floor (CPU)', { unit: '×', digits: 2, most: 1.25 }),
    ...goal('token/carried', 'verification of a token seen before, on top of the hop that carries it unread (CPU)', { unit: '%', digits: 1, most: 5 }, ratio => (ratio - 1) * 100)
  ]
}

function conditions ({ rounds, seconds }: BenchContext): string {
  return `${rounds} interleaved rounds of ${seconds} s for each arm after two warm-ups; ${connections} connections, one request at a time on each, the next as soon as the answer is there; ${Object.keys(browser).length + 3} request headers; plain HTTP on loopback; SQLite file store; metrics on, log level error. ${sayPlacement()}`
}

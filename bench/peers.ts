// What does a request cost through the gateway, and what through other proxies and through the gateways that people write?

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { anonymous, pick, startGatewayHops, startUpstream, withToken } from './gateway-hops.ts'
import { chosenArms, sayPlacement, type Bench, type BenchContext } from './harness.ts'
import { otherCookies } from './headers.ts'
import { armsOf, hopColumns, hopConditions, measureHops, usageOf, usageOfProgram, type Hop, type Surroundings } from './hop.ts'
import { missing, startHaproxy, startNginx, versionOf, type TokenChecks } from './native-proxies.ts'
import { createTokens, type Tokens } from './tokens-of-others.ts'
import type { HandWrittenArgs } from './processes/peers/hand-written.ts'
import { hasRedis, redisMissing, startRedis, type RedisServer } from './redis.ts'
import { ratioGoal, ratiosOf, type Goal, type Table } from './report.ts'

const users = 500
const issuer = 'https://idp.example.com'
const audience = 'orders'

const own = ['floor', 'public', 'token', 'cookie'] as const
const proxies = ['http-proxy', 'http-proxy-3'] as const
const onRedis = ['hand-written', 'hand-written-cached', 'fastify-session', 'express-session'] as const
const haproxies = ['haproxy', 'haproxy-rs256', 'haproxy-es256'] as const

/** The arms to compare: each pair serves the client equally. */
const pairs = [
  ['token', 'floor'], ['cookie', 'floor'],
  ...['http-proxy', 'http-proxy-3', 'hand-written', 'hand-written-cached', 'haproxy', 'haproxy-rs256', 'haproxy-es256', 'nginx'].map(peer => ['token', peer] as const),
  ...['fastify-session', 'express-session'].map(peer => ['cookie', peer] as const)
] as const

export const bench: Bench = {
  question: 'What does a request cost through the gateway, and what through other proxies and through the gateways that people write?',
  packages: ['@fastify/http-proxy', 'http-proxy-3', '@fastify/redis', '@fastify/session', 'express', 'express-session', 'http-proxy-middleware', 'connect-redis', 'redis'],
  async measure (context) {
    const notRun = [
      ...hasRedis() ? [] : [`${onRedis.join(', ')}: ${redisMissing}`],
      ...versionOf('haproxy') === null ? [`${haproxies.join(', ')}: ${missing('haproxy')}`] : [],
      ...versionOf('nginx') === null ? [`nginx: ${missing('nginx')}`] : []
    ]
    const names = chosenArms([...own, ...proxies, ...hasRedis() ? onRedis : [], ...versionOf('haproxy') === null ? [] : haproxies, ...versionOf('nginx') === null ? [] : ['nginx']], context.arms)
    const hops = await startHops(names, context)
    const table: Table = { title: 'Requests as fast as they are answered', columns: hopColumns, plot: { columns: ['cpuUs'], own: ['public', 'token', 'cookie'] }, arms: {} }
    const samples = await measureHops(hops.all, hops.surroundings, context)
    table.arms = armsOf(hops.all, samples)
    table.ratios = ratiosOf(samples, 'cpuUs', pairs)
    return { conditions: conditions(context), tables: [table], goals: goals(table), notRun }
  }
}

async function startHops (names: string[], context: BenchContext): Promise<{ all: Record<string, Hop>, surroundings: Surroundings }> {
  const { upstream, surroundings } = await startUpstream(context)
  const has = (group: readonly string[]): boolean => names.some(name => group.includes(name))
  const hops = has(own) ? await startGatewayHops(upstream, context) : {}
  if (has(proxies)) Object.assign(hops, await startProxies(upstream, context))
  if (has(onRedis)) {
    const redis = await startRedis(context)
    surroundings.beside.push(usageOfProgram(redis.pid))
    Object.assign(hops, await startHandWritten(upstream, redis, context), await startSessions(upstream, redis, context))
  }
  if (has(haproxies)) Object.assign(hops, await startHaproxies(upstream, context))
  if (names.includes('nginx')) hops['nginx'] = { what: `nginx ${versionOf('nginx')}, one worker, no authentication`, ...await startNginx(upstream, context), ...open }
  return { all: pick(hops, names), surroundings }
}

/** A hop that requires no credential. */
const open: Pick<Hop, 'path' | 'clients' | 'status' | 'bad' | 'forwards'> = { path: '/orders/42', clients: [anonymous], status: 200, bad: { headers: { 'no token': withToken('none') }, status: 200 }, forwards: 'as sent' }

function guardedByToken ({ good, bad }: Tokens): typeof open {
  return { ...open, clients: good.map(withToken), bad: { headers: { ...Object.fromEntries(Object.entries(bad).map(([what, token]) => [what, withToken(token)])), 'no credential': anonymous }, status: 401 } }
}

async function startProxies (upstream: string, context: BenchContext): Promise<Record<string, Hop>> {
  const start = async (name: string, what: string): Promise<Hop> => {
    const server = await context.start<{ url: string }>(`peers/${name}`, { args: { upstream }, place: 'measured' })
    return { what, url: server.ready.url, usage: usageOf(server), ...open }
  }
  return {
    'http-proxy': await start('http-proxy', '@fastify/http-proxy, no authentication'),
    'http-proxy-3': await start('http-proxy-3', 'http-proxy-3, no authentication')
  }
}

async function startHandWritten (upstream: string, redis: RedisServer, context: BenchContext): Promise<Record<string, Hop>> {
  const tokens = createTokens('ES256', { count: users, issuer, audience })
  const revoked = createTokens('ES256', { count: 1, issuer, audience, key: tokens.key })
  await redis.client.set(`revoked:${revoked.jtis[0]}`, '1')
  const bad = { ...tokens.bad, 'a revoked token': revoked.good[0]! }
  const start = async (isCached: boolean): Promise<Hop> => {
    const args: HandWrittenArgs = { upstream, redis: redis.url, publicKey: tokens.publicPem, issuer, audience, isCached }
    const server = await context.start<{ url: string }>('peers/hand-written', { args, place: 'measured' })
    return { what: `@fastify/http-proxy, @fastify/jwt ${isCached ? 'with its cache' : 'without its cache'}, Redis asked for each request; ${users} ES256 tokens`, url: server.ready.url, usage: usageOf(server), ...guardedByToken({ ...tokens, bad }) }
  }
  return { 'hand-written': await start(false), 'hand-written-cached': await start(true) }
}

async function startSessions (upstream: string, redis: RedisServer, context: BenchContext): Promise<Record<string, Hop>> {
  const start = async (name: string, what: string): Promise<Hop> => {
    const server = await context.start<{ url: string }>(`peers/${name}`, { args: { upstream, redis: redis.url }, place: 'measured' })
    const { url } = server.ready
    const cookies = await signIn(url)
    const headers = (cookie: string): Record<string, string> => ({ ...anonymous, cookie: `${otherCookies}; ${cookie}` })
    const bad = { 'a wrong signature': headers(`${cookies[0]!.slice(0, -4)}AAAA`), 'no credential': anonymous }
    return { what, url, usage: usageOf(server), ...open, clients: cookies.map(headers), bad: { headers: bad, status: 401 } }
  }
  return {
    'fastify-session': await start('fastify-session.mjs', `@fastify/session on Redis and @fastify/http-proxy, ${users} sessions`),
    'express-session': await start('express-session', `express-session on Redis and http-proxy-middleware, ${users} sessions`)
  }
}

async function signIn (url: string): Promise<string[]> {
  const cookies: string[] = []
  for (let user = 0; user < users; user++) {
    const response = await fetch(`${url}/sign-in/user-${user}`, { method: 'POST' })
    await response.arrayBuffer()
    const [cookie] = response.headers.getSetCookie()
    assert.ok(response.status === 200 && cookie !== undefined, 'sign-in is answered 200 with a cookie')
    cookies.push(cookie.slice(0, cookie.indexOf(';')))
  }
  return cookies
}

async function startHaproxies (upstream: string, context: BenchContext): Promise<Record<string, Hop>> {
  const version = versionOf('haproxy')
  const verifying = async (algorithm: TokenChecks['algorithm']): Promise<Hop> => {
    const tokens = createTokens(algorithm, { count: users, issuer, audience })
    const keyFile = join(context.directory, `${algorithm}.pem`)
    await writeFile(keyFile, tokens.publicPem)
    const proxy = await startHaproxy(`haproxy-${algorithm}`, upstream, { algorithm, keyFile, issuer, audience }, context)
    return { what: `HAProxy ${version}, one thread, jwt_verify of ${users} ${algorithm} tokens; nothing can be revoked`, ...proxy, ...guardedByToken(tokens) }
  }
  return {
    haproxy: { what: `HAProxy ${version}, one thread, no authentication`, ...await startHaproxy('haproxy', upstream, null, context), ...open },
    'haproxy-rs256': await verifying('RS256'),
    'haproxy-es256': await verifying('ES256')
  }
}

function goals (table: Table): Goal[] {
  return [
    ...ratioGoal(table, 'token/floor', { what: 'everything on, by token, to the floor (CPU)', most: 1 }),
    ...ratioGoal(table, 'token/http-proxy', { what: 'to @fastify/http-proxy without authentication (CPU)', most: 0.55 }),
    ...ratioGoal(table, 'token/hand-written', { what: 'to the gateway that people write, without its cache (CPU)', most: 0.25 }),
    ...ratioGoal(table, 'token/haproxy-es256', { what: 'to HAProxy with jwt_verify ES256 (CPU)', most: 0.5 }),
    ...ratioGoal(table, 'token/haproxy-rs256', { what: 'to HAProxy with jwt_verify RS256 (CPU)', most: 1 })
  ]
}

function conditions (context: BenchContext): string {
  return `${hopConditions(context)}; each proxy keeps its connections to the upstream, and logs nothing. The gateway has everything on: header policy, blocklist, metrics, a minted token for the upstream; on a SQLite file. Redis is on the CPU of load and upstream, and its CPU time is in no figure. ${sayPlacement()}`
}

// Does a request cost more with more tokens in use, or with more revocations in force?

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { chosenArms, sayPlacement, type Bench, type BenchContext, type Child } from './harness.ts'
import { ratioGoal, ratiosOf, type Goal, type Table } from './report.ts'
import { issueTokens, measureTokenArms, startGateway, tokenColumns, type Gateway, type TokenArm } from './token-load.ts'

const tokensInUse = [100, 10_000, 100_000]
const quickTokensInUse = [100, 1000]
const inForce = [0, 10_000, 1_000_000, 10_000_000]
const quickInForce = [0, 1000]
const users = 500
/** The size of the cache: more than twice the tokens in use, so that tokens in turn are all remembered. */
const cacheSize = 250_000
/** The tolerance within which a cost counts as unchanged. */
const tolerance = 0.02

const tokensName = (count: number): string => `${count} tokens`
const revocationsName = (count: number): string => `${count} revocations`

type Upstream = Child<{ url: string, body: string }>

export const bench: Bench = {
  question: 'Does a request cost more with more tokens in use, or with more revocations in force?',
  async measure (context) {
    const [allTokens, allRevocations] = context.isQuick ? [quickTokensInUse, quickInForce] : [tokensInUse, inForce]
    const names = chosenArms([...allTokens.map(tokensName), ...allRevocations.map(revocationsName)], context.arms)
    const upstream: Upstream = await context.start('upstream')
    const tables: Table[] = []
    const tokens = allTokens.filter(count => names.includes(tokensName(count)))
    if (tokens.length > 0) tables.push(toTable('tokens in use', tokens.map(tokensName), await measureTokenArms(await startTokenArms(tokens, upstream, context), upstream, context)))
    const revocations = allRevocations.filter(count => names.includes(revocationsName(count)))
    if (revocations.length > 0) tables.push(toTable('revocations in force', revocations.map(revocationsName), await measureTokenArms(await startRevocationArms(revocations, upstream, context), upstream, context)))
    return { conditions: conditions(context), tables, goals: tables.flatMap(goals), notRun: [] }
  }
}

/** Starts one gateway, which is asked with few of its tokens or with many. */
async function startTokenArms (counts: number[], upstream: Upstream, context: BenchContext): Promise<Record<string, TokenArm>> {
  const gateway = await startGateway({ store: { type: 'sqlite', path: join(context.directory, 'tokens.db') }, upstream: upstream.ready.url, cacheSize }, context)
  context.say('signing tokens')
  const tokens = await issueTokens(gateway, Math.max(...counts))
  return Object.fromEntries(counts.map((count): [string, TokenArm] => [tokensName(count), {
    what: `${count.toLocaleString('en')} ES256 tokens in turn`,
    gateway,
    path: '/named/42',
    tokens: tokens.slice(0, count),
    areSeen: true,
    at: { series: 'by token', x: count }
  }]))
}

/** Starts a gateway for each number, with a separate store that has the revocations from the start. */
async function startRevocationArms (counts: number[], upstream: Upstream, context: BenchContext): Promise<Record<string, TokenArm>> {
  const arms: Record<string, TokenArm> = {}
  for (const count of counts) {
    const store = { type: 'sqlite', path: join(context.directory, `revocations-${count}.db`) } as const
    if (count > 0) await fill(store, count, context)
    const gateway = await startGateway({ store, upstream: upstream.ready.url }, context)
    await untilReady(gateway)
    assert.ok(await gateway.ask<number>('revocations') >= count, 'every revocation is known')
    arms[revocationsName(count)] = {
      what: `${users} ES256 tokens in turn, ${count.toLocaleString('en')} revocations in force`,
      gateway,
      path: '/named/42',
      tokens: await issueTokens(gateway, users),
      at: { series: 'by token', x: count }
    }
  }
  return arms
}

async function untilReady (gateway: Gateway): Promise<void> {
  const startedMs = performance.now()
  while (!await gateway.ask<boolean>('isReady')) assert.ok(performance.now() - startedMs < 120_000, 'it becomes ready')
}

async function fill (store: { type: 'sqlite', path: string }, count: number, context: BenchContext): Promise<void> {
  context.say(`writing ${count.toLocaleString('en')} revocations`)
  const filler = await context.start<object>('fill', { args: { store } })
  await filler.ask('fill', { count })
  await filler.end()
}

/** Builds the table; all arms are compared with the least. */
function toTable (x: string, names: string[], arms: Table['arms']): Table {
  const samples = Object.fromEntries(Object.entries(arms).map(([name, { rounds }]) => [name, rounds]))
  return { title: `CPU time by ${x}`, columns: tokenColumns, plot: { columns: ['cpuUs'], x }, arms, ratios: ratiosOf(samples, 'cpuUs', names.slice(1).map(name => [name, names[0]!] as const)) }
}

function goals (table: Table): Goal[] {
  return Object.keys(table.ratios?.of ?? {}).flatMap(pair => ratioGoal(table, pair, { what: `${pair.replace('/', ' to ')} (CPU)`, digits: 3, least: 1 - tolerance, most: 1 + tolerance }))
}

function conditions ({ rounds, seconds }: BenchContext): string {
  return `${rounds} interleaved rounds of ${seconds} s for each arm after two warm-ups; 32 connections, one request at a time on each; the upstream is told in headers who it is. With many tokens in use the gateway remembers ${cacheSize.toLocaleString('en')} (\`accessToken.cacheSize\`, by default 20,000): of more in turn than it remembers each would be verified anew, which is what the share of those remembered says. ${sayPlacement()}`
}

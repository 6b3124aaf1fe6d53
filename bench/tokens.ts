// What does a request cost whose token was not seen before, by algorithm and by how many are?

import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { SigningAlgorithm } from '../lib/jwt/signing-key.ts'
import { pick } from './gateway-hops.ts'
import { chosenArms, sayPlacement, spreadOf, type Bench, type BenchContext, type Child } from './harness.ts'
import { issueTokens, measureTokenArms, startGateway, tokenColumns, type TokenArm } from './token-load.ts'
import { ratiosOf, type Table } from './report.ts'

const algorithms = ['ES256', 'EdDSA', 'RS256'] as const satisfies SigningAlgorithm[]
const warm = 500
/**
 * The number of tokens in turn. A gateway remembers 20 000 and forgets the least recently used. With more tokens than that, each
 * has been forgotten before its turn comes again, so each request brings a new token, as if their number were infinite.
 */
const cold = 30_000
const quickCold = 3000
const minted = 'new ES256 minted'
const newPercents = [0, 1, 10, 50]

export const bench: Bench = {
  question: 'What does a request cost whose token was not seen before, by algorithm and by how many are?',
  async measure (context) {
    const all = [...algorithms.flatMap(algorithm => [`new ${algorithm}`, `seen ${algorithm}`]), minted, ...newPercents.map(share => `${share}% new`)]
    const names = chosenArms(all, context.arms)
    const upstream = await context.start<{ url: string, body: string }>('upstream')
    const arms: Record<string, TokenArm> = {}
    const pools: Record<string, string[]> = {}
    for (const algorithm of algorithms.filter(algorithm => names.some(name => algorithmOf(name) === algorithm))) Object.assign(arms, await startArms(algorithm, pools, upstream, context))
    const measured = await measureTokenArms(pick(arms, names), upstream, context, pools)
    if (!context.isQuick) assertNew(measured)
    const [byShare, byAlgorithm] = [pickArms(measured, name => name.endsWith('% new')), pickArms(measured, name => !name.endsWith('% new'))]
    const ratios = algorithms.map(algorithm => [`new ${algorithm}`, `seen ${algorithm}`] as const)
    const tables: Table[] = [
      {
        title: 'Tokens that are new, and tokens seen before',
        columns: tokenColumns,
        plot: { columns: ['cpuUs'] },
        arms: byAlgorithm,
        ratios: ratiosOf(roundsOf(byAlgorithm), 'cpuUs', ratios),
        notes: ['The upstream is told in headers who it is, so that no signature of the gateway\'s own is in the figures, but for the arm that says so.']
      },
      { title: 'ES256 tokens seen before, and new ones in between', columns: tokenColumns, plot: { columns: ['cpuUs'], x: '% of requests with a new token' }, arms: byShare }
    ]
    return { conditions: conditions(context), tables: tables.filter(({ arms }) => Object.keys(arms).length > 0), goals: [], notRun: [] }
  }
}

function algorithmOf (name: string): SigningAlgorithm {
  return algorithms.find(algorithm => name.includes(algorithm)) ?? 'ES256'
}

async function startArms (algorithm: SigningAlgorithm, pools: Record<string, string[]>, upstream: Child<{ url: string }>, context: BenchContext): Promise<Record<string, TokenArm>> {
  const gateway = await startGateway({ store: { type: 'sqlite', path: join(context.directory, `${algorithm}.db`) }, upstream: upstream.ready.url, algorithm }, context)
  context.say(`signing ${algorithm} tokens`)
  const count = context.isQuick ? quickCold : cold
  const tokens = await issueTokens(gateway, count + warm)
  pools[algorithm] = tokens.slice(warm)
  const seen: Omit<TokenArm, 'what'> = { gateway, path: '/named/42', tokens: tokens.slice(0, warm) }
  const isNew = { others: { pool: algorithm, share: 1 } }
  return {
    [`seen ${algorithm}`]: { ...seen, what: `${warm} ${algorithm} tokens in turn` },
    [`new ${algorithm}`]: { ...seen, ...isNew, what: `each request another ${algorithm} token` },
    ...algorithm === 'ES256' ? { [minted]: { ...seen, ...isNew, what: 'each request another ES256 token, for which the gateway signs one for the upstream', path: '/orders/42' }, ...mixedArms(seen) } : {}
  }
}

function mixedArms (seen: Omit<TokenArm, 'what'>): Record<string, TokenArm> {
  return Object.fromEntries(newPercents.map((percent): [string, TokenArm] => [`${percent}% new`, {
    ...seen,
    what: `${warm} tokens in turn, and ${percent} % of the requests with another one`,
    others: { pool: 'ES256', share: percent / 100 },
    at: { series: 'ES256', x: percent }
  }]))
}

/**
 * Checks that tokens were new. A remembered token would improve the figures; tokens that other arms have evicted return within a
 * percent of the requests.
 */
function assertNew (arms: Table['arms']): void {
  for (const [name, { rounds }] of Object.entries(arms)) {
    const wanted = name.startsWith('new ') ? 0 : name.startsWith('seen ') ? 100 : 100 - Number.parseInt(name)
    const remembered = spreadOf(rounds.map(({ figures }) => figures['rememberedPercent']!)).median
    assert.ok(Math.abs(remembered - wanted) < 2, `${name}: ${wanted} % of the tokens are remembered, not ${remembered.toFixed(1)} %`)
  }
}

function pickArms (arms: Table['arms'], isWanted: (name: string) => boolean): Table['arms'] {
  return Object.fromEntries(Object.entries(arms).filter(([name]) => isWanted(name)))
}

function roundsOf (arms: Table['arms']): Record<string, Table['arms'][string]['rounds']> {
  return Object.fromEntries(Object.entries(arms).map(([name, { rounds }]) => [name, rounds]))
}

function conditions ({ rounds, seconds, isQuick }: BenchContext): string {
  return `${rounds} interleaved rounds of ${seconds} s for each arm after two warm-ups; 32 connections, one request at a time on each. The ${(isQuick ? quickCold : cold).toLocaleString('en')} new tokens of each algorithm are signed beforehand by the gateway itself, and come in turn: it remembers 20,000, so each is forgotten before it comes again, and how many were remembered is counted. ${sayPlacement()}`
}

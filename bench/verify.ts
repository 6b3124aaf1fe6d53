// What does it cost to verify a token, by algorithm, and what of that is not the signature?

import { verificationAlgorithms } from '../lib/jwt/jws.ts'
import { chosenArms, measureRounds, sayPlacement, type Bench, type BenchContext } from './harness.ts'
import type { Timed, VerifyArgs } from './processes/verify.ts'
import { figureOf, type Arm, type Goal, type Sample, type Table } from './report.ts'

const kinds = ['bare', 'cold', 'warm', 'format'] as const
const inForce = [0, 10_000, 1_000_000]
const quickInForce = [0, 1000]
const measuredMs = 100
const quickMs = 5

const columns: Table['columns'] = {
  bare: { head: 'signature alone µs', digits: 2 },
  cold: { head: 'new token µs', digits: 2 },
  beside: { head: 'new token without its signature µs', digits: 2 },
  warm: { head: 'token seen before µs', digits: 3 },
  format: { head: 'format alone µs', digits: 2 }
}

export const bench: Bench = {
  question: 'What does it cost to verify a token, by algorithm, and what of that is not the signature?',
  async measure (context) {
    const names = chosenArms(verificationAlgorithms, context.arms)
    const revocations = context.isQuick ? quickInForce : inForce
    const args: VerifyArgs = { directory: context.directory, revocations }
    const child = await context.start<object>('verify', { args, place: 'measured' })
    const operations = [...names.flatMap(name => kinds.map(kind => `${name} ${kind}`)), ...revocations.map(count => `${count} revocations`)]
    const time = async (name: string): Promise<Sample> => ({ figures: { us: (await child.ask<Timed>('time', { name, ms: context.isQuick ? quickMs : measuredMs })).us } })
    context.say('warming up')
    for (const name of operations) await time(name)
    const samples = await measureRounds(operations, { ...context, say: () => {} }, time, () => '')
    const byAlgorithm: Table = {
      title: 'One token, in one thread',
      columns,
      plot: { columns: ['bare', 'cold', 'warm'] },
      arms: Object.fromEntries(names.map(name => [name, toArm(name, samples)])),
      notes: ['New is a token of 64 in turn of which 16 are remembered; its format, signature, type, issuer and times are checked. Audience, scopes and revocation are not in these figures: they are judged at each request.']
    }
    const byRevocations: Table = {
      title: 'One look-up among the revocations in force',
      columns: { ns: { head: 'look-up ns', digits: 1 } },
      plot: { columns: ['ns'], x: 'revocations in force' },
      arms: Object.fromEntries(revocations.map(count => [`${count} revocations`, { what: `500 credentials in turn, none of them revoked, ${count.toLocaleString('en')} in force`, rounds: samples[`${count} revocations`]!.map(({ figures }) => ({ figures: { ns: figures['us']! * 1000 } })), at: { series: 'look-up', x: count } }]))
    }
    return { conditions: conditions(context), tables: [byAlgorithm, byRevocations], goals: goals(byAlgorithm), notRun: [] }
  }
}

/** Builds an arm of four operations of one algorithm, round by round. */
function toArm (algorithm: string, samples: Record<string, Sample[]>): Arm {
  const rounds = samples[`${algorithm} bare`]!.map((_, round): Sample => {
    const [bare, cold, warm, format] = kinds.map(kind => samples[`${algorithm} ${kind}`]![round]!.figures['us']!) as [number, number, number, number]
    return { figures: { bare, cold, beside: cold - bare, warm, format } }
  })
  return { what: `${algorithm}${algorithm.startsWith('RS') || algorithm.startsWith('PS') ? ', a key of 2048 bits' : ''}`, rounds }
}

/** Returns the goals: the cost of each request is at most a twentieth of a hop of 50 µs, for every algorithm. */
function goals (table: Table): Goal[] {
  const slowest = Math.max(...Object.keys(table.arms).map(name => figureOf(table, name, 'warm')!))
  return [{ what: 'a token seen before, of the slowest algorithm (CPU)', unit: 'µs', digits: 2, most: 2.5, value: slowest }]
}

function conditions ({ rounds, isQuick }: BenchContext): string {
  return `${rounds} interleaved rounds of ${isQuick ? quickMs : measuredMs} ms of CPU time for each figure after a warm-up; CPU time of one thread, one call after the other, without a server; each call has to succeed. ${sayPlacement()}`
}

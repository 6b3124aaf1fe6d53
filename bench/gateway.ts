// What does the gateway cost per request, and what of that is verification?

import { pick, startGatewayHops, startUpstream } from './gateway-hops.ts'
import { chosenArms, sayPlacement, type Bench } from './harness.ts'
import { armsOf, hopColumns, hopConditions, measureHops } from './hop.ts'
import { ratioGoal, ratiosOf, type Goal, type Table } from './report.ts'

const pairs = [['public', 'floor'], ['token', 'floor'], ['cookie', 'floor'], ['strict', 'floor'], ['two targets', 'token'], ['token', 'public'], ['cookie', 'public'], ['token', 'carried'], ['refused', 'token'], ['revoked', 'token']] as const

export const bench: Bench = {
  question: 'What does the gateway cost per request, and what of that is verification?',
  async measure (context) {
    const { upstream, targets, surroundings } = await startUpstream(context)
    const all = await startGatewayHops(upstream, context, { targets })
    const hops = pick(all, chosenArms(Object.keys(all), context.arms))
    const samples = await measureHops(hops, surroundings, context)
    const table: Table = {
      title: 'Requests as fast as they are answered',
      columns: hopColumns,
      plot: { columns: ['cpuUs'], own: Object.keys(hops).filter(name => name !== 'floor') },
      arms: armsOf(hops, samples),
      ratios: ratiosOf(samples, 'cpuUs', pairs)
    }
    return {
      conditions: `${hopConditions(context)}; SQLite file store; metrics on, log level error. ${sayPlacement()}`,
      tables: [table],
      goals: goals(table),
      notRun: []
    }
  }
}

function goals (table: Table): Goal[] {
  return [
    ...ratioGoal(table, 'token/floor', { what: 'everything on, by token, to the floor (CPU)', most: 1.25 }),
    ...ratioGoal(table, 'cookie/floor', { what: 'everything on, by cookie, to the floor (CPU)', most: 1.25 }),
    ...ratioGoal(table, 'token/carried', { what: 'verification of a token seen before, on top of the hop that carries it unread (CPU)', unit: '%', digits: 1, most: 5 }, ratio => (ratio - 1) * 100)
  ]
}

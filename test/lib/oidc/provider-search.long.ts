import t from 'tap'
import { search, tell, type Scenario } from './provider-search.ts'

/* The larger searches around the sessions of a user at an identity provider. */

interface Search { scenario: Scenario, states: number }

const searches: Record<string, Search> = {
  'two tabs, a logout of a session at the provider, and one of the user': { scenario: { logouts: ['sid', 'sub'] }, states: 500_000 },
  'two tabs, a logout of a session at the provider, and an operator\'s cut': { scenario: { logouts: ['sid'], hasLocalCut: true }, states: 200_000 },
  'a step-up, two logouts, and an operator\'s cut': { scenario: { second: 'step-up', logouts: ['sid', 'sid'], hasLocalCut: true }, states: 200_000 },
  'two tabs and a logout of a session at the provider while a shard fails over': { scenario: { logouts: ['sid'], failovers: ['sessions', 'tombstones'] }, states: 80_000 },
  'two tabs and a logout of the user while its shard fails over': { scenario: { logouts: ['sub'], failovers: ['sessions'] }, states: 80_000 }
}

for (const [title, { scenario, states }] of Object.entries(searches)) {
  t.test(title, async t => {
    const result = search(scenario)

    t.comment(`${result.states} states, ${JSON.stringify(result.seen)}`)
    t.equal(tell(result), null)
    t.ok(result.states >= states, `at least ${states} states`)
  })
}

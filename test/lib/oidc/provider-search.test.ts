import t from 'tap'
import { judgeCut } from '../../../lib/oidc/cut-judgement.ts'
import { mutants } from './provider-mutants.ts'
import { protocol, search, tell, type Scenario } from './provider-search.ts'

/* The sessions of a user at an identity provider, in every order of what can happen to them; the larger searches are in provider-search.long.ts. */

interface Search { scenario: Scenario, states: number, shows: Array<keyof ReturnType<typeof search>['seen']> }

const searches: Record<string, Search> = {
  'a logout of a session at the provider ends what has come from it, before and after it': { scenario: { logouts: ['sid'] }, states: 14_000, shows: ['opened', 'loggedOut', 'refused'] },
  'a logout of the user ends every session that began before it, and its repetition none that is newer': { scenario: { logouts: ['sub'] }, states: 11_000, shows: ['opened', 'loggedOut', 'forced'] },
  'a cut is not undone by silent sign-on': { scenario: { logouts: [], hasLocalCut: true }, states: 1000, shows: ['opened', 'forced'] },
  'a cut is not undone at a provider that asks nobody for a password again': { scenario: { logouts: [], hasLocalCut: true, ignoresPrompt: true }, states: 900, shows: ['opened', 'forced', 'refused'] },
  'a session that was stepped up ends by each session at the provider that it came from': { scenario: { second: 'step-up', logouts: ['sid', 'sid'] }, states: 18_000, shows: ['opened', 'loggedOut', 'steppedUp'] },
  'a shard that forgets its last write brings no session back that a logout ended': { scenario: { second: 'nothing', logouts: ['sid', 'sub'], failovers: ['sessions', 'tombstones'] }, states: 5000, shows: ['opened', 'loggedOut'] },
  'a cut that a failover has forgotten is not undone by silent sign-on': { scenario: { logouts: [], hasLocalCut: true, failovers: ['sessions'] }, states: 5000, shows: ['opened', 'forced'] }
}

for (const [title, { scenario, states, shows }] of Object.entries(searches)) {
  t.test(title, async t => {
    const result = search(scenario)

    t.comment(`${result.states} states, ${JSON.stringify(result.seen)}`)
    t.equal(tell(result), null)
    t.ok(result.states >= states, `at least ${states} states`)
    for (const what of shows) t.ok(result.seen[what] > 0, what)
  })
}

t.test('what no process knows any more after a failover is lost: a known limit', async t => {
  const result = search({ second: 'nothing', logouts: ['sid'], failovers: ['sessions', 'tombstones'], losesMemory: true })

  t.comment(tell(result))
  t.equal(result.violation?.invariant, 'logged out')
})

for (const [title, { rules, scenario, violates }] of Object.entries(mutants)) {
  t.test(`a protocol that is broken is found out: ${title}`, async t => {
    const result = search(scenario, { ...protocol, ...rules })

    t.comment(`${result.states} states\n${tell(result) ?? 'nothing was found'}`)
    t.equal(result.violation?.invariant, violates)
  })
}

t.test('the search judges with the function of the product', async t => {
  t.equal(protocol.judge, judgeCut)
})

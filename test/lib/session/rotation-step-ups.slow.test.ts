import t from 'tap'
import { stepUpMutants } from './rotation-mutants.ts'
import { search, tell, type Scenario } from './rotation-search.ts'

/*
 * The search of rotation-search.slow.test.ts with an owner who gives the password now and then. Beside I1 to I7 it judges two invariants:
 * I8, that a copy of a refresh token never leads to a fresher authentication than the one it was handed out with, unless the password comes
 * with it; and I9, that an answer to the right password shows it.
 */

// For a machine that does other things too; nothing is timed.
t.setTimeout(300_000)

const windows = { overlapMs: 2, retryWindowMs: 4 }
const twoTabs: Scenario = { windows, idleTimeout: 6, messages: 2, stepUps: 1 }
const thief: Scenario = { ...twoTabs, messages: 1, hasThief: true }

interface Search { scenario: Scenario, states: number }

const searches: Record<string, Search> = {
  'two tabs that step up and refresh at once are never signed out, and each has what it has proved': { scenario: { ...twoTabs, backlog: 2 }, states: 430_000 },
  'a client whose answers to two step-ups are lost goes on': { scenario: { ...twoTabs, messages: 1, stepUps: 2, backlog: 2 }, states: 140_000 },
  'a thief with a copy of what is older than a step-up never gets what it has proved': { scenario: { ...thief, backlog: 2 }, states: 370_000 },
  'of two step-ups a thief gets neither': { scenario: { ...thief, windows: { overlapMs: 2, retryWindowMs: 3 }, idleTimeout: 5, stepUps: 2, backlog: 1 }, states: 350_000 },
  'a failover that loses the write of a step-up signs nobody out': { scenario: { ...twoTabs, messages: 1, canFailOver: true, backlog: 2 }, states: 340_000 },
  'a store\'s clock that steps back makes no copy fresher': { scenario: { ...twoTabs, messages: 1, stepsBack: 1, backlog: 1 }, states: 40_000 },
  'without an overlap no copy gets what a step-up has proved': { scenario: { ...thief, windows: { overlapMs: 0, retryWindowMs: 3 }, stepUps: 2 }, states: 180_000 },
  'without a retry window no copy gets what a step-up has proved': { scenario: { ...thief, windows: { overlapMs: 2, retryWindowMs: 0 }, backlog: 1 }, states: 70_000 },
  'without windows no copy gets what a step-up has proved': { scenario: { ...thief, windows: { overlapMs: 0, retryWindowMs: 0 }, stepUps: 2 }, states: 35_000 }
}

for (const [title, { scenario, states }] of Object.entries(searches)) {
  t.test(title, async t => {
    const result = search(scenario)

    t.comment(`${result.states} states`)
    t.equal(tell(result), null)
    t.ok(result.states >= states, `at least ${states} states`)
  })
}

// The threat model tells this limit. A generation that is issued for the second time is the same token as the one that the store has forgotten.
t.test('a failover that loses the write behind a copy may give the copy what a step-up has proved', async t => {
  const result = search({ ...thief, canFailOver: true, backlog: 1, areTwinsJudged: true })

  t.comment(tell(result))
  t.equal(result.violation?.invariant, 'I8')
})

for (const [title, { rules, violates, scenario = {} }] of Object.entries(stepUpMutants)) {
  t.test(`a rule that is broken is found out: ${title}`, async t => {
    const result = search({ ...twoTabs, backlog: 3, ...scenario }, rules)

    t.comment(`${result.states} states\n${tell(result) ?? 'nothing was found'}`)
    t.equal(result.violation?.invariant, violates)
  })
}

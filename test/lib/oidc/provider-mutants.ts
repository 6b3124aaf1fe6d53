import { judgeCut } from '../../../lib/oidc/cut-judgement.ts'
import type { Invariant, Protocol, Scenario } from './provider-search.ts'

/* The protocol of provider sessions, each time broken in one place, and the invariant that the search then has to find violated. */

export interface Mutant { rules: Partial<Protocol>, scenario: Scenario, violates: Invariant }

const bySid: Scenario = { logouts: ['sid'] }
const bySub: Scenario = { logouts: ['sub'] }
const locally: Scenario = { logouts: [], hasLocalCut: true }
const stepUp: Scenario = { second: 'step-up', logouts: ['sid', 'sid'] }

export const mutants: Record<string, Mutant> = {
  'an opening looks for the tombstone before it inserts the session': { rules: { opening: ['look', 'insert'] }, scenario: bySid, violates: 'logged out' },
  'a logout leaves no tombstone': { rules: { logout: ['sessions', 'sessions'] }, scenario: bySid, violates: 'logged out' },
  'a logout leaves its tombstone after it has looked for sessions': { rules: { logout: ['sessions', 'tombstone'] }, scenario: bySid, violates: 'logged out' },
  'a logout is answered before the sessions have ended': { rules: { answersEarly: true }, scenario: bySid, violates: 'logged out' },
  'the id of a logout token is used before the work is done': { rules: { jti: 'before the cut' }, scenario: bySub, violates: 'logged out' },
  'the id of a logout token is never used': { rules: { jti: 'never' }, scenario: bySub, violates: 'once' },
  'a step-up forgets the session at the provider that came before': { rules: { keepsOldIndex: false }, scenario: stepUp, violates: 'logged out' },
  'a step-up looks for no tombstone': { rules: { stepUpLooks: false }, scenario: stepUp, violates: 'logged out' },
  'an opening does not compare the last cut, which was judged before': { rules: { countsFrom: null, judgesFirst: true }, scenario: bySub, violates: 'logged out' },
  'an opening compares the beginning alone, and the cut was judged before': { rules: { countsFrom: ({ beganAtMs }) => beganAtMs, judgesFirst: true }, scenario: { ...locally, failovers: ['sessions'] }, violates: 'cut' },
  'an opening compares the beginning alone': { rules: { countsFrom: ({ beganAtMs }) => beganAtMs }, scenario: locally, violates: 'cut' },
  'a provider that was asked to authenticate the user is believed to have done so': { rules: { countsFrom: ({ beganAtMs, isForced, authTimeMs }) => isForced ? beganAtMs : Math.min(beganAtMs, authTimeMs!) }, scenario: { ...locally, ignoresPrompt: true }, violates: 'cut' },
  'a sign-in that was covered by a cut opens a session in the end': { rules: { judge: facts => judgeCut(facts) === 'refuse' ? 'open' : judgeCut(facts) }, scenario: { ...locally, ignoresPrompt: true }, violates: 'cut' },
  'an opening does not ask the memory of the process': { rules: { asksMemory: false }, scenario: { ...bySid, failovers: ['tombstones'] }, violates: 'logged out' }
}

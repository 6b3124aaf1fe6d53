import t from 'tap'
import { countsFromMs, judgeCut, type SignInAfterCut } from '../../../lib/oidc/cut-judgement.ts'

const cutMs = 1_000_400
const facts: SignInAfterCut = { cutMs, beganAtMs: 1_000_500, authTimeMs: 1_001_000, isForced: false }

t.test('without a cut every sign-in opens a session', async t => {
  t.equal(judgeCut({ ...facts, cutMs: null, authTimeMs: null }), 'open')
  t.equal(judgeCut({ ...facts, cutMs: null, isForced: true, authTimeMs: 0 }), 'open')
})

t.test('a cut since the beginning starts the sign-in again, however late the authentication was', async t => {
  for (const isForced of [false, true]) for (const beganAtMs of [cutMs, cutMs - 1]) t.equal(judgeCut({ ...facts, beganAtMs, isForced, authTimeMs: 9_000_000 }), 'again')
})

t.test('an authentication counts once it is later than the cut', async t => {
  t.equal(judgeCut(facts), 'open')
  t.equal(judgeCut({ ...facts, authTimeMs: cutMs }), 'again')
  t.equal(judgeCut({ ...facts, authTimeMs: 999_000 }), 'again')
})

t.test('an authentication whose time is not stated does not count', async t => {
  t.equal(judgeCut({ ...facts, authTimeMs: null }), 'again')
  t.equal(judgeCut({ ...facts, authTimeMs: null, isForced: true }), 'refuse')
})

t.test('in the second of the cut only an authentication counts that was asked for after it', async t => {
  t.equal(judgeCut({ ...facts, authTimeMs: 1_000_000 }), 'again')
  t.equal(judgeCut({ ...facts, authTimeMs: 1_000_000, isForced: true }), 'open')
})

t.test('a provider that was asked to authenticate the user and did not is refused', async t => {
  t.equal(judgeCut({ ...facts, authTimeMs: 999_000, isForced: true }), 'refuse')
})

t.test('a sign-in counts from its beginning, or from its authentication if that was earlier', async t => {
  t.equal(countsFromMs({ beganAtMs: 5000, authTimeMs: 9000, isForced: false }), 5000)
  t.equal(countsFromMs({ beganAtMs: 5000, authTimeMs: 3000, isForced: false }), 3000)
  t.equal(countsFromMs({ beganAtMs: 5000, authTimeMs: 3000, isForced: true }), 3999)
  t.equal(countsFromMs({ beganAtMs: 5000, authTimeMs: null, isForced: true }), 0)
})

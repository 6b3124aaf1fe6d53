import { closingSessions, limit } from './closing.ts'
import { countedRefreshes } from './counted-refreshes.ts'
import { cutOfEverybody } from './cut-of-everybody.ts'
import { deviceBindings } from './device-bindings.ts'
import { ending, endingOfOne } from './ending.ts'
import { endingRotation } from './ending-rotation.ts'
import type { CreateStore, StoreFixture } from './fixtures.ts'
import { keys } from './keys.ts'
import { growth, log } from './log.ts'
import { notes } from './notes.ts'
import { once } from './once.ts'
import { logoutsBySid, logoutsBySubject, logoutsInAnyOrder } from './provider-logouts.ts'
import { cutSignIns, providerSessions, providerStepUps } from './provider-sessions.ts'
import { reassertion } from './reassertion.ts'
import { renewal } from './renewal.ts'
import { receipt, rotation } from './rotation.ts'
import { sessionData } from './session-data.ts'
import { sessionOrigins } from './session-origins.ts'
import { expiry, sessions, use } from './sessions.ts'
import { subjectCuts } from './subject-cuts.ts'
import { tokenRevocation } from './token-revocation.ts'
import { addTest, type RunTest, type Test } from './test.ts'

export type { StoreFixture } from './fixtures.ts'
export type { RunTest } from './test.ts'

/* The contract of every implementation of stores/store.ts, sentence by sentence. The clock of a fixture only moves by `advance`;
 * `second()` is another Store object on the same data and clock, as another process would have. */

export interface StoreContractOptions<Context> {
  /** `test` of `node:test` or of `tap`. */
  test: RunTest<Context>
  /** Name of the test that contains all others. Default: the contract of a store. */
  name?: string
  /** False for a store that exists in one Store object only, whose `second()` is that object. Default true. */
  sharesData?: boolean
}

/**
 * Runs the contract against a store. `open` is called for each test with the context of the test, returns a fixture on empty data, and ends
 * the stores when the test ends (`after` of node:test, `teardown` of tap). Resolves when all tests have run, if `test` returns a promise.
 */
export async function storeContract<Context> (open: (context: Context) => Promise<StoreFixture>, { test, name = 'the contract of a store', sharesData = true }: StoreContractOptions<Context>): Promise<void> {
  await addTest(test as RunTest<unknown>, name, async t => { addGroups(t, async ({ context }) => await open(context as Context), sharesData) })
}

function addGroups (t: Test, create: CreateStore, sharesData: boolean): void {
  t.test('sessions', t => sessions(t, create))
  t.test('the end of a record\'s life', t => expiry(t, create))
  t.test('use', t => use(t, create))
  t.test('rotation', t => rotation(t, create))
  t.test('refreshes that are counted', t => countedRefreshes(t, create))
  t.test('rotation that ends a session', t => endingRotation(t, create))
  t.test('receipt', t => receipt(t, create))
  t.test('renewal', t => renewal(t, create))
  t.test('bindings to devices', t => deviceBindings(t, create))
  t.test('data of the application', t => sessionData(t, create))
  t.test('sessions of identity providers', t => providerSessions(t, create))
  t.test('cuts and sign-ins at providers', t => cutSignIns(t, create))
  t.test('step-ups at providers', t => providerStepUps(t, create))
  t.test('logouts at providers by session', t => logoutsBySid(t, create))
  t.test('logouts at providers by subject', t => logoutsBySubject(t, create))
  t.test('logouts at providers in any order', t => logoutsInAnyOrder(t, create))
  t.test('origins', t => sessionOrigins(t, create))
  t.test('closing', t => closingSessions(t, create))
  t.test('the limit of sessions a subject', t => limit(t, create))
  t.test('cuts of a subject', t => subjectCuts(t, create))
  t.test('revocations that are said again', t => reassertion(t, create))
  t.test('the cut of everybody', t => cutOfEverybody(t, create))
  t.test('token revocation', t => tokenRevocation(t, create))
  t.test('the log', t => log(t, create))
  t.test('growth of the log', t => growth(t, create))
  t.test('keys', t => keys(t, create))
  t.test('notes', t => notes(t, create))
  t.test('names that are used once', t => once(t, create))
  t.test('the end of a store', t => ending(t, create))
  if (sharesData) t.test('the end of one store of two', t => endingOfOne(t, create))
}

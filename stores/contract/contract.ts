import type { Test } from 'tap'
import { closingSessions, limit } from './closing.ts'
import { countedRefreshes } from './counted-refreshes.ts'
import { cutOfEverybody } from './cut-of-everybody.ts'
import { deviceBindings } from './device-bindings.ts'
import { ending, endingOfOne } from './ending.ts'
import { endingRotation } from './ending-rotation.ts'
import type { CreateStore } from './fixtures.ts'
import { keys } from './keys.ts'
import { growth, log } from './log.ts'
import { notes } from './notes.ts'
import { once } from './once.ts'
import { reassertion } from './reassertion.ts'
import { renewal } from './renewal.ts'
import { receipt, rotation } from './rotation.ts'
import { sessionData } from './session-data.ts'
import { sessionOrigins } from './session-origins.ts'
import { expiry, sessions, use } from './sessions.ts'
import { subjectCuts } from './subject-cuts.ts'
import { tokenRevocation } from './token-revocation.ts'

export type { CreateStore, StoreFixture } from './fixtures.ts'

/* The contract of every implementation of stores/store.ts, sentence by sentence. The clock of a fixture only moves by `advance`;
 * `second()` is another Store object on the same data and clock, as another process would have. The caller of `create` ends the
 * store in the test's teardown. */

/**
 * Runs the contract against a store. `sharesData: false` is for a store that exists in one Store object only, whose `second()` is
 * that object.
 */
export function storeContract (t: Test, name: string, create: CreateStore, { sharesData = true }: { sharesData?: boolean } = {}): void {
  t.test(`${name}: sessions`, t => sessions(t, create))
  t.test(`${name}: the end of a record's life`, t => expiry(t, create))
  t.test(`${name}: use`, t => use(t, create))
  t.test(`${name}: rotation`, t => rotation(t, create))
  t.test(`${name}: refreshes that are counted`, t => countedRefreshes(t, create))
  t.test(`${name}: rotation that ends a session`, t => endingRotation(t, create))
  t.test(`${name}: receipt`, t => receipt(t, create))
  t.test(`${name}: renewal`, t => renewal(t, create))
  t.test(`${name}: bindings to devices`, t => deviceBindings(t, create))
  t.test(`${name}: data of the application`, t => sessionData(t, create))
  t.test(`${name}: origins`, t => sessionOrigins(t, create))
  t.test(`${name}: closing`, t => closingSessions(t, create))
  t.test(`${name}: the limit of sessions a subject`, t => limit(t, create))
  t.test(`${name}: cuts of a subject`, t => subjectCuts(t, create))
  t.test(`${name}: revocations that are said again`, t => reassertion(t, create))
  t.test(`${name}: the cut of everybody`, t => cutOfEverybody(t, create))
  t.test(`${name}: token revocation`, t => tokenRevocation(t, create))
  t.test(`${name}: the log`, t => log(t, create))
  t.test(`${name}: growth of the log`, t => growth(t, create))
  t.test(`${name}: keys`, t => keys(t, create))
  t.test(`${name}: notes`, t => notes(t, create))
  t.test(`${name}: names that are used once`, t => once(t, create))
  t.test(`${name}: the end of a store`, t => ending(t, create))
  if (sharesData) t.test(`${name}: the end of one store of two`, t => endingOfOne(t, create))
}

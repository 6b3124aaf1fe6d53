import { longestSignInMs } from '../../lib/session/provider-session.ts'
import { absoluteTimeoutMs, claimsOf, closing, entriesAfter, head, idleTimeoutMs, keepForMs, open, sidsOf, tokens, type CreateStore } from './fixtures.ts'
import { logOut, openAt, providerSession, stepUp, tryOpen } from './provider-fixtures.ts'
import type { Test } from './test.ts'

export async function providerSessions (t: Test, create: CreateStore): Promise<void> {
  t.test('a session keeps what its provider stated, for every process', async t => {
    const { store, second } = await create(t)
    const authTimeMs = store.nowMs() - 5000

    const { outcome, record, closed } = await tryOpen(store, { authTimeMs })

    t.equal(outcome, 'opened')
    t.strictSame(closed, [])
    t.match(record, { subject: 'corp|alice', mode: 'session', family: null, device: null, authTimeMs, createdAtMs: store.nowMs(), expiresAtMs: store.nowMs() + absoluteTimeoutMs, origin: 'https://orders.example' })
    t.strictSame(record?.provider, providerSession())
    const other = await second()
    t.strictSame(await other.read(record?.sid ?? ''), record)
    t.strictSame(await other.list('corp|alice'), [record])
    t.equal(record !== null && await other.isGood(claimsOf(record)), true)
  })

  t.test('a session without a session at its provider, without an ID token and without claims keeps that', async t => {
    const { store } = await create(t)
    const provider = providerSession({ sid: null, idToken: null, claims: {} })
    const record = await openAt(store, { provider })
    t.strictSame((await store.read(record.sid))?.provider, provider)
  })

  t.test('other sessions have no provider', async t => {
    const { store } = await create(t)
    for (const record of [await open(store), await open(store, tokens)]) t.equal((await store.read(record.sid))?.provider, null)
  })

  t.test('the time of the authentication is never later than now, and 0 if the provider states none', async t => {
    const { store } = await create(t)
    for (const [stated, kept] of [[store.nowMs() + 60_000, store.nowMs()], [0, 0], [store.nowMs(), store.nowMs()]] as const) {
      t.equal((await openAt(store, { authTimeMs: stated })).authTimeMs, kept)
    }
  })

  t.test('what happens to a session leaves its provider as it is', async t => {
    const { store, advance } = await create(t)
    const record = await openAt(store)
    await store.replaceData(record.sid, { cart: ['book'] } as never)
    await store.bindDevice(record.sid, { publicKey: 'key' })
    advance(1000)
    await store.touch([{ sid: record.sid, agoMs: 0 }], { idleTimeoutMs })
    await store.renew(record.sid, { secretHash: 'other', acr: 'a', amr: [] })
    t.strictSame((await store.read(record.sid))?.provider, providerSession())
  })

  t.test('the limit of sessions counts those of providers', async t => {
    const { store } = await create(t)
    const first = await openAt(store)
    const position = await head(store)
    const { record, closed } = await tryOpen(store, { maxPerSubject: 1 })
    t.strictSame(closed, [first.sid])
    t.strictSame(sidsOf(await store.list('corp|alice')), [record?.sid])
    t.match(await entriesAfter(store, position), [{ kind: 'sid', sid: first.sid }])
  })
}

/** Cuts against sign-ins that have begun before them. */
export async function cutSignIns (t: Test, create: CreateStore): Promise<void> {
  t.test('a cut of the subject refuses a sign-in that began before it, or at its instant', async t => {
    const { store, advance, second } = await create(t)
    const beganAtMs = store.nowMs()
    advance(10)
    await store.revokeSubject('corp|alice', { exceptSid: null, keepForMs })
    const cutAtMs = store.nowMs()
    advance(10)

    const other = await second()
    for (const began of [beganAtMs, cutAtMs]) t.strictSame(await tryOpen(other, { beganAtMs: began }), { outcome: 'cut', record: null, closed: [] })
    t.strictSame(await store.list('corp|alice'), [])
    t.match(await tryOpen(other, { beganAtMs: cutAtMs + 1 }), { outcome: 'opened' })
    t.match(await tryOpen(other, { beganAtMs, provider: providerSession({ sub: 'bob' }) }), { outcome: 'opened' })
  })

  t.test('a cut refuses a sign-in that began later and counts from an earlier time, however long ago', async t => {
    const { store, advance } = await create(t)
    const earlierMs = store.nowMs() - 3_600_000
    for (const countsFromMs of [0, earlierMs]) t.match(await tryOpen(store, { countsFromMs }), { outcome: 'opened' })
    await store.revokeSubject('corp|alice', { exceptSid: null, keepForMs })
    advance(60_000)
    for (const countsFromMs of [0, earlierMs, store.nowMs() - 60_000]) t.match(await tryOpen(store, { countsFromMs }), { outcome: 'cut' })
    t.match(await tryOpen(store, { countsFromMs: store.nowMs() - 59_999 }), { outcome: 'opened' })
  })

  t.test('so does a cut of everybody', async t => {
    const { store, advance } = await create(t)
    const beganAtMs = store.nowMs()
    advance(10)
    await store.revokeAll({ keepForMs })
    advance(10)
    t.match(await tryOpen(store, { beganAtMs }), { outcome: 'cut' })
    t.match(await tryOpen(store, { beganAtMs: store.nowMs() }), { outcome: 'opened' })
  })

  t.test('so does a cut that has spared a session, and one that had nothing more to end', async t => {
    const { store, advance } = await create(t)
    const record = await openAt(store)
    for (const exceptSid of [record.sid, record.sid, null, null]) {
      advance(1)
      const beganAtMs = store.nowMs()
      advance(1)
      await store.revokeSubject('corp|alice', { exceptSid, keepForMs })
      t.equal(await store.lastCutMs('corp|alice'), store.nowMs())
      t.match(await tryOpen(store, { beganAtMs }), { outcome: 'cut' })
    }
  })

  t.test('a sign-in that began too long ago is refused, because logouts since may be forgotten', async t => {
    const { store, advance } = await create(t)
    const beganAtMs = store.nowMs()
    const { sid } = await openAt(store)
    advance(longestSignInMs - 1)
    t.match(await tryOpen(store, { beganAtMs }), { outcome: 'opened' })
    advance(1)
    t.match(await tryOpen(store, { beganAtMs }), { outcome: 'cut' })
    t.strictSame(await stepUp(store, sid, { beganAtMs }), { outcome: 'gone', record: null })
    t.match(await store.read(sid), { acr: 'urn:acr:password' })
  })

  t.test('a sign-in from before the clock was set back is refused by any cut', async t => {
    const { store } = await create(t)
    const beganAtMs = store.nowMs() + 60_000
    t.match(await tryOpen(store, { beganAtMs }), { outcome: 'opened' })
    await store.revokeSubject('corp|alice', { exceptSid: null, keepForMs })
    t.match(await tryOpen(store, { beganAtMs }), { outcome: 'cut' })
  })

  t.test('the last cut is that of the subject or of everybody, whichever is later', async t => {
    const { store, advance, second } = await create(t)
    const other = await second()
    t.equal(await other.lastCutMs('corp|alice'), null)
    const first = store.nowMs()
    await store.revokeSubject('corp|alice', { exceptSid: null, keepForMs })
    t.equal(await other.lastCutMs('corp|alice'), first)
    t.equal(await other.lastCutMs('corp|bob'), null)
    advance(5000)
    const everybody = store.nowMs()
    await store.revokeAll({ keepForMs })
    for (const subject of ['corp|alice', 'corp|bob']) t.equal(await other.lastCutMs(subject), everybody)
    advance(5000)
    await store.revokeSubject('corp|alice', { exceptSid: null, keepForMs })
    t.equal(await other.lastCutMs('corp|alice'), store.nowMs())
    t.equal(await other.lastCutMs('corp|bob'), everybody)
  })

  t.test('the last cut is remembered for 30 days, however short it is in force', async t => {
    const { store, advance } = await create(t)
    const cutAtMs = store.nowMs()
    await store.revokeSubject('corp|alice', { exceptSid: null, keepForMs: 1000 })
    advance(30 * 86_400_000 - 1)
    await open(store)
    t.equal(await store.lastCutMs('corp|alice'), cutAtMs)
  })

  t.test('a restored cut counts from the latest instant that fits it, and never after now', async t => {
    const { store, advance } = await create(t)
    const [second] = [Math.floor(store.nowMs() / 1000)]
    const expiresAtMs = store.nowMs() + keepForMs
    const { subjectKey } = await store.revokeSubject('corp|carol', { exceptSid: null, keepForMs })
    advance(60_000)
    await store.reassert([{ kind: 'subject', subjectKey, belowEpoch: second + 10, exceptSid: null, expiresAtMs }], { owner: 'a' })
    t.equal(await store.lastCutMs('corp|carol'), (second + 10) * 1000 - 1)
    await store.reassert([{ kind: 'subject', subjectKey, belowEpoch: second + 10_000, exceptSid: null, expiresAtMs }], { owner: 'a' })
    t.equal(await store.lastCutMs('corp|carol'), store.nowMs())
    const beganAtMs = store.nowMs()
    advance(1)
    t.match(await tryOpen(store, { beganAtMs, provider: providerSession({ sub: 'carol' }) }), { outcome: 'cut' })
    await store.reassert([{ kind: 'all', belowEpoch: second + 20_000, expiresAtMs }], { owner: 'a' })
    t.equal(await store.lastCutMs('corp|dave'), store.nowMs())
  })
}

/** Step-up at the provider. */
export async function providerStepUps (t: Test, create: CreateStore): Promise<void> {
  t.test('a step-up replaces the secret, the strength and what the provider stated', async t => {
    const { store, advance, second } = await create(t)
    const record = await openAt(store, { authTimeMs: store.nowMs() - 60_000 })
    const position = await head(store)
    advance(5000)
    const provider = providerSession({ sid: 'sso-2', idToken: 'next', claims: { groups: [] } })
    const authTimeMs = store.nowMs() - 1000

    const renewal = await stepUp(store, record.sid, { provider, authTimeMs })

    const renewed = { ...record, secretHash: 'next', acr: 'gold', amr: ['pwd', 'otp'], authTimeMs, provider }
    t.strictSame(renewal, { outcome: 'renewed', record: renewed })
    t.strictSame(await (await second()).read(record.sid), renewed)
    t.strictSame(await entriesAfter(store, position), [{ kind: 'changed', sid: record.sid }])
  })

  t.test('the time of the authentication never goes back, and never after now', async t => {
    const { store } = await create(t)
    const { sid, authTimeMs } = await openAt(store)
    for (const stated of [0, authTimeMs - 1, authTimeMs + 60_000]) {
      await stepUp(store, sid, { authTimeMs: stated })
      t.equal((await store.read(sid))?.authTimeMs, authTimeMs)
    }
  })

  t.test('the strength of the provider replaces one that cannot be compared, and never lowers a number', async t => {
    const { store } = await create(t)
    for (const [known, fresh, kept] of [['silver', 'gold', 'gold'], ['gold', 'silver', 'silver'], ['1', '2', '2'], ['2', '1', '2'], ['gold', '', 'gold'], ['', 'gold', 'gold'], ['2', 'gold', 'gold'], ['gold', '2', '2'], ['02', '2', '02']] as const) {
      const { sid } = await openAt(store, { acr: known })
      await stepUp(store, sid, { acr: fresh })
      t.equal((await store.read(sid))?.acr, kept, `${known} ${fresh}`)
    }
  })

  t.test('a session of another user, of another provider or of none is never stepped up', async t => {
    const { store } = await create(t)
    const others = [await openAt(store, { provider: providerSession({ sub: 'bob' }) }), await openAt(store, { provider: providerSession({ name: 'other' }) }), await open(store, { subject: 'corp|alice' }), await open(store, { ...tokens, subject: 'corp|alice' })]
    for (const record of others) {
      t.strictSame(await stepUp(store, record.sid), { outcome: 'gone', record: null })
      t.strictSame(await store.read(record.sid), record)
    }
    const ended = await openAt(store)
    await store.close(ended.sid, closing)
    t.strictSame(await stepUp(store, ended.sid), { outcome: 'gone', record: null })
    t.equal(await store.read(ended.sid), null)
  })

  t.test('a session that was stepped up ends with its new session at the provider, and with every one before', async t => {
    const { store } = await create(t)
    for (const ended of ['sso-1', 'sso-2', 'sso-3']) {
      const sub = `user-${ended}`
      const name = `corp-${ended}`
      const record = await openAt(store, { provider: providerSession({ name, sub }) })
      for (const sid of ['sso-2', 'sso-3', 'sso-3']) await stepUp(store, record.sid, { provider: providerSession({ name, sub, sid }) })
      t.match(await logOut(store, { provider: name, sid: ended }), { outcome: 'ended', sessions: 1 })
      t.equal(await store.read(record.sid), null)
    }
  })

  t.test('a step-up whose session at the provider was logged out meanwhile ends the session', async t => {
    const { store } = await create(t)
    const record = await openAt(store)
    await logOut(store, { sid: 'sso-2' })
    t.match(await store.read(record.sid), { sid: record.sid })
    const position = await head(store)

    t.strictSame(await stepUp(store, record.sid, { provider: providerSession({ sid: 'sso-2' }) }), { outcome: 'logged-out', record: null })

    t.equal(await store.read(record.sid), null)
    t.match((await entriesAfter(store, position)).filter(({ kind }) => kind === 'sid'), [{ kind: 'sid', sid: record.sid }])
  })
}

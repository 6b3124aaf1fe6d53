import type { Revocation } from '../../lib/revocation/entries.ts'
import { providerSidClaims, providerSidKeyOf } from '../../lib/revocation/provider-keys.ts'
import { absoluteTimeoutMs, claimsOf, entriesAfter, head, keepForMs, maxTokenAgeMs, minute, open, randomNumbers, sidsOf, type CreateStore } from './fixtures.ts'
import { keepJtiForMs, keepSidForMs, logOut, openAt, providerSession, stepUp, tryOpen } from './provider-fixtures.ts'
import { takeSnapshot } from './snapshot.ts'
import type { Test } from './test.ts'

/** Logouts at the provider by `sid`. */
export async function logoutsBySid (t: Test, create: CreateStore): Promise<void> {
  t.test('a logout by sid ends every session of it, whose user the provider does not name, and logs them', async t => {
    const { store, second } = await create(t)
    const names = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank']
    const records = []
    for (const sub of names) records.push(await openAt(store, { provider: providerSession({ sub }) }))
    records.push(await openAt(store))
    const position = await head(store)
    const other = await second()

    const end = await logOut(other, { sid: 'sso-1' })

    t.match(end, { outcome: 'ended', sessions: records.length })
    t.strictSame(end.revocations.map(({ kind }) => kind).sort(), ['jti', ...records.map(() => 'sid')])
    for (const record of records) {
      t.equal(await store.read(record.sid), null)
      t.equal(await store.isGood(claimsOf(record)), false)
    }
    const entries = await entriesAfter(store, position)
    t.strictSame(new Set(entries.map(entry => JSON.stringify(entry))), new Set(end.revocations.map(entry => JSON.stringify(entry))))
    t.equal((await takeSnapshot(store)).revocations.length, entries.length)
    t.match(end.revocations.filter(({ kind }) => kind === 'sid'), records.map(() => ({ expiresAtMs: store.nowMs() + maxTokenAgeMs })))
    t.match(end.revocations.filter(({ kind }) => kind === 'jti'), [{ expiresAtMs: store.nowMs() + keepSidForMs }])
    t.equal(await store.isGood(providerSidClaims('corp', 'sso-1')), false)
  })

  t.test('a session that was not named stays', async t => {
    const { store } = await create(t)
    const ended = await openAt(store)
    const kept = [await openAt(store, { provider: providerSession({ sid: 'sso-2' }) }), await openAt(store, { provider: providerSession({ sid: null }) }), await openAt(store, { provider: providerSession({ name: 'other' }) }), await open(store, { subject: 'corp|alice' })]

    t.match(await logOut(store, { sid: 'sso-1', subject: 'corp|alice' }), { outcome: 'ended', sessions: 1 })

    t.equal(await store.read(ended.sid), null)
    for (const record of kept) {
      t.strictSame(await store.read(record.sid), record)
      t.equal(await store.isGood(claimsOf(record)), true)
    }
    t.equal(await store.lastCutMs('corp|alice'), null)
  })

  t.test('a logout that names a user ends no session of another user', async t => {
    const { store } = await create(t)
    const bob = await openAt(store, { provider: providerSession({ sub: 'bob' }) })
    const alice = await openAt(store)
    t.match(await logOut(store, { sid: 'sso-1', subject: 'corp|bob' }), { sessions: 1 })
    t.strictSame([await store.read(bob.sid), await store.read(alice.sid)], [null, alice])
    t.match(await logOut(store, { sid: 'sso-1' }), { sessions: 1 })
    t.equal(await store.read(alice.sid), null)
  })

  t.test('a logout that arrives before its session refuses it, for as long as a sign-in may take', async t => {
    const { store, advance, second } = await create(t)
    const beganAtMs = store.nowMs()
    const position = await head(store)
    t.match(await logOut(store, { sid: 'sso-1' }), { outcome: 'ended', sessions: 0, revocations: [{ kind: 'jti' }] })
    t.match(await entriesAfter(store, position), [{ kind: 'jti' }])

    const other = await second()
    t.strictSame(await tryOpen(other, { beganAtMs }), { outcome: 'logged-out', record: null, closed: [] })
    advance(keepSidForMs - 1)
    t.match(await tryOpen(other), { outcome: 'logged-out' })
    t.strictSame(await store.list('corp|alice'), [])
    advance(1)
    t.match(await tryOpen(other), { outcome: 'opened' })
  })

  t.test('a logout is remembered for no shorter time than a sign-in may take, and its token be repeated', async t => {
    const { store, advance } = await create(t)
    await logOut(store, { sid: 'sso-1', keepSidForMs: 1, keepJtiForMs: 1 })
    await logOut(store, { sid: 'sso-2', keepSidForMs: 1, keepJtiForMs: 3_600_000 })
    advance(899_999)
    t.match(await tryOpen(store), { outcome: 'logged-out' })
    advance(1)
    t.match(await tryOpen(store), { outcome: 'opened' })
    t.match(await tryOpen(store, { provider: providerSession({ sid: 'sso-2' }) }), { outcome: 'logged-out' })
  })

  t.test('a repetition ends nothing more, and a shorter one forgets nothing', async t => {
    const { store, advance } = await create(t)
    await openAt(store)
    await logOut(store, { sid: 'sso-1' })
    const later = await openAt(store, { provider: providerSession({ sid: 'sso-2' }) })
    t.match(await logOut(store, { sid: 'sso-1', keepSidForMs: 1 }), { outcome: 'ended', sessions: 0 })
    t.strictSame(await store.list('corp|alice'), [later])
    advance(keepSidForMs - 1)
    t.match(await tryOpen(store), { outcome: 'logged-out' })
  })

  t.test('sessions that have expired or ended are not counted', async t => {
    const { store, advance } = await create(t)
    await openAt(store, { absoluteTimeoutMs: minute })
    const closed = await openAt(store)
    await store.close(closed.sid, { maxTokenAgeMs })
    const live = await openAt(store)
    advance(minute)
    t.match(await logOut(store, { sid: 'sso-1' }), { sessions: 1 })
    t.equal(await store.read(live.sid), null)
  })

  t.test('a session is found until it expires, however many others of its session at the provider have', async t => {
    const { store, advance } = await create(t)
    const last = await openAt(store)
    await openAt(store, { absoluteTimeoutMs: minute })
    advance(absoluteTimeoutMs - 1)
    await openAt(store, { provider: providerSession({ sub: 'bob' }), absoluteTimeoutMs: minute })
    t.match(await logOut(store, { sid: 'sso-1' }), { sessions: 2 })
    t.equal(await store.read(last.sid), null)
  })

  t.test('names of a provider may be long and odd, and none is taken for another', async t => {
    const { store } = await create(t)
    const odd = ['', ' ', '\0', '"', '\\', '{0}', ':', '*', 'a b', '\u00fc', 'u\u0308', '💥', '\u2028', 'x'.repeat(100_000), `${'x'.repeat(100_000)}y`, 'null', '__proto__', '-1', '%00', 'corp|alice', '1e3']
    const records = []
    for (const sid of odd) records.push(await openAt(store, { maxPerSubject: 1000, provider: providerSession({ sid }) }))
    for (const [at, sid] of odd.entries()) {
      t.strictSame((await store.read(records[at]!.sid))?.provider?.sid, sid)
      t.match(await logOut(store, { sid, jti: sid }), { outcome: 'ended', sessions: 1 })
      t.equal((await store.list('corp|alice')).length, odd.length - at - 1)
    }
  })
}

/** Logouts at the provider by `sub`. */
export async function logoutsBySubject (t: Test, create: CreateStore): Promise<void> {
  t.test('a logout by subject is a cut, which ends every session of the subject', async t => {
    const { store, advance, second } = await create(t)
    const beganAtMs = store.nowMs()
    const records = [await openAt(store), await openAt(store, { provider: providerSession({ sid: 'sso-2' }) }), await openAt(store, { provider: providerSession({ sid: null }) })]
    const kept = [await openAt(store, { provider: providerSession({ sub: 'bob' }) }), await openAt(store, { provider: providerSession({ name: 'other' }) })]
    const position = await head(store)
    const other = await second()

    const end = await logOut(other, { subject: 'corp|alice' })

    t.match(end, { outcome: 'ended', sessions: 3, revocations: [{ kind: 'subject', exceptSid: null, expiresAtMs: store.nowMs() + keepForMs }] })
    t.strictSame(await entriesAfter(store, position), end.revocations)
    for (const record of records) t.equal(await store.isGood(claimsOf(record)), false)
    for (const record of kept) t.strictSame(await store.read(record.sid), record)
    t.equal(await store.lastCutMs('corp|alice'), store.nowMs())
    advance(1)
    t.match(await tryOpen(store, { beganAtMs }), { outcome: 'cut' })
    t.match(await tryOpen(store), { outcome: 'opened' })
  })

  t.test('a logout token counts once: a repetition ends no later session', async t => {
    const { store, advance, second } = await create(t)
    await openAt(store)
    await logOut(store, { subject: 'corp|alice' })
    advance(keepJtiForMs - 1)
    const later = await openAt(store)
    const position = await head(store)

    t.strictSame(await logOut(await second(), { subject: 'corp|alice' }), { outcome: 'repeated', sessions: 0, revocations: [] })

    t.strictSame(await store.list('corp|alice'), [later])
    t.strictSame(await entriesAfter(store, position), [])
    t.equal(await store.lastCutMs('corp|alice'), store.nowMs() - keepJtiForMs + 1)
    advance(1)
    t.match(await logOut(store, { subject: 'corp|alice' }), { outcome: 'ended', sessions: 1 })
  })

  t.test('a token of another id, of another provider or of another subject is no repetition', async t => {
    const { store, advance } = await create(t)
    await logOut(store, { subject: 'corp|alice' })
    for (const other of [{ jti: 'token-2' }, { provider: 'corp|alice' }, { subject: 'corp|bob' }]) {
      advance(1000)
      t.match(await logOut(store, { subject: 'corp|alice', ...other }), { outcome: 'ended' })
    }
  })

  t.test('a token that names a session does not use its id up for the subject, and the other way round', async t => {
    const { store } = await create(t)
    await logOut(store, { sid: 'sso-1', subject: 'corp|alice' })
    t.match(await logOut(store, { subject: 'corp|alice' }), { outcome: 'ended' })
    t.match(await logOut(store, { sid: 'sso-2', subject: 'corp|alice' }), { outcome: 'ended', revocations: [{ kind: 'jti' }] })
  })

  t.test('a logout that names neither is refused', async t => {
    const { store } = await create(t)
    await t.rejects(logOut(store, {}), Error)
  })
}

/** Logouts at the same time as sign-ins, and logouts that a failover has lost. */
export async function logoutsInAnyOrder (t: Test, create: CreateStore): Promise<void> {
  t.test('sign-ins, step-ups and a logout at the same time leave no session of the one that was logged out', async t => {
    const { store, second } = await create(t)
    const other = await second()
    const random = randomNumbers(7)
    for (let round = 0; round < 20; round++) {
      const sid = `sso-${round}`
      const stepped = await openAt(store, { maxPerSubject: 1000, provider: providerSession({ sid: null }) })
      const open = async (): Promise<unknown> => await tryOpen([store, other][random(2)]!, { maxPerSubject: 1000, provider: providerSession({ sid, sub: `user-${random(5)}` }) })
      const actions = [open, open, open, open, async () => await stepUp(store, stepped.sid, { provider: providerSession({ sid }) }), async () => await logOut(other, { sid })]
      await Promise.all(actions.map(action => ({ action, order: random(1000) })).sort((one, two) => one.order - two.order).map(async ({ action }) => await action()))
      const left = await Promise.all(['alice', ...Array.from({ length: 5 }, (_, user) => `user-${user}`)].map(async sub => await store.list(`corp|${sub}`)))
      t.strictSame(left.flat().filter(({ provider }) => provider?.sid === sid), [])
    }
  })

  t.test('a logout that was lost and is restored ends what was opened and stepped up meanwhile', async t => {
    const { store, advance } = await create(t)
    const revocations: Revocation[] = [{ kind: 'jti', tokenKey: providerSidKeyOf('corp', 'sso-1'), expiresAtMs: store.nowMs() + keepSidForMs }]
    advance(1000)
    const opened = await openAt(store)
    const stepped = await openAt(store, { provider: providerSession({ sid: 'sso-0', sub: 'bob' }) })
    await stepUp(store, stepped.sid, { provider: providerSession({ sub: 'bob' }) })
    const kept = await openAt(store, { provider: providerSession({ sid: 'sso-2' }) })
    const position = await head(store)

    t.equal(await store.reassert(revocations, { owner: 'a' }), 'asserted')
    t.equal(await store.reassert(revocations, { owner: 'a' }), 'asserted')

    t.strictSame([await store.read(opened.sid), await store.read(stepped.sid)], [null, null])
    t.strictSame(sidsOf(await store.list('corp|alice')), [kept.sid])
    t.strictSame((await entriesAfter(store, position)).map(({ kind }) => kind).sort(), ['jti', 'sid', 'sid'])
    t.match(await tryOpen(store), { outcome: 'logged-out' })
  })
}

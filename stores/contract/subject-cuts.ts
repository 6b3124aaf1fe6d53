import { subjectKeyOf } from '../../lib/revocation/revocation-keys.ts'
import { claims, claimsOf, closing, entriesAfter, head, idleTimeoutMs, keepForMs, minute, open, rotating, session, sidsOf, tokens, windows, type CreateStore } from './fixtures.ts'
import { takeSnapshot } from './snapshot.ts'
import type { Test } from './test.ts'

export async function subjectCuts (t: Test, create: CreateStore): Promise<void> {
  t.test('a cut ends every session of the subject and logs one entry for them all', async t => {
    const { store, second } = await create(t)
    const other = await second()
    const records = [await open(store), await open(store, tokens)]
    const bystander = await open(store, { subject: 'bob' })
    const position = await head(store)

    const cut = await store.revokeSubject('alice', { exceptSid: null, keepForMs })

    t.match(cut, { kind: 'subject', subjectKey: subjectKeyOf('alice'), exceptSid: null, expiresAtMs: store.nowMs() + keepForMs })
    t.ok(cut.belowEpoch > Math.max(...records.map(({ epoch }) => epoch)))
    t.strictSame(await other.list('alice'), [])
    for (const record of records) {
      t.equal(await other.read(record.sid), null)
      t.equal(await other.isGood(claimsOf(record)), false)
      t.equal(await other.isGood(claims({ subject: 'alice', epoch: record.epoch })), false)
    }
    t.strictSame(await entriesAfter(other, position), [cut])
    t.strictSame((await takeSnapshot(other)).revocations, [cut])
    t.strictSame(await other.read(bystander.sid), bystander)
    t.equal(await other.isGood(claimsOf(bystander)), true)
  })

  t.test('nothing that comes after a cut brings a record back', async t => {
    const { store, advance, second } = await create(t)
    const other = await second()
    const record = await open(store)
    const family = await open(store, tokens)
    advance(100)
    await store.revokeSubject('alice', { exceptSid: null, keepForMs })

    await other.touch([{ sid: record.sid, agoMs: 0 }, { sid: family.sid, agoMs: 50 }], { idleTimeoutMs })
    await other.noteReceived(family.sid, 1, windows)

    t.strictSame(await other.rotate(family.sid, 1, rotating), { outcome: 'unknown', record: null, granted: null, counted: null })
    t.equal(await other.renew(record.sid, { secretHash: 'x', acr: 'a', amr: [] }), null)
    t.equal(await other.close(record.sid, closing), null)
    t.equal(await store.read(record.sid), null)
    t.equal(await store.read(family.sid), null)
    t.strictSame(await store.list('alice'), [])
  })

  t.test('the excepted session stays as it is, with its epoch', async t => {
    const { store, second } = await create(t)
    const kept = await open(store)
    const ended = await open(store)

    const cut = await store.revokeSubject('alice', { exceptSid: kept.sid, keepForMs })

    const other = await second()
    t.equal(cut.exceptSid, kept.sid)
    t.ok(cut.belowEpoch > kept.epoch)
    t.strictSame(await other.list('alice'), [kept])
    t.strictSame(await other.read(kept.sid), kept)
    t.equal(await other.isGood(claimsOf(kept)), true)
    t.equal(await other.isGood(claimsOf(ended)), false)
    t.equal(await other.read(ended.sid), null)
  })

  t.test('an excepted session goes on rotating, and can be excepted again', async t => {
    const { store } = await create(t)
    const kept = await open(store, tokens)
    await store.revokeSubject('alice', { exceptSid: kept.sid, keepForMs })

    const { outcome, record } = await store.rotate(kept.sid, 1, rotating)
    const cut = await store.revokeSubject('alice', { exceptSid: kept.sid, keepForMs })

    t.equal(outcome, 'rotated')
    t.equal(cut.exceptSid, kept.sid)
    t.strictSame(await store.read(kept.sid), record)
    t.equal(await store.isGood(claimsOf(kept)), true)
  })

  t.test('a session that was excepted once ends with the next cut', async t => {
    const { store } = await create(t)
    const first = await open(store)
    await store.revokeSubject('alice', { exceptSid: first.sid, keepForMs })
    const later = await open(store)

    await store.revokeSubject('alice', { exceptSid: later.sid, keepForMs })

    t.strictSame(await store.list('alice'), [later])
    t.equal(await store.read(first.sid), null)
    t.equal(await store.isGood(claimsOf(first)), false)
    t.equal(await store.isGood(claimsOf(later)), true)
  })

  t.test('an exception for a session that has ended does not count and revives nobody', async t => {
    const { store, advance } = await create(t)
    const closed = await open(store)
    const cutOff = await open(store)
    const expired = await open(store, { absoluteTimeoutMs: 1000 })
    await store.close(closed.sid, closing)
    await store.revokeSubject('alice', { exceptSid: null, keepForMs })
    advance(1000)

    for (const { sid, epoch } of [closed, cutOff, expired]) {
      const cut = await store.revokeSubject('alice', { exceptSid: sid, keepForMs })
      t.equal(cut.exceptSid, null)
      t.equal(await store.read(sid), null)
      t.equal(await store.isGood(claims({ sid, subject: 'alice', epoch })), false)
    }
    t.strictSame(await store.list('alice'), [])
  })

  t.test('an exception for another subject’s session spares nobody and harms nobody', async t => {
    const { store } = await create(t)
    const own = await open(store)
    const foreign = await open(store, { subject: 'bob' })

    await store.revokeSubject('alice', { exceptSid: foreign.sid, keepForMs })

    t.equal(await store.read(own.sid), null)
    t.strictSame(await store.read(foreign.sid), foreign)
    t.equal(await store.isGood(claimsOf(foreign)), true)
  })

  t.test('sessions that open after a cut are good, and each cut goes higher', async t => {
    const { store } = await create(t)
    const first = await store.revokeSubject('alice', { exceptSid: null, keepForMs })

    const record = await open(store)
    t.ok(record.epoch >= first.belowEpoch)
    t.equal(await store.isGood(claimsOf(record)), true)
    t.strictSame(await store.list('alice'), [record])

    const next = await store.revokeSubject('alice', { exceptSid: null, keepForMs })
    t.ok(next.belowEpoch > record.epoch)
    t.equal(await store.isGood(claimsOf(record)), false)
  })

  t.test('a cut that would end nothing more than the last one is no new one', async t => {
    const { store, advance } = await create(t)
    const kept = await open(store)
    await open(store)
    const cut = await store.revokeSubject('alice', { exceptSid: kept.sid, keepForMs })
    const position = await head(store)

    for (let count = 0; count < 5; count++) t.strictSame(await store.revokeSubject('alice', { exceptSid: kept.sid, keepForMs }), cut)
    t.strictSame(await entriesAfter(store, position), [])

    const all = await store.revokeSubject('alice', { exceptSid: null, keepForMs })
    t.ok(all.belowEpoch > cut.belowEpoch, 'the one that was spared is ended')
    t.equal(await store.isGood(claimsOf(kept)), false)
    const later = await open(store)
    t.strictSame(await store.revokeSubject('alice', { exceptSid: later.sid, keepForMs }), all, 'nobody else has begun since')
    t.equal(await store.isGood(claimsOf(later)), true)
    await open(store)
    t.match(await store.revokeSubject('alice', { exceptSid: later.sid, keepForMs }), { belowEpoch: all.belowEpoch + 1, exceptSid: later.sid })
    advance(10_000)
    t.match(await store.revokeSubject('alice', { exceptSid: later.sid, keepForMs }), { belowEpoch: Math.floor(store.nowMs() / 1000) + 1 }, 'foreign tokens may have been issued since')
  })

  t.test('a cut of a subject, or of everybody, ends what was issued until its second, and nothing after it', async t => {
    const { store, advance } = await create(t)
    const nowSeconds = () => Math.floor(store.nowMs() / 1000)
    const foreign = (subject: string, issuedAt: number) => claims({ issuer: 'i', jti: 'j', subject, epoch: issuedAt })

    for (const cut of [() => store.revokeSubject('idp|bob', { exceptSid: null, keepForMs }), () => store.revokeAll({ keepForMs })]) {
      advance(60_000)
      const issuedAt = nowSeconds()
      t.equal(await store.isGood(foreign('idp|bob', issuedAt)), true)
      const { belowEpoch } = await cut()
      t.ok(belowEpoch > issuedAt && belowEpoch <= nowSeconds() + 1)
      t.equal(await store.isGood(foreign('idp|bob', issuedAt)), false)
      t.equal(await store.isGood(foreign('idp|bob', belowEpoch)), true)
    }
    advance(60_000)
    await store.revokeSubject('idp|bob', { exceptSid: null, keepForMs })
    t.equal(await store.isGood(foreign('idp|eve', nowSeconds())), true)
  })

  t.test('a cut outlives its own entry as long as sessions of the subject do', async t => {
    const { store, advance } = await create(t)
    const cut = await store.revokeSubject('alice', { exceptSid: null, keepForMs: 1000 })
    const record = await open(store)

    advance(1000 + 12 * 60 * minute)
    for (let count = 0; count < 5; count++) await open(store, { subject: `other ${count}` })

    t.ok((await open(store)).epoch >= cut.belowEpoch)
    const next = await store.revokeSubject('alice', { exceptSid: null, keepForMs })
    t.ok(next.belowEpoch > record.epoch)
    t.equal(await store.isGood(claimsOf(record)), false)
  })

  t.test('opens that race with a cut are either ended by it or good after it', async t => {
    const { store, second } = await create(t)
    const other = await second()

    const [cut, ...results] = await Promise.all([
      store.revokeSubject('alice', { exceptSid: null, keepForMs }),
      ...Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? other : store).open(session()))
    ])

    const living = new Set(sidsOf(await store.list('alice')))
    for (const { record } of results) {
      const isAfter = record.epoch >= cut.belowEpoch
      t.equal(living.has(record.sid), isAfter)
      t.equal(await store.read(record.sid) !== null, isAfter)
      t.equal(await store.isGood(claimsOf(record)), isAfter)
    }
  })

  t.test('a session that a cut has ended does not count against the limit', async t => {
    const { store } = await create(t)
    await Promise.all([open(store), open(store)])
    await store.revokeSubject('alice', { exceptSid: null, keepForMs })

    const { closed } = await store.open(session({ maxPerSubject: 2 }))

    t.strictSame(closed, [])
  })
}

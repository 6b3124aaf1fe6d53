import { claims, claimsOf, closing, entriesAfter, head, idleTimeoutMs, keepForMs, open, rotating, session, windows, tokens, type CreateStore } from './fixtures.ts'
import { takeSnapshot } from './snapshot.ts'
import type { Test } from './test.ts'

export async function cutOfEverybody (t: Test, create: CreateStore): Promise<void> {
  t.test('a cut of everybody ends every session for every method', async t => {
    const { store, second } = await create(t)
    const other = await second()
    for (let count = 0; count < 3; count++) await store.revokeSubject('carol', { exceptSid: null, keepForMs })
    const records = [await open(store), await open(store, { subject: 'bob' }), await open(store, { subject: 'carol' })]
    const family = await open(store, { ...tokens, subject: 'dave' })
    const position = await head(store)

    const cut = await store.revokeAll({ keepForMs })

    t.match(cut, { kind: 'all', expiresAtMs: store.nowMs() + keepForMs })
    t.ok(cut.belowEpoch > Math.max(...records.map(({ epoch }) => epoch)))
    t.ok(cut.belowEpoch >= Math.floor(store.nowMs() / 1000))
    for (const record of [...records, family]) {
      t.equal(await other.read(record.sid), null)
      t.strictSame(await other.list(record.subject), [])
      t.equal(await other.isGood(claimsOf(record)), false)
      t.equal(await other.isGood(claims({ subject: record.subject, epoch: record.epoch })), false)
      t.equal(await other.isGood(claims({ sid: record.sid })), false)
      t.equal(await other.renew(record.sid, { secretHash: 'x', acr: 'a', amr: [] }), null)
      await other.touch([{ sid: record.sid, agoMs: 0 }], { idleTimeoutMs })
      await other.noteReceived(record.sid, 1, windows)
    }
    t.strictSame(await other.rotate(family.sid, 1, rotating), { outcome: 'unknown', record: null, granted: null, counted: null })
    t.equal(await other.close(family.sid, closing), null)
    t.match((await entriesAfter(other, position)).findLast(({ kind }) => kind === 'all'), cut)
    t.ok((await takeSnapshot(other)).revocations.some(one => one.kind === 'all' && one.belowEpoch === cut.belowEpoch))
  })

  t.test('sessions that open after a cut of everybody are good, and cuts of subjects go on from there', async t => {
    const { store } = await create(t)
    const cut = await store.revokeAll({ keepForMs })

    const record = await open(store)
    t.ok(record.epoch >= cut.belowEpoch)
    t.equal(await store.isGood(claimsOf(record)), true)
    t.strictSame(await store.list('alice'), [record])

    const subjectCut = await store.revokeSubject('alice', { exceptSid: null, keepForMs })
    t.ok(subjectCut.belowEpoch > record.epoch)
    t.equal(await store.isGood(claimsOf(record)), false)
  })

  t.test('each cut of everybody goes above the one before and above every subject', async t => {
    const { store } = await create(t)
    const first = await store.revokeAll({ keepForMs })
    const subjectCut = await store.revokeSubject('alice', { exceptSid: null, keepForMs })
    const record = await open(store)

    const next = await store.revokeAll({ keepForMs })

    t.ok(next.belowEpoch > first.belowEpoch)
    t.ok(next.belowEpoch > subjectCut.belowEpoch)
    t.equal(await store.read(record.sid), null)
    t.equal(await store.isGood(claims({ epoch: first.belowEpoch })), false)
  })

  t.test('an exception of an earlier cut does not outlive a cut of everybody', async t => {
    const { store } = await create(t)
    const kept = await open(store)
    await store.revokeSubject('alice', { exceptSid: kept.sid, keepForMs })

    await store.revokeAll({ keepForMs })
    const cut = await store.revokeSubject('alice', { exceptSid: kept.sid, keepForMs })

    t.equal(cut.exceptSid, null)
    t.equal(await store.read(kept.sid), null)
    t.equal(await store.isGood(claimsOf(kept)), false)
  })

  t.test('sessions that a cut of everybody has ended do not count against the limit', async t => {
    const { store } = await create(t)
    await Promise.all([open(store), open(store)])
    await store.revokeAll({ keepForMs })

    const { record, closed } = await store.open(session({ maxPerSubject: 2 }))

    t.strictSame(closed, [])
    t.strictSame(await store.list('alice'), [record])
  })
}

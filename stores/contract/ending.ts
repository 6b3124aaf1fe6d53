import { claims, closing, minute, open, revokedSids, rotating, session, unknownSid, type CreateStore } from './fixtures.ts'
import { takeSnapshot } from './snapshot.ts'
import type { Test } from './test.ts'

export async function endingOfOne (t: Test, create: CreateStore): Promise<void> {
  t.test('what was acknowledged is there for others after a store has ended', async t => {
    const { store, second } = await create(t)
    const other = await second()
    const record = await open(store)
    const closed = await open(store)
    await store.close(closed.sid, closing)

    await store.end()

    t.strictSame(await other.read(record.sid), record)
    t.equal(await other.read(closed.sid), null)
    t.strictSame(revokedSids((await takeSnapshot(other)).revocations), [closed.sid])
  })
}

export async function ending (t: Test, create: CreateStore): Promise<void> {
  t.test('an ended store is unavailable, and ending it again is no error', async t => {
    const { store } = await create(t)
    const { position } = await takeSnapshot(store)

    await Promise.all([store.end(), store.end()])
    await store.end()

    const unavailable = { code: 'PTC_ERR_STORE_UNAVAILABLE' }
    await t.rejects(store.open(session()), unavailable)
    await t.rejects(store.read(unknownSid), unavailable)
    await t.rejects(store.close(unknownSid, closing), unavailable)
    await t.rejects(store.rotate(unknownSid, 1, rotating), unavailable)
    await t.rejects(store.replaceData(unknownSid, {}), unavailable)
    await t.rejects(store.isGood(claims()), unavailable)
    await t.rejects(store.pull(position), unavailable)
    await t.rejects(takeSnapshot(store), unavailable)
    await t.rejects(store.putNote('topic', 'name', 'x', minute), unavailable)
    await t.rejects(store.readNotes('topic'), unavailable)
    await t.rejects(store.useOnce('name', minute), unavailable)
    t.type(store.nowMs(), 'number')
  })
}

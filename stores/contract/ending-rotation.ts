import type { Revocation } from '../../lib/revocation/entries.ts'
import { claimsOf, closing, entriesAfter, head, idleTimeoutMs, maxTokenAgeMs, open, rotating, tokens, windows, type CreateStore } from './fixtures.ts'
import { takeSnapshot } from './snapshot.ts'
import type { Test } from './test.ts'

export async function endingRotation (t: Test, create: CreateStore): Promise<void> {
  t.test('a session that was not used for the idle timeout is expired, and stays as it is', async t => {
    const { store, advance } = await create(t)
    const record = await open(store, tokens)
    const position = await head(store)

    advance(idleTimeoutMs)
    t.strictSame(await store.rotate(record.sid, 1, rotating), { outcome: 'expired', record, granted: null, counted: null })

    t.strictSame(await store.read(record.sid), record)
    t.strictSame(await entriesAfter(store, position), [])
  })

  t.test('a session that was used a millisecond more recently than the idle timeout rotates', async t => {
    const { store, advance } = await create(t)
    const record = await open(store, tokens)

    advance(idleTimeoutMs - 1)

    t.equal((await store.rotate(record.sid, 1, rotating)).outcome, 'rotated')
  })

  t.test('idleness goes before reuse, so a late thief of a dead session accuses nobody', async t => {
    const { store, advance } = await create(t)
    const record = await open(store, tokens)

    advance(idleTimeoutMs)

    t.equal((await store.rotate(record.sid, 9, rotating)).outcome, 'expired')
  })

  for (const [presented, generation] of [['consumed', 1], ['never issued', 7]] as const) {
    t.test(`a refresh token that was ${presented} is reused: its record is removed and its sid revoked in the same operation`, async t => {
      const { store, advance, second } = await create(t)
      const other = await second()
      const record = await open(store, tokens)
      await store.rotate(record.sid, 1, rotating)
      await store.rotate(record.sid, 2, rotating)
      advance(windows.overlapMs + 1)
      const before = await store.read(record.sid)
      const position = await head(store)

      t.strictSame(await store.rotate(record.sid, generation, rotating), { outcome: 'reused', record: before, granted: null, counted: null })

      const revocation: Revocation = { kind: 'sid', sid: record.sid, expiresAtMs: store.nowMs() + maxTokenAgeMs }
      t.equal(await other.read(record.sid), null)
      t.strictSame(await other.list('alice'), [])
      t.equal(await other.isGood(claimsOf(record)), false)
      t.strictSame(await entriesAfter(other, position), [revocation])
      t.strictSame((await takeSnapshot(other)).revocations, [revocation])
      t.strictSame(await other.rotate(record.sid, 3, rotating), { outcome: 'unknown', record: null, granted: null, counted: null })
    })
  }

  t.test('a retry that comes too late ends the session and revokes its sid', async t => {
    const { store, advance } = await create(t)
    const record = await open(store, tokens)
    const { record: before } = await store.rotate(record.sid, 1, rotating)
    const position = await head(store)

    advance(windows.retryWindowMs + 1)

    t.strictSame(await store.rotate(record.sid, 1, rotating), { outcome: 'expired', record: before, granted: null, counted: null })
    t.equal(await store.read(record.sid), null)
    t.strictSame(await entriesAfter(store, position), [{ kind: 'sid', sid: record.sid, expiresAtMs: store.nowMs() + maxTokenAgeMs }])
  })

  t.test('closing a session that rotation has ended logs nothing more', async t => {
    const { store } = await create(t)
    const record = await open(store, tokens)
    await store.rotate(record.sid, 7, rotating)
    const position = await head(store)

    t.equal(await store.close(record.sid, closing), null)
    t.strictSame(await entriesAfter(store, position), [])
  })
}

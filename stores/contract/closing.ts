import type { Revocation } from '../../lib/revocation/entries.ts'
import type { SessionRecord } from '../../lib/session/record.ts'
import { claimsOf, closing, entriesAfter, head, idleTimeoutMs, maxTokenAgeMs, open, revokedSids, rotating, session, sidsOf, tokens, unknownSid, windows, type CreateStore } from './fixtures.ts'
import { takeSnapshot } from './snapshot.ts'
import type { Test } from './test.ts'

export async function closingSessions (t: Test, create: CreateStore): Promise<void> {
  t.test('a close removes the record, resolves to it and puts the sid on the log', async t => {
    const { store, second } = await create(t)
    const other = await second()
    const record = await open(store)
    const position = await head(other)

    t.strictSame(await store.close(record.sid, closing), record)

    const revocation: Revocation = { kind: 'sid', sid: record.sid, expiresAtMs: store.nowMs() + maxTokenAgeMs }
    t.equal(await other.read(record.sid), null)
    t.strictSame(await other.list('alice'), [])
    t.equal(await other.isGood(claimsOf(record)), false)
    t.strictSame(await entriesAfter(other, position), [revocation])
    t.strictSame((await takeSnapshot(other)).revocations, [revocation])
  })

  t.test('a second close resolves to null and logs nothing', async t => {
    const { store, second } = await create(t)
    const record = await open(store)
    const position = await head(store)

    await store.close(record.sid, closing)
    t.equal(await store.close(record.sid, closing), null)
    t.equal(await (await second()).close(record.sid, closing), null)

    t.equal((await entriesAfter(store, position)).length, 1)
  })

  t.test('of twenty concurrent closes one gets the record and one entry is logged', async t => {
    const { store, second } = await create(t)
    const other = await second()
    const record = await open(store)
    const position = await head(store)

    const ended = await Promise.all(Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? store : other).close(record.sid, closing)))

    t.strictSame(ended.filter(one => one !== null), [record])
    t.equal((await entriesAfter(store, position)).length, 1)
  })

  t.test('a sid without a record is logged as revoked once while that is in force, and again after', async t => {
    const { store, advance } = await create(t)
    const position = await head(store)

    t.equal(await store.close(unknownSid, closing), null)
    t.equal(await store.close(unknownSid, closing), null)
    t.strictSame(await entriesAfter(store, position), [{ kind: 'sid', sid: unknownSid, expiresAtMs: store.nowMs() + maxTokenAgeMs }])

    advance(maxTokenAgeMs)
    t.equal(await store.close(unknownSid, closing), null)
    t.strictSame((await takeSnapshot(store)).revocations, [{ kind: 'sid', sid: unknownSid, expiresAtMs: store.nowMs() + maxTokenAgeMs }])
  })

  t.test('nothing that comes after a close brings the record back', async t => {
    const { store, advance, second } = await create(t)
    const other = await second()
    const record = await open(store)
    const family = await open(store, tokens)
    advance(100)
    await store.close(record.sid, closing)
    await store.close(family.sid, closing)
    const position = await head(store)

    for (const late of [store, other]) {
      await late.touch([{ sid: record.sid, agoMs: 0 }, { sid: family.sid, agoMs: 50 }], { idleTimeoutMs })
      await late.noteReceived(family.sid, 1, windows)
      t.strictSame(await late.rotate(family.sid, 1, rotating), { outcome: 'unknown', record: null, granted: null, counted: null })
      t.equal(await late.renew(record.sid, { secretHash: 'x', acr: 'a', amr: [] }), null)
      t.equal(await late.read(record.sid), null)
      t.equal(await late.read(family.sid), null)
      t.strictSame(await late.list('alice'), [])
    }
    t.strictSame(await entriesAfter(store, position), [])
  })

  t.test('writes in flight beside a close bring nothing back, whoever is first', async t => {
    const { store, second } = await create(t)
    const other = await second()

    for (let round = 0; round < 5; round++) {
      const record = await open(store)
      const family = await open(store, tokens)
      await Promise.all([
        other.touch([{ sid: record.sid, agoMs: 0 }, { sid: family.sid, agoMs: 0 }], { idleTimeoutMs }),
        other.rotate(family.sid, 1, rotating),
        store.rotate(family.sid, 1, rotating),
        store.close(record.sid, closing),
        store.close(family.sid, closing),
        other.renew(record.sid, { secretHash: 'x', acr: 'a', amr: [] }),
        other.noteReceived(family.sid, 2, windows),
        store.rotate(family.sid, 2, rotating)
      ])
      t.equal(await store.read(record.sid), null)
      t.equal(await other.read(family.sid), null)
    }
    t.strictSame(await store.list('alice'), [])
  })
}

export async function limit (t: Test, create: CreateStore): Promise<void> {
  t.test('at the limit the oldest sessions are closed and their sids revoked in the same operation', async t => {
    const { store, advance, second } = await create(t)
    const opened: SessionRecord[] = []
    for (let count = 0; count < 4; count++) {
      opened.push(await open(store))
      advance(1)
    }
    const bystander = await open(store, { subject: 'bob' })
    const position = await head(store)

    const { record, closed } = await store.open(session({ maxPerSubject: 3 }))

    const other = await second()
    t.strictSame(closed.sort(), sidsOf(opened.slice(0, 2)).sort())
    t.strictSame(sidsOf(await other.list('alice')), [record.sid, ...sidsOf(opened.slice(2)).reverse()])
    t.strictSame(revokedSids(await entriesAfter(other, position)).sort(), [...closed].sort())
    for (const sid of closed) t.equal(await other.read(sid), null)
    t.strictSame(await other.read(bystander.sid), bystander)
  })

  t.test('sessions of the same instant are closed by sid, never the new one', async t => {
    const { store } = await create(t)
    const sids = sidsOf([await open(store), await open(store), await open(store)]).sort()

    const { record, closed } = await store.open(session({ maxPerSubject: 3 }))

    t.strictSame(closed, sids.slice(0, 1))
    t.ok(await store.read(record.sid))
  })

  t.test('a limit of one leaves the newest session alone', async t => {
    const { store } = await create(t)
    const first = await open(store, { maxPerSubject: 1 })

    const { record, closed } = await store.open(session({ maxPerSubject: 1 }))

    t.strictSame(closed, [first.sid])
    t.strictSame(await store.list('alice'), [record])
  })

  t.test('thirty parallel opens over two store objects keep the limit, and each that ended is named once', async t => {
    const { store, second } = await create(t)
    const other = await second()
    const position = await head(store)

    const results = await Promise.all(Array.from({ length: 30 }, (_, index) => (index % 2 === 0 ? store : other).open(session({ maxPerSubject: 5 }))))

    const living = sidsOf(await store.list('alice'))
    const closed = results.flatMap(result => result.closed)
    t.equal(living.length, 5)
    t.equal(closed.length, 25)
    t.strictSame([...living, ...closed].sort(), results.map(({ record }) => record.sid).sort())
    t.strictSame(revokedSids(await entriesAfter(store, position)).sort(), [...closed].sort())
  })
}

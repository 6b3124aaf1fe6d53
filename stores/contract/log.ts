import type { SessionRecord } from '../../lib/session/record.ts'
import { closing, entriesAfter, head, keepForMs, open, revokedSids, sidsOf, unknownSid, until, type CreateStore } from './fixtures.ts'
import { takeSnapshot } from './snapshot.ts'
import type { Test } from './test.ts'

export async function log (t: Test, create: CreateStore): Promise<void> {
  t.test('a snapshot and the pulls after it tell everything once', async t => {
    const { store, second } = await create(t)
    const before = await open(store)
    const after = await open(store)
    await store.close(before.sid, closing)

    const snapshot = await takeSnapshot(store)
    t.strictSame(revokedSids(snapshot.revocations), [before.sid])
    t.strictSame(await store.pull(snapshot.position), { position: snapshot.position, entries: [], gap: false })

    await (await second()).close(after.sid, closing)
    const pull = await store.pull(snapshot.position)
    t.strictSame(revokedSids(pull.entries), [after.sid])
    t.strictSame(await store.pull(pull.position), { position: pull.position, entries: [], gap: false })
  })

  t.test('both store objects pull the same entries in the order they were written', async t => {
    const { store, second } = await create(t)
    const other = await second()
    const records: SessionRecord[] = []
    for (let count = 0; count < 6; count++) records.push(await open(store))
    const position = await head(store)

    for (const [index, { sid }] of records.entries()) {
      const writer = index % 2 === 0 ? store : other
      await (index < 3 ? writer.close(sid, closing) : writer.renew(sid, { secretHash: 'x', acr: 'a', amr: [] }))
    }

    const entries = await entriesAfter(store, position)
    t.strictSame(entries.map(entry => entry.kind), ['sid', 'sid', 'sid', 'changed', 'changed', 'changed'])
    t.strictSame(entries.map(entry => 'sid' in entry ? entry.sid : null), sidsOf(records))
    t.strictSame(await other.pull(position), await store.pull(position))
  })

  t.test('a position that was pulled to connects each time, also in the other store object', async t => {
    const { store, second } = await create(t)
    const other = await second()
    let position = await head(other)
    const seen: string[] = []
    const closed: string[] = []

    for (let count = 0; count < 5; count++) {
      const { sid } = await open(store)
      await store.close(sid, closing)
      closed.push(sid)
      const pull = await (count % 2 === 0 ? other : store).pull(position)
      t.equal(pull.gap, false)
      seen.push(...revokedSids(pull.entries))
      position = pull.position
    }

    t.strictSame(seen, closed)
  })

  t.test('a revocation leaves the snapshot at the instant it is over', async t => {
    const { store, advance } = await create(t)
    const record = await open(store)
    await store.close(record.sid, { maxTokenAgeMs: 1000 })
    await store.revokeToken({ issuer: 'i', jti: 'j', expiresAtMs: store.nowMs() + 2000 })
    await store.revokeSubject('alice', { exceptSid: null, keepForMs: 3000 })

    const kindsInForce: string[][] = []
    for (const step of [999, 1, 999, 1, 999, 1]) {
      advance(step)
      kindsInForce.push((await takeSnapshot(store)).revocations.map(({ kind }) => kind).sort())
    }

    t.strictSame(kindsInForce, [['jti', 'sid', 'subject'], ['jti', 'subject'], ['jti', 'subject'], ['subject'], ['subject'], []])
  })

  t.test('what every revocation says comes back from the snapshot as it was resolved', async t => {
    const { store, second } = await create(t)
    const kept = await open(store)
    const cut = await store.revokeSubject('alice', { exceptSid: kept.sid, keepForMs })
    const unicode = await store.revokeSubject('Zoë "🦊"', { exceptSid: null, keepForMs })

    const { revocations } = await takeSnapshot(await second())

    t.strictSame(new Set(revocations.map(one => JSON.stringify(one))), new Set([cut, unicode].map(one => JSON.stringify(one))))
  })

  t.test('a position that the store does not know is a gap, from which a snapshot leads on', async t => {
    const { store } = await create(t)
    const newer = await create(t)
    await store.close((await open(store)).sid, closing)
    for (let count = 0; count < 3; count++) {
      newer.advance(1000)
      await newer.store.close((await open(newer.store)).sid, closing)
    }

    const pull = await store.pull(await head(newer.store))

    t.equal(pull.gap, true)
    t.strictSame(pull.entries, [])
    const { position } = await takeSnapshot(store)
    t.equal((await store.pull(position)).gap, false)
  })

  t.test('a store that was just made has a position to go on from', async t => {
    const { store, second } = await create(t)

    const { position, revocations } = await takeSnapshot(store)
    t.strictSame(revocations, [])
    t.strictSame(await store.pull(position), { position, entries: [], gap: false })

    await (await second()).close(unknownSid, closing)
    t.strictSame(revokedSids(await entriesAfter(store, position)), [unknownSid])
  })
}

export async function growth (t: Test, create: CreateStore): Promise<void> {
  t.test('a listener hears of what the other store object wrote', async t => {
    const { store, second } = await create(t)
    const other = await second()
    const record = await open(store)
    const position = await head(store)
    let calls = 0
    t.teardown(store.onGrowth(() => { calls++ }))

    await other.close(record.sid, closing)
    await until(() => calls > 0)

    t.strictSame(revokedSids(await entriesAfter(store, position)), [record.sid])
  })

  t.test('a listener hears of what its own store object wrote', async t => {
    const { store } = await create(t)
    const record = await open(store)
    let calls = 0
    t.teardown(store.onGrowth(() => { calls++ }))

    await store.close(record.sid, closing)
    await until(() => calls > 0)

    t.ok(calls > 0)
  })

  t.test('a listener that has unsubscribed is not called, the others are', async t => {
    const { store, second } = await create(t)
    const other = await second()
    let calls = 0
    let callsOfGone = 0
    const unsubscribe = store.onGrowth(() => { callsOfGone++ })
    t.teardown(store.onGrowth(() => { calls++ }))

    unsubscribe()
    unsubscribe()
    await other.close(unknownSid, closing)
    await until(() => calls > 0)

    t.equal(callsOfGone, 0)
  })
}

import type { Revocation } from '../../lib/revocation/entries.ts'
import { subjectKeyOf, tokenKeyOf } from '../../lib/revocation/revocation-keys.ts'
import { claims, claimsOf, closing, entriesAfter, head, keepForMs, open, sidsOf, type CreateStore } from './fixtures.ts'
import { takeSnapshot } from './snapshot.ts'
import type { Test } from './test.ts'

export async function reassertion (t: Test, create: CreateStore): Promise<void> {
  const owner = 'gateway-1'

  t.test('a session whose end was lost ends again, and the log says so', async t => {
    const { store } = await create(t)
    const record = await open(store)
    const other = await open(store)
    const position = await head(store)
    const lost: Revocation = { kind: 'sid', sid: record.sid, expiresAtMs: store.nowMs() + 60_000 }

    t.equal(await store.reassert([lost], { owner }), 'asserted')

    t.equal(await store.read(record.sid), null)
    t.strictSame(sidsOf(await store.list('alice')), [other.sid])
    t.strictSame(await entriesAfter(store, position), [lost])
  })

  t.test('a cut that was lost ends what it had ended, spares what it had spared, and raises the epoch', async t => {
    const { store } = await create(t)
    const [ended, spared] = [await open(store), await open(store)]
    const position = await head(store)
    const lost: Revocation = { kind: 'subject', subjectKey: subjectKeyOf('alice'), belowEpoch: ended.epoch + 3, exceptSid: spared.sid, expiresAtMs: store.nowMs() + 60_000 }

    await store.reassert([lost], { owner })

    t.strictSame(sidsOf(await store.list('alice')), [spared.sid])
    t.equal(await store.isGood(claimsOf(spared)), true)
    t.equal(await store.isGood(claims({ subject: 'alice', epoch: ended.epoch })), false)
    t.strictSame(await entriesAfter(store, position), [lost])
    const next = await open(store)
    t.equal(next.epoch, ended.epoch + 3)
    t.equal(await store.isGood(claimsOf(next)), true)
  })

  t.test('a cut that is older than what the store knows changes nothing', async t => {
    const { store } = await create(t)
    const { belowEpoch } = await store.revokeSubject('alice', { exceptSid: null, keepForMs })
    const record = await open(store)
    const position = await head(store)

    for (const older of [belowEpoch, belowEpoch - 1]) await store.reassert([{ kind: 'subject', subjectKey: subjectKeyOf('alice'), belowEpoch: older, exceptSid: null, expiresAtMs: store.nowMs() + 60_000 }], { owner })

    t.strictSame(await store.read(record.sid), record)
    t.strictSame(await entriesAfter(store, position), [])
  })

  t.test('a token’s revocation and the cut of everybody are in force again', async t => {
    const { store } = await create(t)
    const record = await open(store)
    const expiresAtMs = store.nowMs() + 60_000
    const position = await head(store)
    const lost: Revocation[] = [{ kind: 'jti', tokenKey: tokenKeyOf('i', 'j'), expiresAtMs }, { kind: 'all', belowEpoch: record.epoch + 1, expiresAtMs }]

    await store.reassert(lost, { owner })

    t.equal(await store.isGood(claims({ issuer: 'i', jti: 'j' })), false)
    t.equal(await store.read(record.sid), null)
    t.equal((await open(store)).epoch, record.epoch + 1)
    t.strictSame(new Set((await entriesAfter(store, position)).map(entry => entry.kind)), new Set(['jti', 'all']))
  })

  t.test('what is in force is said again without a trace', async t => {
    const { store, second } = await create(t)
    const [closed, cut] = [await open(store), await open(store, { subject: 'bob' })]
    await store.close(closed.sid, closing)
    await store.revokeToken({ issuer: 'i', jti: 'j', expiresAtMs: store.nowMs() + 60_000 })
    await store.revokeSubject('bob', { exceptSid: cut.sid, keepForMs })
    await store.revokeAll({ keepForMs })
    const other = await second()
    const { position, revocations } = await takeSnapshot(other)

    for (let time = 0; time < 2; time++) t.equal(await other.reassert(revocations, { owner }), 'asserted')

    t.strictSame(await entriesAfter(store, position), [])
    t.strictSame(new Set((await takeSnapshot(store)).revocations.map(one => JSON.stringify(one))), new Set(revocations.map(one => JSON.stringify(one))))
  })

  t.test('what is over by now is not said again', async t => {
    const { store } = await create(t)
    const record = await open(store)
    const position = await head(store)
    const expiresAtMs = store.nowMs()

    await store.reassert([{ kind: 'sid', sid: record.sid, expiresAtMs }, { kind: 'all', belowEpoch: record.epoch + 1, expiresAtMs }], { owner })

    t.strictSame(await store.read(record.sid), record)
    t.strictSame(await entriesAfter(store, position), [])
  })

  t.test('a thousand revocations of many subjects are in force again in one call', async t => {
    const { store } = await create(t)
    const expiresAtMs = store.nowMs() + 60_000
    const lost: Revocation[] = Array.from({ length: 1000 }, (_, number) => ({ kind: 'jti', tokenKey: tokenKeyOf('i', `j${number}`), expiresAtMs }))

    await store.reassert(lost, { owner })

    t.equal((await takeSnapshot(store)).revocations.length, 1000)
  })
}

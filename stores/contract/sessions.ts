import type { SessionRecord } from '../../lib/session/record.ts'
import { openFamily } from '../../lib/session/rotation.ts'
import { isSid } from '../../lib/session/sid.ts'
import { absoluteTimeoutMs, claimsOf, closing, entriesAfter, head, idleTimeoutMs, open, rotating, session, sidsOf, tokens, unknownSid, windows, type CreateStore } from './fixtures.ts'
import { takeSnapshot } from './snapshot.ts'
import type { Test } from './test.ts'

export async function sessions (t: Test, create: CreateStore): Promise<void> {
  t.test('what is absent is null or empty for every method, and nothing is made by asking', async t => {
    const { store } = await create(t)

    t.equal(await store.read(unknownSid), null)
    t.equal(await store.renew(unknownSid, { secretHash: 'x', acr: 'a', amr: [] }), null)
    t.strictSame(await store.rotate(unknownSid, 1, rotating), { outcome: 'unknown', record: null, granted: null, counted: null })
    t.equal(await store.touch([{ sid: unknownSid, agoMs: 0 }], { idleTimeoutMs }), undefined)
    t.equal(await store.noteReceived(unknownSid, 1, windows), undefined)
    t.strictSame(await store.list('alice'), [])
    t.equal(await store.readKeys(), null)
    t.strictSame(await store.readNotes('topic'), [])
    t.strictSame((await takeSnapshot(store)).revocations, [])
    t.equal(await store.read(unknownSid), null)
  })

  t.test('a session cookie’s session opens with a new sid, the store’s clock and no family', async t => {
    const { store } = await create(t)

    const { record, closed } = await store.open(session())

    t.ok(isSid(record.sid))
    t.strictSame(closed, [])
    t.equal(record.createdAtMs, store.nowMs())
    t.strictSame(record, {
      sid: record.sid,
      subject: 'alice',
      username: 'al ice',
      mode: 'session',
      epoch: record.epoch,
      secretHash: 'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg',
      createdAtMs: record.createdAtMs,
      authTimeMs: record.createdAtMs,
      lastUsedAtMs: record.createdAtMs,
      expiresAtMs: record.createdAtMs + absoluteTimeoutMs,
      acr: 'urn:acr:password',
      amr: ['pwd'],
      scopes: ['orders:read'],
      audiences: ['orders'],
      client: { userAgent: 'Mozilla/5.0', ip: '192.0.2.1' },
      origin: null,
      family: null,
      device: null,
      data: {},
      provider: null
    })
  })

  t.test('a session in tokens mode opens with a family of generation 1 and no secret', async t => {
    const { store } = await create(t)

    const record = await open(store, tokens)

    t.equal(record.mode, 'tokens')
    t.equal(record.secretHash, null)
    t.strictSame(record.family, openFamily(record.createdAtMs))
  })

  t.test('two store objects read the record that one of them opened', async t => {
    const { store, second } = await create(t)
    const other = await second()

    const record = await open(store, tokens)

    t.strictSame(await store.read(record.sid), record)
    t.strictSame(await other.read(record.sid), record)
    t.strictSame(await other.list('alice'), [record])
  })

  t.test('two sessions of one subject have different sids and the same epoch', async t => {
    const { store } = await create(t)

    const [first, other] = await Promise.all([open(store), open(store)])

    t.not(first.sid, other.sid)
    t.equal(first.epoch, other.epoch)
  })

  for (const subject of ['', 'Zoë 🦊 李', 'https://idp.example|"quoted" \'single\' `tick`', 'a:b{c}d*e?f[g]\\h%', 'line\nbreak\ttab', 'ends with zero\0']) {
    t.test(`every value of a session of ${JSON.stringify(subject)} comes back as it was given`, async t => {
      const { store, second } = await create(t)
      const given = {
        subject,
        secretHash: '',
        acr: '',
        amr: ['pwd', '', 'ünï "x"'],
        scopes: [],
        audiences: ['a', 'b c', '{"json":true}'],
        client: { userAgent: `"; DROP TABLE sessions; -- ${'é'.repeat(4000)}`, ip: '' }
      }

      const record = await open(store, given)

      const read = await (await second()).read(record.sid)
      t.match(record, given)
      t.strictSame(read, record)
      t.strictSame(await store.list(subject), [record])
    })
  }

  t.test('a session without a client’s words and with empty lists comes back so', async t => {
    const { store } = await create(t)

    const record = await open(store, { client: { userAgent: '', ip: '' }, amr: [], scopes: [], audiences: [] })

    t.strictSame(await store.read(record.sid), record)
    t.match(record, { client: { userAgent: '', ip: '' }, amr: [], scopes: [], audiences: [] })
  })

  t.test('a list is the subject’s alone, newest first', async t => {
    const { store, advance } = await create(t)
    const opened: SessionRecord[] = []
    for (let count = 0; count < 3; count++) {
      opened.unshift(await open(store))
      advance(1)
    }
    await open(store, { subject: 'alice2' })
    await open(store, { subject: 'ALICE' })

    t.strictSame(await store.list('alice'), opened)
    t.strictSame(await store.list('nobody'), [])
  })

  t.test('reading and listing do not judge idleness', async t => {
    const { store, advance } = await create(t)
    const record = await open(store, tokens)

    advance(idleTimeoutMs * 2)

    t.strictSame(await store.read(record.sid), record)
    t.strictSame(await store.list('alice'), [record])
    t.equal(await store.isGood(claimsOf(record)), true)
  })
}

export async function expiry (t: Test, create: CreateStore): Promise<void> {
  t.test('a record is there until the very instant it expires, and absent for every method from then on', async t => {
    const { store, advance } = await create(t)
    const record = await open(store, { absoluteTimeoutMs: 1000 })
    const family = await open(store, { ...tokens, absoluteTimeoutMs: 1000 })

    advance(999)
    t.strictSame(await store.read(record.sid), record)
    t.equal((await store.list('alice')).length, 2)
    t.equal(await store.isGood(claimsOf(record)), true)

    advance(1)
    t.equal(await store.read(record.sid), null)
    t.strictSame(await store.list('alice'), [])
    t.equal(await store.isGood(claimsOf(record)), false)
    t.equal(await store.renew(record.sid, { secretHash: 'x', acr: 'a', amr: [] }), null)
    t.strictSame(await store.rotate(family.sid, 1, rotating), { outcome: 'unknown', record: null, granted: null, counted: null })
    await store.touch([{ sid: record.sid, agoMs: 0 }, { sid: record.sid, agoMs: 500 }], { idleTimeoutMs })
    await store.noteReceived(family.sid, 1, windows)
    t.equal(await store.read(record.sid), null)
    t.equal(await store.read(family.sid), null)
    t.equal(await store.close(record.sid, closing), null)
  })

  t.test('nothing moves the absolute end of a session', async t => {
    const { store, advance } = await create(t)
    const record = await open(store, { ...tokens, absoluteTimeoutMs: 10_000 })

    advance(9000)
    const { record: rotated } = await store.rotate(record.sid, 1, rotating)
    await store.touch([{ sid: record.sid, agoMs: 0 }], { idleTimeoutMs })

    t.equal(rotated?.expiresAtMs, record.expiresAtMs)
    t.equal(rotated?.authTimeMs, record.authTimeMs)
    advance(1000)
    t.equal(await store.read(record.sid), null)
  })

  t.test('an expired session does not count against the limit and is not reported as closed', async t => {
    const { store, advance } = await create(t)
    await open(store, { absoluteTimeoutMs: 1000 })
    const living = await open(store)
    advance(1000)
    const position = await head(store)

    const { record, closed } = await store.open(session({ maxPerSubject: 2 }))

    t.strictSame(closed, [])
    t.strictSame(sidsOf(await store.list('alice')).sort(), [living.sid, record.sid].sort())
    t.strictSame(await entriesAfter(store, position), [])
  })
}

export async function use (t: Test, create: CreateStore): Promise<void> {
  t.test('a touch moves the last use to when it happened', async t => {
    const { store, advance, second } = await create(t)
    const record = await open(store)

    advance(5000)
    await store.touch([{ sid: record.sid, agoMs: 2000 }], { idleTimeoutMs })

    t.strictSame(await (await second()).read(record.sid), { ...record, lastUsedAtMs: record.createdAtMs + 3000 })
  })

  t.test('touches in any order leave the latest use', async t => {
    const { store, advance } = await create(t)
    const record = await open(store)

    advance(5000)
    await store.touch([{ sid: record.sid, agoMs: 3000 }, { sid: record.sid, agoMs: 1000 }, { sid: record.sid, agoMs: 2000 }], { idleTimeoutMs })
    await store.touch([{ sid: record.sid, agoMs: 4500 }], { idleTimeoutMs })

    t.equal((await store.read(record.sid))?.lastUsedAtMs, record.createdAtMs + 4000)
  })

  t.test('one touch serves many sessions and passes over those that are not there', async t => {
    const { store, advance } = await create(t)
    const records = await Promise.all(['a', 'b', 'c'].map(subject => open(store, { subject })))
    advance(1000)

    await store.touch([{ sid: unknownSid, agoMs: 0 }, ...records.map(({ sid }) => ({ sid, agoMs: 0 }))], { idleTimeoutMs })

    for (const { sid, createdAtMs } of records) t.equal((await store.read(sid))?.lastUsedAtMs, createdAtMs + 1000)
    t.equal(await store.read(unknownSid), null)
    t.equal(await store.touch([], { idleTimeoutMs }), undefined)
  })

  t.test('a session that was idle at the time of use stays idle', async t => {
    const { store, advance } = await create(t)
    const record = await open(store)

    advance(idleTimeoutMs)
    await store.touch([{ sid: record.sid, agoMs: 0 }], { idleTimeoutMs })
    t.equal((await store.read(record.sid))?.lastUsedAtMs, record.lastUsedAtMs)

    await store.touch([{ sid: record.sid, agoMs: 1 }], { idleTimeoutMs })
    t.equal((await store.read(record.sid))?.lastUsedAtMs, record.lastUsedAtMs + idleTimeoutMs - 1)
  })

  t.test('a use that is told late counts when it happened in time', async t => {
    const { store, advance } = await create(t)
    const record = await open(store)

    advance(idleTimeoutMs * 3)
    await store.touch([{ sid: record.sid, agoMs: idleTimeoutMs * 2 + 1 }], { idleTimeoutMs })

    t.equal((await store.read(record.sid))?.lastUsedAtMs, record.lastUsedAtMs + idleTimeoutMs - 1)
  })

  t.test('touches are not logged', async t => {
    const { store, advance } = await create(t)
    const record = await open(store)
    const position = await head(store)
    advance(1000)

    await store.touch([{ sid: record.sid, agoMs: 0 }], { idleTimeoutMs })

    t.strictSame(await entriesAfter(store, position), [])
  })
}

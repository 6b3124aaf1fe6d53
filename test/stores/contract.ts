import type { Test } from 'tap'
import { maxClosed, openFamily, receive, rotate, type TokenFamily } from '../../lib/session/rotation.ts'
import { subjectKeyOf, tokenKeyOf } from '../../lib/revocation/revocation-id.ts'
import { isSid } from '../../lib/session/sid.ts'
import { absoluteTimeoutMs, closing, idleTimeoutMs, maxTokenAgeMs, minute, open, rotating, session, tokens, unknownSid, windows, type CreateStore } from './contract-fixtures.ts'
import { countedRefreshes } from './counted-refreshes.ts'
import { deviceBindings } from './device-bindings.ts'
import { notes } from './notes.ts'
import { sessionOrigins } from './session-origins.ts'
import type { CredentialClaims, LogEntry, Revocation } from '../../lib/revocation/entries.ts'
import type { SessionRecord } from '../../lib/session/record.ts'
import type { Store } from '../../stores/store.ts'
import { patienceMs } from '../helpers/patience.ts'
import { takeSnapshot } from '../helpers/snapshot.ts'

/*
 * What every implementation of stores/store.ts must do, sentence by sentence.
 * The clock of a fixture stands still except for `advance`; `second()` is another Store object on the same data and clock,
 * as another process would have. Whoever creates a store ends it in the test's teardown.
 */

const keepForMs = absoluteTimeoutMs

function claims (overrides: Partial<CredentialClaims> = {}): CredentialClaims {
  return { issuer: null, jti: null, sid: null, subject: null, epoch: null, ...overrides }
}

function claimsOf (record: SessionRecord): CredentialClaims {
  return claims({ sid: record.sid, subject: record.subject, epoch: record.epoch })
}

async function head (store: Store): Promise<string> {
  const { position } = await takeSnapshot(store)
  return position
}

async function entriesAfter (store: Store, position: string): Promise<LogEntry[]> {
  const pull = await store.pull(position)
  if (pull.gap) throw new Error('the log does not connect')
  return pull.entries
}

function revokedSids (entries: ReadonlyArray<LogEntry>): string[] {
  return entries.flatMap(entry => entry.kind === 'sid' ? [entry.sid] : [])
}

function sidsOf (records: ReadonlyArray<SessionRecord>): string[] {
  return records.map(record => record.sid)
}

async function until (isDone: () => boolean): Promise<void> {
  const deadline = Date.now() + patienceMs
  while (!isDone()) {
    if (Date.now() > deadline) throw new Error(`it did not happen within ${patienceMs} ms`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** Small and seeded, so that a trace that fails can be run again. */
function randomNumbers (seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor(state / 2 ** 32 * below)
  }
}

/** `sharesData: false` is for a store that lives in one Store object alone, whose `second()` is the same object. */
export function storeContract (t: Test, name: string, create: CreateStore, { sharesData = true }: { sharesData?: boolean } = {}): void {
  t.test(`${name}: sessions`, t => sessions(t, create))
  t.test(`${name}: the end of a record's life`, t => expiry(t, create))
  t.test(`${name}: use`, t => use(t, create))
  t.test(`${name}: rotation`, t => rotation(t, create))
  t.test(`${name}: refreshes that are counted`, t => countedRefreshes(t, create))
  t.test(`${name}: rotation that ends a session`, t => endingRotation(t, create))
  t.test(`${name}: receipt`, t => receipt(t, create))
  t.test(`${name}: renewal`, t => renewal(t, create))
  t.test(`${name}: bindings to devices`, t => deviceBindings(t, create))
  t.test(`${name}: origins`, t => sessionOrigins(t, create))
  t.test(`${name}: closing`, t => closingSessions(t, create))
  t.test(`${name}: the limit of sessions a subject`, t => limit(t, create))
  t.test(`${name}: cuts of a subject`, t => subjectCuts(t, create))
  t.test(`${name}: revocations that are said again`, t => reassertion(t, create))
  t.test(`${name}: the cut of everybody`, t => cutOfEverybody(t, create))
  t.test(`${name}: token revocation`, t => tokenRevocation(t, create))
  t.test(`${name}: the log`, t => log(t, create))
  t.test(`${name}: growth of the log`, t => growth(t, create))
  t.test(`${name}: keys`, t => keys(t, create))
  t.test(`${name}: notes`, t => notes(t, create))
  t.test(`${name}: the end of a store`, t => ending(t, create))
  if (sharesData) t.test(`${name}: the end of one store of two`, t => endingOfOne(t, create))
}

async function sessions (t: Test, create: CreateStore): Promise<void> {
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
      device: null
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

async function expiry (t: Test, create: CreateStore): Promise<void> {
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

async function use (t: Test, create: CreateStore): Promise<void> {
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

async function rotation (t: Test, create: CreateStore): Promise<void> {
  t.test('a step-up counts for the generation that it issues, and for no other one', async t => {
    const { store, advance } = await create(t)
    const record = await open(store, { ...tokens, acr: '1' })
    const fresh = { acr: '2', amr: ['otp'] }
    const signedIn = { authTimeMs: record.createdAtMs, acr: '1', amr: ['pwd'] }
    advance(1000)

    const rotated = await store.rotate(record.sid, 1, { ...rotating, fresh })
    const steppedUp = { authTimeMs: record.createdAtMs + 1000, acr: '2', amr: ['pwd', 'otp'] }
    t.match(rotated, { outcome: 'rotated', record: { ...steppedUp, family: { stepUp: { generation: 2, prior: signedIn } } }, granted: steppedUp })
    await store.noteReceived(record.sid, 2, windows)
    advance(1000)
    const older = await store.rotate(record.sid, 1, rotating)
    t.match(older, { outcome: 'held', record: { ...steppedUp, family: { generation: 2 } }, granted: signedIn })
    const olderWithPassword = await store.rotate(record.sid, 1, { ...rotating, fresh: { acr: '1', amr: ['pwd'] } })
    t.match(olderWithPassword, { outcome: 'held', record: steppedUp, granted: { authTimeMs: record.createdAtMs + 2000, acr: '1', amr: ['pwd'] } }, 'a password does not prove the second factor')
    const again = await store.rotate(record.sid, 1, { ...rotating, fresh })
    t.match(again, { outcome: 'repeated', record: steppedUp, granted: { ...steppedUp, authTimeMs: record.createdAtMs + 2000 } })
    const held = await store.rotate(record.sid, 2, { ...rotating, fresh: { acr: '3', amr: ['hwk'] } })
    t.match(held, { outcome: 'held', record: steppedUp, granted: { authTimeMs: record.createdAtMs + 2000, acr: '3', amr: ['pwd', 'otp', 'hwk'] } })
    t.strictSame(await store.read(record.sid), held.record)
    advance(windows.overlapMs + 1)
    t.match(await store.rotate(record.sid, 2, rotating), { outcome: 'rotated', record: steppedUp, granted: steppedUp })
    t.match(await store.rotate(record.sid, 1, rotating), { outcome: 'reused' })
  })

  t.test('a refresh after a step-up whose answer was lost goes on, with the authentication from before it', async t => {
    const { store, advance } = await create(t)
    const record = await open(store, { ...tokens, acr: '1' })
    const signedIn = { authTimeMs: record.createdAtMs, acr: '1', amr: ['pwd'] }
    advance(1000)
    await store.rotate(record.sid, 1, { ...rotating, fresh: { acr: '2', amr: ['otp'] } })
    advance(windows.retryWindowMs)

    const repeated = await store.rotate(record.sid, 1, rotating)

    t.match(repeated, { outcome: 'repeated', record: { ...signedIn, family: { generation: 2, stepUp: null } }, granted: signedIn })
    t.strictSame(await store.read(record.sid), repeated.record)
    advance(windows.retryWindowMs + 1)
    t.match(await store.rotate(record.sid, 2, rotating), { outcome: 'rotated', granted: signedIn })
    const fresh = await store.rotate(record.sid, 3, { ...rotating, fresh: { acr: '1', amr: ['pwd'] } })
    t.match(fresh, { outcome: 'rotated', record: { ...signedIn, authTimeMs: store.nowMs() } })
  })

  t.test('step-ups in the same moment never lower each other', async t => {
    const { store, second } = await create(t)
    const other = await second()
    const record = await open(store, { ...tokens, acr: '1' })
    const fresh = [{ acr: '2', amr: ['otp'] }, { acr: '1', amr: ['pwd'] }, { acr: '3', amr: ['hwk'] }, { acr: '1', amr: ['sms'] }]
    const opened = await open(store, { acr: '1' })

    await Promise.all(fresh.map((strength, index) => (index % 2 === 0 ? store : other).renew(opened.sid, { secretHash: `${index}`, ...strength })))
    const rotations = await Promise.all(fresh.map((_, index) => (index % 2 === 0 ? store : other).rotate(record.sid, 1, { ...rotating, fresh: fresh[0]! })))

    const renewed = await store.read(opened.sid)
    t.equal(renewed?.acr, '3')
    t.strictSame(new Set(renewed?.amr), new Set(['pwd', 'otp', 'hwk', 'sms']))
    t.strictSame(rotations.map(({ outcome }) => outcome).sort(), ['repeated', 'repeated', 'repeated', 'rotated'])
    for (const { granted } of rotations) t.match(granted, { acr: '2', amr: ['pwd', 'otp'] })
    t.match(await store.read(record.sid), { acr: '2', amr: ['pwd', 'otp'], family: { generation: 2 } })
  })

  t.test('the newest generation rotates, counts as use and is not logged', async t => {
    const { store, advance, second } = await create(t)
    const record = await open(store, tokens)
    const position = await head(store)
    advance(5000)

    const rotated = await store.rotate(record.sid, 1, rotating)

    const nowMs = record.createdAtMs + 5000
    t.strictSame(rotated, {
      outcome: 'rotated',
      record: { ...record, lastUsedAtMs: nowMs, family: { generation: 2, received: false, rotatedAtMs: nowMs, holdUntilMs: 0, closed: [], stepUp: null } },
      granted: { authTimeMs: record.authTimeMs, acr: record.acr, amr: record.amr },
      counted: null
    })
    t.strictSame(await (await second()).read(record.sid), rotated.record)
    t.strictSame(await entriesAfter(store, position), [])
  })

  t.test('a lost response is repeated with the same generation until the retry window is over', async t => {
    const { store, advance } = await create(t)
    const record = await open(store, tokens)
    await store.rotate(record.sid, 1, rotating)

    advance(windows.retryWindowMs)
    const repeated = await store.rotate(record.sid, 1, rotating)

    t.match(repeated, { outcome: 'repeated', record: { lastUsedAtMs: store.nowMs(), family: { generation: 2, received: false, holdUntilMs: store.nowMs() + windows.overlapMs + 1 } } })
    t.strictSame(await store.read(record.sid), repeated.record)
  })

  t.test('a parallel tab is repeated, after which the newest generation is held for the overlap', async t => {
    const { store, advance } = await create(t)
    const record = await open(store, tokens)
    await store.rotate(record.sid, 1, rotating)
    await store.noteReceived(record.sid, 2, windows)

    advance(windows.overlapMs)
    t.match(await store.rotate(record.sid, 1, rotating), { outcome: 'repeated', record: { family: { generation: 2 } } })
    advance(windows.overlapMs)
    t.match(await store.rotate(record.sid, 2, rotating), { outcome: 'held', record: { lastUsedAtMs: store.nowMs(), family: { generation: 2, received: true } } })
    advance(1)
    t.match(await store.rotate(record.sid, 2, rotating), { outcome: 'rotated', record: { family: { generation: 3 } } })
  })

  t.test('generations that the store has forgotten are recovered', async t => {
    const { store, second } = await create(t)
    const record = await open(store, tokens)

    const recovered = await store.rotate(record.sid, 4, rotating)

    t.match(recovered, { outcome: 'recovered', record: { sid: record.sid, family: { generation: 5, received: false } } })
    t.strictSame(await (await second()).read(record.sid), recovered.record)
  })

  t.test('a record in session mode is unknown to rotation and stays', async t => {
    const { store } = await create(t)
    const record = await open(store)

    t.strictSame(await store.rotate(record.sid, 1, rotating), { outcome: 'unknown', record: null, granted: null, counted: null })
    await store.noteReceived(record.sid, 1, windows)
    t.strictSame(await store.read(record.sid), record)
  })

  t.test('fifty concurrent presentations of one generation rotate it once', async t => {
    const { store, second } = await create(t)
    const other = await second()
    const record = await open(store, tokens)

    const outcomes = await Promise.all(Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? store : other).rotate(record.sid, 1, rotating)))

    t.equal(outcomes.filter(({ outcome }) => outcome === 'rotated').length, 1)
    t.equal(outcomes.filter(({ outcome }) => outcome === 'repeated').length, 49)
    t.ok(outcomes.every(outcome => outcome.record?.family?.generation === 2))
    t.equal((await store.read(record.sid))?.family?.generation, 2)
  })

  t.test('fifty concurrent presentations of the textbook rule rotate once and revoke', async t => {
    const { store, second } = await create(t)
    const other = await second()
    const record = await open(store, tokens)
    const textbook = { ...rotating, overlapMs: 0, retryWindowMs: 0 }

    const outcomes = await Promise.all(Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? store : other).rotate(record.sid, 1, textbook)))

    t.equal(outcomes.filter(({ outcome }) => outcome === 'rotated').length, 1)
    t.equal(outcomes.filter(({ outcome }) => outcome === 'reused').length, 1)
    t.equal(outcomes.filter(({ outcome }) => outcome === 'unknown').length, 48)
    t.equal(await store.read(record.sid), null)
  })

  t.test('random traces are decided as lib/session/rotation.ts decides them', async t => {
    const { store, advance } = await create(t)
    const random = randomNumbers(20_260_726)
    const steps = [0, 1, 4000, windows.overlapMs - 1, windows.overlapMs, windows.overlapMs + 1, windows.retryWindowMs + 1]
    const mismatches: unknown[] = []
    const seen = new Set<string>()
    let record = await open(store, tokens)
    let model: TokenFamily = openFamily(store.nowMs())

    for (let step = 0; step < 400 && mismatches.length === 0; step++) {
      const generation = Math.max(1, model.generation + [0, 0, 0, -1, -1, -2, 1, 3, 4][random(9)]!)
      if (random(3) === 0) {
        await store.noteReceived(record.sid, generation, windows)
        model = receive(model, generation, store.nowMs(), windows)
      } else {
        const { authTimeMs, acr, amr } = record
        const expected = rotate(model, { generation, authentication: { authTimeMs, acr, amr } }, store.nowMs(), windows)
        const actual = await store.rotate(record.sid, generation, rotating)
        seen.add(expected.outcome)
        if (actual.outcome !== expected.outcome) mismatches.push({ step, generation, model, expected, actual })
        if (expected.family === null) record = await open(store, tokens)
        model = expected.family ?? openFamily(store.nowMs())
      }
      const stored = await store.read(record.sid)
      if (JSON.stringify(stored?.family) !== JSON.stringify(model)) mismatches.push({ step, generation, model, stored: stored?.family })
      advance(steps[random(random(4) === 0 ? steps.length : 4)]!)
    }

    t.strictSame(mismatches, [])
    t.strictSame([...seen].sort(), ['expired', 'held', 'recovered', 'repeated', 'reused', 'rotated'])
  })

  t.test('eight remembered closing times hold the newest generation', async t => {
    const { store, advance } = await create(t)
    const record = await open(store, tokens)
    for (let generation = 1; generation <= maxClosed; generation++) {
      t.equal((await store.rotate(record.sid, generation, rotating)).outcome, 'rotated')
      advance(1)
    }

    t.match(await store.rotate(record.sid, maxClosed + 1, rotating), { outcome: 'held', record: { family: { generation: maxClosed + 1 } } })
  })
}

async function endingRotation (t: Test, create: CreateStore): Promise<void> {
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

async function receipt (t: Test, create: CreateStore): Promise<void> {
  t.test('the newest generation is noted as received, which closes its predecessor now', async t => {
    const { store, advance, second } = await create(t)
    const record = await open(store, tokens)
    const { record: rotated } = await store.rotate(record.sid, 1, rotating)
    const position = await head(store)
    advance(700)

    await (await second()).noteReceived(record.sid, 2, windows)

    t.strictSame(await store.read(record.sid), { ...rotated, family: { ...rotated?.family, received: true, closed: [[1, store.nowMs()]] } })
    t.strictSame(await entriesAfter(store, position), [])
  })

  t.test('a generation that is not the newest, or was noted before, changes nothing', async t => {
    const { store, advance } = await create(t)
    const record = await open(store, tokens)
    await store.rotate(record.sid, 1, rotating)
    await store.noteReceived(record.sid, 2, windows)
    const before = await store.read(record.sid)
    advance(100)

    for (const generation of [1, 2, 3]) await store.noteReceived(record.sid, generation, windows)

    t.strictSame(await store.read(record.sid), before)
  })
}

async function renewal (t: Test, create: CreateStore): Promise<void> {
  t.test('a renewal replaces the secret and strengthens the authentication, nothing else, and logs that the record changed', async t => {
    const { store, advance, second } = await create(t)
    const record = await open(store, { acr: '1' })
    const position = await head(store)
    advance(3000)

    const renewed = await store.renew(record.sid, { secretHash: 'fresh', acr: '2', amr: ['otp', 'pwd'] })

    t.strictSame(renewed, { ...record, secretHash: 'fresh', acr: '2', amr: ['pwd', 'otp'], authTimeMs: record.createdAtMs + 3000 })
    t.strictSame(await (await second()).read(record.sid), renewed)
    t.strictSame(await entriesAfter(store, position), [{ kind: 'changed', sid: record.sid }])
    t.strictSame((await takeSnapshot(store)).revocations, [])
  })

  t.test('a renewal by less than the session has proved lowers nothing', async t => {
    const { store, advance } = await create(t)
    for (const [acr, fresh] of [['2', '1'], ['10', '9'], ['2', 'urn:acr:mfa'], ['urn:acr:mfa', '3']] as const) {
      const record = await open(store, { acr, amr: ['pwd', 'otp'] })
      advance(3000)
      const renewed = await store.renew(record.sid, { secretHash: 'fresh', acr: fresh, amr: ['pwd'] })
      t.strictSame(renewed, { ...record, secretHash: 'fresh', authTimeMs: store.nowMs() }, `${acr} by ${fresh}`)
      t.strictSame(await store.read(record.sid), renewed)
    }
  })

  t.test('a session in tokens mode has no secret to renew', async t => {
    const { store } = await create(t)
    const record = await open(store, tokens)
    const position = await head(store)

    t.equal(await store.renew(record.sid, { secretHash: 'fresh', acr: 'a', amr: [] }), null)

    t.strictSame(await store.read(record.sid), record)
    t.strictSame(await entriesAfter(store, position), [])
  })
}

async function closingSessions (t: Test, create: CreateStore): Promise<void> {
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

async function limit (t: Test, create: CreateStore): Promise<void> {
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

async function subjectCuts (t: Test, create: CreateStore): Promise<void> {
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

async function cutOfEverybody (t: Test, create: CreateStore): Promise<void> {
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

async function reassertion (t: Test, create: CreateStore): Promise<void> {
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

async function tokenRevocation (t: Test, create: CreateStore): Promise<void> {
  const token = { issuer: 'https://gateway.example', jti: 'token-1' }

  t.test('a revoked token is not good any more, and the log says so', async t => {
    const { store, second } = await create(t)
    const other = await second()
    const position = await head(store)
    const expiresAtMs = store.nowMs() + 60_000

    t.equal(await store.isGood(claims(token)), true)
    t.equal(await store.revokeToken({ ...token, expiresAtMs }), undefined)

    t.equal(await other.isGood(claims(token)), false)
    const logged = { kind: 'jti', tokenKey: tokenKeyOf(token.issuer, token.jti), expiresAtMs }
    t.strictSame(await entriesAfter(other, position), [logged])
    t.strictSame((await takeSnapshot(other)).revocations, [logged])
  })

  t.test('a jti that is revoked without an issuer is revoked whoever issued it', async t => {
    const { store } = await create(t)

    await store.revokeToken({ issuer: '', jti: token.jti, expiresAtMs: store.nowMs() + 60_000 })

    t.equal(await store.isGood(claims(token)), false)
    t.equal(await store.isGood(claims({ jti: token.jti })), false)
    t.equal(await store.isGood(claims({ ...token, jti: 'token-2' })), true)
  })

  t.test('the same jti of another issuer stays good', async t => {
    const { store } = await create(t)

    await store.revokeToken({ ...token, expiresAtMs: store.nowMs() + 60_000 })

    t.equal(await store.isGood(claims({ ...token, issuer: 'https://gateway.example/' })), true)
    t.equal(await store.isGood(claims({ issuer: 'https://gateway.example1', jti: 'token-' })), true)
    t.equal(await store.isGood(claims({ issuer: token.jti, jti: token.issuer })), true)
  })

  t.test('a revoked token of a living session is not good, its session’s other tokens are', async t => {
    const { store } = await create(t)
    const record = await open(store, tokens)

    await store.revokeToken({ ...token, expiresAtMs: store.nowMs() + 60_000 })

    t.equal(await store.isGood({ ...claimsOf(record), ...token }), false)
    t.equal(await store.isGood({ ...claimsOf(record), ...token, jti: 'token-2' }), true)
  })

  t.test('a token stays revoked for the longest time that was asked for', async t => {
    const { store } = await create(t)
    const long = store.nowMs() + 60_000

    await store.revokeToken({ ...token, expiresAtMs: long - 30_000 })
    await store.revokeToken({ ...token, expiresAtMs: long })
    await store.revokeToken({ ...token, expiresAtMs: long - 20_000 })
    await store.revokeToken({ ...token, expiresAtMs: long })

    const expiries = (await takeSnapshot(store)).revocations.map(({ expiresAtMs }) => expiresAtMs)
    t.equal(Math.max(...expiries), long)
  })

  t.test('asking for the same again logs nothing', async t => {
    const { store, second } = await create(t)
    const position = await head(store)
    const revocation = { ...token, expiresAtMs: store.nowMs() + 60_000 }

    await store.revokeToken(revocation)
    await (await second()).revokeToken(revocation)

    t.equal((await entriesAfter(store, position)).length, 1)
  })

  t.test('a time that has passed changes nothing', async t => {
    const { store } = await create(t)
    const position = await head(store)

    await store.revokeToken({ ...token, expiresAtMs: store.nowMs() })
    await store.revokeToken({ ...token, expiresAtMs: 0 })

    t.equal(await store.isGood(claims(token)), true)
    t.strictSame(await entriesAfter(store, position), [])
  })

  t.test('any issuer and jti come back from the log by their key', async t => {
    const { store } = await create(t)
    const position = await head(store)
    const expiresAtMs = store.nowMs() + 60_000
    const revoked = [{ issuer: '', jti: '' }, { issuer: 'é|"\'{}', jti: '🦊 \n*' }, { issuer: 'i'.repeat(2000), jti: 'j'.repeat(2000) }]

    for (const one of revoked) await store.revokeToken({ ...one, expiresAtMs })

    const logged = await entriesAfter(store, position)
    t.strictSame(new Set(logged.map(one => JSON.stringify(one))), new Set(revoked.map(({ issuer, jti }) => JSON.stringify({ kind: 'jti', tokenKey: tokenKeyOf(issuer, jti), expiresAtMs }))))
    for (const one of revoked) t.equal(await store.isGood(claims(one)), false)
  })

  t.test('absent claims are not checked', async t => {
    const { store } = await create(t)
    await store.revokeToken({ ...token, expiresAtMs: store.nowMs() + 60_000 })
    await store.revokeSubject('alice', { exceptSid: null, keepForMs })

    t.equal(await store.isGood(claims()), true)
    t.equal(await store.isGood(claims({ issuer: token.issuer })), true)
    t.equal(await store.isGood(claims({ subject: 'alice' })), true)
    t.equal(await store.isGood(claims({ sid: unknownSid })), false)
  })
}

async function log (t: Test, create: CreateStore): Promise<void> {
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

async function growth (t: Test, create: CreateStore): Promise<void> {
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

async function keys (t: Test, create: CreateStore): Promise<void> {
  t.test('the first write makes version 1, each further one adds one, and each is logged', async t => {
    const { store, second } = await create(t)
    const other = await second()
    const position = await head(store)

    t.equal(await store.writeKeys(0, 'sealed "é" 1'), 'written')
    t.strictSame(await other.readKeys(), { version: 1, text: 'sealed "é" 1' })
    t.equal(await other.writeKeys(1, ''), 'written')
    t.strictSame(await store.readKeys(), { version: 2, text: '' })

    const kinds = (await entriesAfter(store, position)).map(({ kind }) => kind)
    t.ok(kinds.length >= 2)
    t.ok(kinds.every(kind => kind === 'keys'))
    t.strictSame((await takeSnapshot(store)).revocations, [])
  })

  t.test('a writer that expected another version changes and logs nothing', async t => {
    const { store } = await create(t)
    t.equal(await store.writeKeys(1, 'too early'), 'conflict')
    t.equal(await store.readKeys(), null)
    await store.writeKeys(0, 'one')
    const position = await head(store)

    for (const expected of [0, 2]) t.equal(await store.writeKeys(expected, 'other'), 'conflict')

    t.strictSame(await store.readKeys(), { version: 1, text: 'one' })
    t.strictSame(await entriesAfter(store, position), [])
  })

  t.test('of two racing writers one is written', async t => {
    const { store, second } = await create(t)
    const other = await second()

    const results = await Promise.all([store.writeKeys(0, 'mine'), other.writeKeys(0, 'theirs')])

    t.strictSame([...results].sort(), ['conflict', 'written'])
    t.strictSame(await store.readKeys(), { version: 1, text: results[0] === 'written' ? 'mine' : 'theirs' })
  })

  t.test('keys stay through a cut of everybody', async t => {
    const { store } = await create(t)
    await store.writeKeys(0, 'one')

    await store.revokeAll({ keepForMs })

    t.strictSame(await store.readKeys(), { version: 1, text: 'one' })
  })
}

async function endingOfOne (t: Test, create: CreateStore): Promise<void> {
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

async function ending (t: Test, create: CreateStore): Promise<void> {
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
    await t.rejects(store.isGood(claims()), unavailable)
    await t.rejects(store.pull(position), unavailable)
    await t.rejects(takeSnapshot(store), unavailable)
    await t.rejects(store.putNote('topic', 'name', 'x', minute), unavailable)
    await t.rejects(store.readNotes('topic'), unavailable)
    t.type(store.nowMs(), 'number')
  })
}

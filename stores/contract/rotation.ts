import { maxClosed, openFamily, receive, rotate, type TokenFamily } from '../../lib/session/rotation.ts'
import { entriesAfter, head, open, randomNumbers, rotating, tokens, windows, type CreateStore } from './fixtures.ts'
import type { Test } from './test.ts'

export async function rotation (t: Test, create: CreateStore): Promise<void> {
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

export async function receipt (t: Test, create: CreateStore): Promise<void> {
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

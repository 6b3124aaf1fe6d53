import { closing, open, rotating, session, tokens, type CreateStore } from './fixtures.ts'
import type { Test } from './test.ts'

const [here, there] = ['https://one.example.com', 'https://two.example.com']

/** The part of the contract about the origin that a session belongs to. */
export async function sessionOrigins (t: Test, create: CreateStore): Promise<void> {
  t.test('a record keeps the origin that opened it, and one that was opened without has none', async t => {
    const { store, second } = await create(t)
    const { record } = await store.open(session({ origin: here }))

    t.equal(record.origin, here)
    t.equal((await (await second()).read(record.sid))?.origin, here)
    t.strictSame((await store.list('alice')).map(({ origin }) => origin), [here])
    t.equal((await store.renew(record.sid, { secretHash: 'x', acr: 'a', amr: [] }))?.origin, here)
    t.equal((await open(store)).origin, null)
  })

  t.test('a refresh token that is presented at another origin is unknown and changes nothing, neither as the newest nor as a superseded one', async t => {
    const { store } = await create(t)
    const { sid } = await open(store, { ...tokens, origin: here })
    const atHome = { ...rotating, origin: here, overlapMs: 0, retryWindowMs: 0, limit: { max: 9, windowMs: 60_000 } }
    await store.rotate(sid, 1, atHome)
    const before = await store.read(sid)

    for (const generation of [1, 2, 3, 99]) {
      t.strictSame(await store.rotate(sid, generation, { ...atHome, origin: there, fresh: { acr: '9', amr: ['x'] } }), { outcome: 'unknown', record: null, granted: null, counted: null }, `generation ${generation}`)
    }

    t.strictSame(await store.read(sid), before)
    t.match(await store.rotate(sid, 2, atHome), { outcome: 'rotated', counted: { count: 2 } })
  })

  t.test('a refresh token is good at its own origin, without a word about the origin, and everywhere when its record has none', async t => {
    const { store } = await create(t)
    const [owned, before] = [await open(store, { ...tokens, origin: here }), await open(store, tokens)]

    t.match(await store.rotate(owned.sid, 1, { ...rotating, origin: here, fresh: { acr: '2', amr: ['otp'] } }), { outcome: 'rotated', record: { amr: ['pwd', 'otp'], origin: here } })
    t.match(await store.rotate(owned.sid, 2, rotating), { outcome: 'rotated' })
    t.match(await store.rotate(before.sid, 1, { ...rotating, origin: there }), { outcome: 'rotated', record: { origin: null } })
  })

  t.test('closing for another origin leaves the session and the log alone, and tells whose it is', async t => {
    const { store } = await create(t)
    const [owned, before] = [await open(store, { origin: here }), await open(store)]
    const position = await store.snapshot(async () => {})

    t.strictSame(await store.close(owned.sid, { ...closing, origin: there }), owned)

    t.strictSame(await store.read(owned.sid), owned)
    t.strictSame((await store.pull(position)).entries, [])
    t.ok(await store.isGood({ issuer: null, jti: null, sid: owned.sid, subject: null, epoch: null }))
    t.strictSame(await store.close(owned.sid, { ...closing, origin: here }), owned)
    t.equal(await store.read(owned.sid), null)
    t.strictSame(await store.close(before.sid, { ...closing, origin: there }), before)
    t.equal(await store.read(before.sid), null)
  })
}

import { entriesAfter, head, open, tokens, type CreateStore } from './fixtures.ts'
import { takeSnapshot } from './snapshot.ts'
import type { Test } from './test.ts'

export async function renewal (t: Test, create: CreateStore): Promise<void> {
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

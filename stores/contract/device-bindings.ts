import type { LogEntry } from '../../lib/revocation/entries.ts'
import type { Store } from '../store.ts'
import { absoluteTimeoutMs, closing, idleTimeoutMs, open, tokens, unknownSid, type CreateStore } from './fixtures.ts'
import { takeSnapshot } from './snapshot.ts'
import type { Test } from './test.ts'

const publicKey = 'x'.repeat(43) + 'y'.repeat(43)
const otherKey = 'z'.repeat(86)

async function logged (store: Store, work: () => Promise<unknown>): Promise<LogEntry[]> {
  const { position } = await takeSnapshot(store)
  await work()
  return (await store.pull(position)).entries
}

/** The part of the contract about bindings to devices. */
export async function deviceBindings (t: Test, create: CreateStore): Promise<void> {
  t.test('a session is bound to one device for good, whichever process is asked, and the log says that it changed', async t => {
    const { store, second, advance } = await create(t)
    const other = await second()
    const record = await open(store)
    t.equal(record.device, null)
    advance(3000)

    const bound = { ...record, device: { publicKey, boundAtMs: record.createdAtMs + 3000, renewals: 0 } }
    t.strictSame(await logged(store, async () => { t.strictSame(await store.bindDevice(record.sid, { publicKey }), { outcome: 'bound', record: bound }) }), [{ kind: 'changed', sid: record.sid }])
    advance(1000)
    t.strictSame(await logged(other, async () => {
      t.strictSame(await other.bindDevice(record.sid, { publicKey }), { outcome: 'already', record: bound })
      t.strictSame(await other.bindDevice(record.sid, { publicKey: otherKey }), { outcome: 'refused', record: bound })
    }), [])
    t.strictSame(await other.read(record.sid), bound)
    t.strictSame(await other.list('alice'), [bound])
  })

  t.test('a proof counts for one number and is no use, and the first one alone is logged', async t => {
    const { store, second, advance } = await create(t)
    const other = await second()
    const { sid } = await open(store)
    await store.bindDevice(sid, { publicKey })
    const before = (await store.read(sid))!
    advance(60_000)

    const after = { ...before, device: { ...before.device!, renewals: 1 } }
    t.strictSame(await logged(store, async () => {
      t.strictSame(await store.renewDevice(sid, 1), { outcome: 'used', record: before })
      t.strictSame(await other.renewDevice(sid, 0), { outcome: 'renewed', record: after })
      t.strictSame(await store.renewDevice(sid, 0), { outcome: 'used', record: after })
    }), [{ kind: 'changed', sid }])
    t.strictSame(await store.read(sid), after)
    t.strictSame(await logged(store, async () => { t.match(await store.renewDevice(sid, 1), { outcome: 'renewed', record: { device: { renewals: 2 } } }) }), [])
  })

  t.test('of many at once one binds, and one proof of a number counts', async t => {
    const { store, second } = await create(t)
    const stores = [store, await second()]
    const { sid } = await open(store)

    const keys = Array.from({ length: 20 }, (_, index) => String(index % 10).repeat(86))
    const bindings = await Promise.all(keys.map(async (key, index) => await stores[index % 2]!.bindDevice(sid, { publicKey: key })))
    const renewals = await Promise.all(keys.map(async (_, index) => await stores[index % 2]!.renewDevice(sid, 0)))

    t.equal(bindings.filter(binding => binding?.outcome === 'bound').length, 1)
    t.equal(bindings.filter(binding => binding?.outcome === 'already').length, 1)
    t.equal(bindings.filter(binding => binding?.outcome === 'refused').length, 18)
    t.equal(renewals.filter(renewal => renewal?.outcome === 'renewed').length, 1)
    t.match(await store.read(sid), { device: { renewals: 1 } })
  })

  t.test('renewal and use keep the binding', async t => {
    const { store, advance } = await create(t)
    const { sid } = await open(store)
    await store.bindDevice(sid, { publicKey })
    await store.renewDevice(sid, 0)
    const { device } = (await store.read(sid))!
    advance(60_000)

    t.strictSame((await store.renew(sid, { secretHash: 'fresh', acr: 'a', amr: [] }))?.device, device)
    await store.touch([{ sid, agoMs: 0 }], { idleTimeoutMs })
    t.strictSame((await store.read(sid))?.device, device)
    t.strictSame((await store.close(sid, closing))?.device, device)
  })

  t.test('what is no record in session mode is not bound, and what is not bound is not renewed', async t => {
    const { store, advance } = await create(t)
    const [family, unbound, closed, expired] = [await open(store, tokens), await open(store), await open(store), await open(store, { absoluteTimeoutMs: 1000 })]
    await store.bindDevice(closed.sid, { publicKey })
    await store.bindDevice(expired.sid, { publicKey })
    await store.close(closed.sid, closing)
    advance(1000)

    t.strictSame(await logged(store, async () => {
      for (const sid of [unknownSid, family.sid, closed.sid, expired.sid]) t.equal(await store.bindDevice(sid, { publicKey }), null)
      for (const sid of [unknownSid, family.sid, unbound.sid, closed.sid, expired.sid]) t.equal(await store.renewDevice(sid, 0), null)
    }), [])
    t.strictSame(await store.read(family.sid), family)
    t.equal(await store.read(closed.sid), null, 'nothing is brought back')
    t.equal((await store.read(unbound.sid))?.expiresAtMs, unbound.createdAtMs + absoluteTimeoutMs)
  })
}

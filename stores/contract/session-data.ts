import type { Test } from './test.ts'
import type { SessionData } from '../../lib/own-data.ts'
import type { Store } from '../store.ts'
import { absoluteTimeoutMs, closing, entriesAfter, head, idleTimeoutMs, keepForMs, open, rotating, tokens, unknownSid, windows, type CreateStore } from './fixtures.ts'

/** Any JSON object as the data of a session. */
const of = (data: object): SessionData => data as SessionData

/** Values that an encoder other than that of JavaScript would change. */
const delicate = of({
  numbers: [0, 1.5, -1e-7, 1e21, 0.1, 2 ** 53 - 1, -(2 ** 63), Number.MAX_VALUE, Number.MIN_VALUE, 12345678901234568],
  empty: { list: [], object: {}, text: '', lists: [[], [[]]], objects: [{}] },
  nothing: null,
  truths: [true, false],
  texts: ['null', '{"a":1}', '\u0000\u0001\n\u2028', 'Zoë 🦊 李', '"quoted" \\ \'single\' /', '%s {0} $1 :name ?'],
  '': 'a member without a name',
  constructor: 'a member',
  2: 'second',
  1: 'first'
})

/** Data of the greatest size that the session plugin lets through, in bytes of UTF-8. */
const largest = of({ text: '李'.repeat(1361) + 'xx' })

async function changesOf (store: Store, work: () => Promise<unknown>): Promise<object[]> {
  const position = await head(store)
  await work()
  return await entriesAfter(store, position)
}

/** The part of the contract about the data that an application keeps with a session. */
export async function sessionData (t: Test, create: CreateStore): Promise<void> {
  t.test('a record opens with the data that is given, and without with an empty object', async t => {
    const { store, second } = await create(t)
    const other = await second()
    for (const data of [delicate, largest, of({})]) {
      for (const mode of [{}, tokens]) {
        const record = await open(store, { ...mode, data })
        t.strictSame(record.data, data)
        t.strictSame(await other.read(record.sid), record)
        t.strictSame((await other.list('alice'))[0]?.data, data)
        await store.close(record.sid, closing)
      }
    }
    t.strictSame((await open(store)).data, {})
  })

  t.test('the data of a record is a copy of what was given', async t => {
    const { store } = await create(t)
    const given = { list: ['one'] }
    const { sid } = await open(store, { data: of(given) })
    given.list.push('two')
    t.strictSame((await store.read(sid))?.data, { list: ['one'] })
    await store.replaceData(sid, of(given))
    given.list.push('three')
    t.strictSame((await store.read(sid))?.data, { list: ['one', 'two'] })
  })

  t.test('new data takes the place of all that was there, in both modes, and nothing else changes', async t => {
    const { store, second, advance } = await create(t)
    const other = await second()
    for (const mode of [{}, tokens]) {
      const record = await open(store, { ...mode, data: of({ before: true, both: 1 }) })
      advance(60_000)
      for (const data of [of({ both: 2, after: [] }), delicate, largest, of({}), of({ again: true })]) {
        const replaced = { ...record, data }
        t.strictSame(await changesOf(store, async () => { t.strictSame(await other.replaceData(record.sid, data), replaced) }), [{ kind: 'changed', sid: record.sid }])
        t.strictSame(await store.read(record.sid), replaced)
      }
    }
  })

  t.test('every change of a record keeps its data', async t => {
    const { store, advance } = await create(t)
    const bound = await open(store, { data: delicate })
    const family = await open(store, { ...tokens, data: delicate })
    advance(1000)

    t.strictSame((await store.renew(bound.sid, { secretHash: 'fresh', acr: '2', amr: ['otp'] }))?.data, delicate)
    t.strictSame((await store.bindDevice(bound.sid, { publicKey: 'x'.repeat(86) }))?.record.data, delicate)
    t.strictSame((await store.renewDevice(bound.sid, 0))?.record.data, delicate)
    t.strictSame((await store.rotate(family.sid, 1, rotating)).record?.data, delicate)
    await store.noteReceived(family.sid, 2, windows)
    t.strictSame((await store.rotate(family.sid, 2, { ...rotating, fresh: { acr: '2', amr: ['otp'] }, limit: { max: 9, windowMs: 1000 } })).record?.data, delicate)
    await store.touch([bound, family].map(({ sid }) => ({ sid, agoMs: 0 })), { idleTimeoutMs })
    await store.revokeSubject('alice', { exceptSid: bound.sid, keepForMs })
    t.strictSame((await store.read(bound.sid))?.data, delicate)
    t.strictSame((await store.close(bound.sid, closing))?.data, delicate)
  })

  t.test('new data keeps what a record has gained since, and is no use', async t => {
    const { store, advance } = await create(t)
    const { sid } = await open(store, { acr: '1' })
    await store.bindDevice(sid, { publicKey: 'x'.repeat(86) })
    const before = await store.renew(sid, { secretHash: 'fresh', acr: '2', amr: ['otp'] })
    const family = await open(store, tokens)
    const rotated = (await store.rotate(family.sid, 1, rotating)).record
    advance(idleTimeoutMs * 2)

    t.strictSame(await store.replaceData(sid, of({ cart: [] })), { ...before, data: { cart: [] } })
    t.strictSame(await store.replaceData(family.sid, of({ cart: [] })), { ...rotated, data: { cart: [] } })
    t.match(await store.rotate(family.sid, 2, rotating), { outcome: 'expired' }, 'the session stays idle')
  })

  t.test('of many at once one counts as a whole, whichever process they come to', async t => {
    const { store, second } = await create(t)
    const stores = [store, await second()]
    const { sid } = await open(store)
    const all = Array.from({ length: 20 }, (_, number) => of({ number, text: String(number).repeat(100), [`only-${number}`]: true }))

    const replaced = await Promise.all(all.map(async (data, index) => await stores[index % 2]!.replaceData(sid, data)))

    t.strictSame(replaced.map(record => record?.data), all)
    const last = (await stores[1]!.read(sid))?.data
    t.strictSame((await stores[0]!.read(sid))?.data, last)
    t.ok(all.some(data => JSON.stringify(data) === JSON.stringify(last)))
  })

  t.test('what has no record gets no data, and nothing is made or logged', async t => {
    const { store, advance } = await create(t)
    const [closed, cut, expired, reused] = [await open(store), await open(store, { subject: 'bob' }), await open(store, { absoluteTimeoutMs: 1000 }), await open(store, tokens)]
    await store.close(closed.sid, closing)
    await store.revokeSubject('bob', { exceptSid: null, keepForMs })
    await store.rotate(reused.sid, 9, rotating)
    advance(1000)
    const sids = [unknownSid, closed.sid, cut.sid, expired.sid, reused.sid]

    t.strictSame(await changesOf(store, async () => {
      for (const sid of sids) t.equal(await store.replaceData(sid, of({ a: 1 })), null)
    }), [])
    for (const sid of sids) t.equal(await store.read(sid), null)
    const everybody = await open(store, { absoluteTimeoutMs })
    await store.revokeAll({ keepForMs })
    t.equal(await store.replaceData(everybody.sid, of({ a: 1 })), null)
  })
}

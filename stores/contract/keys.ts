import { entriesAfter, head, keepForMs, type CreateStore } from './fixtures.ts'
import { takeSnapshot } from './snapshot.ts'
import type { Test } from './test.ts'

export async function keys (t: Test, create: CreateStore): Promise<void> {
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

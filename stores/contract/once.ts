import type { Test } from './test.ts'
import { longestOnceMs } from '../../lib/once.ts'
import { takeSnapshot } from './snapshot.ts'
import { minute, type CreateStore } from './fixtures.ts'

/** The part of the contract about names that are used once. */
export async function once (t: Test, create: CreateStore): Promise<void> {
  t.test('a name is used once, whichever process asks', async t => {
    const { store, second } = await create(t)
    const other = await second()

    t.equal(await store.useOnce('name', minute), true)
    t.equal(await store.useOnce('name', minute), false)
    t.equal(await other.useOnce('name', minute), false)
    t.equal(await other.useOnce('Name', minute), true, 'another name')
  })

  t.test('of many processes that use a name at once, exactly one is the first', async t => {
    const { store, second } = await create(t)
    const other = await second()
    for (const name of ['a', 'b', 'c']) {
      const answers = await Promise.all(Array.from({ length: 20 }, (_, number) => (number % 2 === 0 ? store : other).useOnce(name, minute)))
      t.equal(answers.filter(Boolean).length, 1, name)
    }
  })

  t.test('a name may be used again when its time has passed, and later uses do not lengthen it', async t => {
    const { store, advance } = await create(t)
    t.equal(await store.useOnce('name', minute), true)
    advance(minute - 1)
    t.equal(await store.useOnce('name', longestOnceMs), false)
    advance(1)
    t.equal(await store.useOnce('name', longestOnceMs), true)
    advance(minute)
    t.equal(await store.useOnce('name', minute), false, 'each use has its own time')
  })

  t.test('names that no store keeps are refused, and so are times', async t => {
    const { store } = await create(t)
    const longest = `challenge:${'x'.repeat(118)}`
    for (const name of ['', 'a b', 'a/b', '{x}', 'é', 'a\n', `${longest}x`]) await t.rejects(store.useOnce(name, minute), RangeError, JSON.stringify(name))
    for (const keepForMs of [0, -1, 0.5, Infinity, NaN, longestOnceMs + 1]) await t.rejects(store.useOnce('name', keepForMs), RangeError, String(keepForMs))

    t.equal(await store.useOnce(longest, 1), true)
    t.equal(await store.useOnce('name', minute), true, 'a use that was refused is none')
  })

  t.test('used names are not on the log, and stay through a cut of everybody', async t => {
    const { store } = await create(t)
    const { position } = await takeSnapshot(store)
    await store.useOnce('name', minute)
    t.strictSame((await store.pull(position)).entries, [])

    await store.revokeAll({ keepForMs: minute })

    t.equal(await store.useOnce('name', minute), false)
  })
}

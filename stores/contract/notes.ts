import { mostNoteBytes, mostNotes } from '../../lib/notes.ts'
import { takeSnapshot } from './snapshot.ts'
import { minute, type CreateStore } from './fixtures.ts'
import type { Test } from './test.ts'

/** The part of the contract about the notes that processes leave for each other. */
export async function notes (t: Test, create: CreateStore): Promise<void> {
  t.test('a note is there for every process, with the store’s time, and the next one of its name takes its place', async t => {
    const { store, second, advance } = await create(t)
    const other = await second()
    const longest = 'é'.repeat(mostNoteBytes / 2)
    const firstAtMs = store.nowMs()
    await store.putNote('topic', 'one', 'a:b\n%c', minute)
    advance(1000)
    await other.putNote('topic', 'Two', longest, minute)

    t.strictSame(await other.readNotes('topic'), [{ name: 'Two', text: longest, atMs: firstAtMs + 1000 }, { name: 'one', text: 'a:b\n%c', atMs: firstAtMs }])
    await other.putNote('topic', 'one', '', minute)
    t.match(await store.readNotes('topic'), [{ name: 'Two' }, { name: 'one', text: '', atMs: firstAtMs + 1000 }])
  })

  t.test('topics do not see each other', async t => {
    const { store } = await create(t)
    await store.putNote('one', 'name', '1', minute)
    await store.putNote('two', 'name', '2', minute)

    t.match(await store.readNotes('one'), [{ text: '1' }])
    t.match(await store.readNotes('two'), [{ text: '2' }])
    t.strictSame(await store.readNotes('three'), [])
  })

  t.test('a note ends when its time has passed, each one at its own', async t => {
    const { store, advance } = await create(t)
    await store.putNote('topic', 'long', 'x', 2 * minute)
    await store.putNote('topic', 'short', 'x', minute)

    advance(minute - 1)
    t.equal((await store.readNotes('topic')).length, 2)
    advance(1)
    t.match(await store.readNotes('topic'), [{ name: 'long' }])
    await store.putNote('topic', 'new', 'x', 10)
    t.match(await store.readNotes('topic'), [{ name: 'long' }, { name: 'new' }])
    advance(10)
    t.match(await store.readNotes('topic'), [{ name: 'long' }])
    advance(minute)
    t.strictSame(await store.readNotes('topic'), [])
  })

  t.test('in a topic that is full a new note removes the one that was put longest ago', async t => {
    const { store, advance } = await create(t)
    await store.putNote('other', 'first', 'x', minute)
    for (const name of ['first', 'second']) {
      await store.putNote('topic', name, 'x', minute)
      advance(1)
    }
    await Promise.all(Array.from({ length: mostNotes - 2 }, (_, number) => store.putNote('topic', `n${number}`, 'x'.repeat(mostNoteBytes), minute)))
    advance(1)
    await store.putNote('topic', 'first', 'again', minute)
    t.equal((await store.readNotes('topic')).length, mostNotes)

    await store.putNote('topic', 'new', 'x', minute)

    const names = (await store.readNotes('topic')).map(({ name }) => name)
    t.equal(names.length, mostNotes)
    t.ok(names.includes('first') && names.includes('new'))
    t.notOk(names.includes('second'))
    t.equal((await store.readNotes('other')).length, 1)
  })

  t.test('a text that is too long and a name that is none are refused', async t => {
    const { store } = await create(t)

    await t.rejects(store.putNote('topic', 'name', `${'é'.repeat(mostNoteBytes / 2)}x`, minute), RangeError)
    for (const word of ['', 'a b', 'a:b', '{x}', 'x'.repeat(65)]) {
      await t.rejects(store.putNote(word, 'name', 'x', minute), RangeError, word)
      await t.rejects(store.putNote('topic', word, 'x', minute), RangeError, word)
    }
    t.strictSame(await store.readNotes('topic'), [])
  })

  t.test('notes are not on the log and stay through a cut of everybody', async t => {
    const { store } = await create(t)
    const { position } = await takeSnapshot(store)
    await store.putNote('topic', 'name', 'x', minute)
    t.strictSame((await store.pull(position)).entries, [])

    await store.revokeAll({ keepForMs: minute })

    t.equal((await store.readNotes('topic')).length, 1)
  })
}

import { assertNote, mostNotes } from '../../lib/notes.ts'
import type { Store } from '../store.ts'
import { notesName, type Keys } from './keys.ts'
import type { Scripts } from './scripts.ts'

type Notes = Pick<Store, 'putNote' | 'readNotes'>

export function createNotes ({ run }: Scripts, { first }: Keys): Notes {
  return {
    async putNote (topic, name, text, keepForMs) {
      assertNote(topic, name, text)
      await run('put-note', first, [notesName(first, topic)], [name, text, keepForMs, mostNotes])
    },

    async readNotes (topic) {
      const [live] = await run('read-notes', first, [notesName(first, topic)])
      const notes = (live as Array<[name: string, text: string, atMs: string]>).map(([name, text, atMs]) => ({ name, text, atMs: Number(atMs) }))
      return notes.sort((one, other) => one.name < other.name ? -1 : 1)
    }
  }
}

/** Maximum number of notes of one topic. */
export const mostNotes = 256

/** Maximum length of a note's text, in bytes of UTF-8. */
export const mostNoteBytes = 256

/** Throws RangeError if a store cannot keep the note. Topic and name have 1 to 64 letters, digits, `-` and `_`. */
export function assertNote (topic: string, name: string, text: string): void {
  for (const word of [topic, name]) if (!/^[\w-]{1,64}$/.test(word)) throw new RangeError('topic and name of a note must be up to 64 letters, digits, - and _')
  if (Buffer.byteLength(text) > mostNoteBytes) throw new RangeError(`the text of a note must have at most ${mostNoteBytes} bytes`)
}

/** A short text that one process publishes to the others. */
export interface Note {
  name: string
  text: string
  /** Time of the last write, in milliseconds. */
  atMs: number
}

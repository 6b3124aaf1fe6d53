/** The notes that one topic keeps at most. */
export const mostNotes = 256

/** The bytes that the text of a note has at most, in UTF-8. */
export const mostNoteBytes = 256

/** Throws RangeError when a store does not keep such a note: topic and name are up to 64 letters, digits, `-` and `_`. */
export function assertNote (topic: string, name: string, text: string): void {
  for (const word of [topic, name]) if (!/^[\w-]{1,64}$/.test(word)) throw new RangeError('topic and name of a note must be up to 64 letters, digits, - and _')
  if (Buffer.byteLength(text) > mostNoteBytes) throw new RangeError(`the text of a note must have at most ${mostNoteBytes} bytes`)
}

/** A short text that one process tells the others. */
export interface Note {
  name: string
  text: string
  /** When it was put last. */
  atMs: number
}

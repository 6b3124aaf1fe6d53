import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

/** Largest content that a text of the configuration may be taken from. */
const maxBytes = 64 * 1024

/** What a text file holds without its last newline, or what is wrong with it and how to mend that; never a part of the content. */
export type TextFile = { text: string } | { problem: string }

/** Reads a file such as Docker and Kubernetes mount for a secret. */
export function readTextFile (path: string): TextFile {
  let bytes: Buffer | null
  try {
    bytes = readBounded(path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    return { problem: code === 'ENOENT' ? 'is not there; make it, or name a file that is' : `cannot be read (${code}); let the gateway's user read it` }
  }
  if (bytes === null) return { problem: 'is no regular file; name a file' }
  if (bytes.length > maxBytes) return { problem: `is larger than ${maxBytes / 1024} KiB; name the file of one text` }
  const text = decode(bytes)?.replace(/\r?\n$/, '')
  if (text === undefined) return { problem: 'is not UTF-8 text; write it as text, such as base64url' }
  return text === '' ? { problem: 'is empty; write the text into it' } : { text }
}

/** At most one byte more than may be there; null when it is no regular file. */
function readBounded (path: string): Buffer | null {
  // Without O_NONBLOCK the opening of a pipe waits for its writer.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    if (!fstatSync(file).isFile()) return null
    const bytes = Buffer.alloc(maxBytes + 1)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read) read = readSync(file, bytes, length, bytes.length - length, null)
    return bytes.subarray(0, length)
  } finally {
    closeSync(file)
  }
}

function decode (bytes: Buffer): string | undefined {
  if (bytes.includes(0)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

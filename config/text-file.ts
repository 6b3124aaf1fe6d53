import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

/** Maximum size of a file whose content is inserted into a setting. */
const maxBytes = 64 * 1024

/** The content of a text file without its last newline, or a problem with its remedy. The problem never quotes the content. */
export type TextFile = { text: string } | { problem: string }

/** Reads a small text file, such as a secret that Docker or Kubernetes mounts. */
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

/** Reads at most one byte more than the maximum. Returns null when the path is not a regular file. */
function readBounded (path: string): Buffer | null {
  // O_NONBLOCK keeps the opening of a pipe from waiting for its writer.
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
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

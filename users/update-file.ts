import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Stats } from 'node:fs'
import { constants, lstat, open, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { ConfigInvalidError } from '../lib/errors.ts'
import { rightsOfNewFile, type FileRights } from '../lib/new-file.ts'

/* The file often belongs to another user: an operator edits as root the file that the gateway reads. The new content is therefore
 * written under another name, with the owner, group, mode, ACL and extended attributes of the file, and renamed over it. The file
 * is written in place, which changes only its content, when the rename cannot keep all of them (a second hard link, an owner that
 * this user may not set, no GNU `cp`), or when the name cannot be replaced (a file that is mounted into a container, a read-only
 * folder). */

const lockPauseMs = 25
const mostAttempts = 5
/** The error codes of file systems and folders that permit no second file, or no replacement of a name. */
const unreplaceable = ['EACCES', 'EPERM', 'EROFS', 'EBUSY', 'EXDEV', 'ENOTSUP']

interface Target { path: string, found: Stats | null }

/** The new content, still under another name. The existence of that name locks out other editors. */
interface Draft { path: string, handle: FileHandle }

/**
 * Replaces the content of `file` by what `update` resolves to; null leaves it unchanged. `update` reads the file itself, and runs
 * again when another program has changed the file meanwhile. Callers are serialized. Throws ConfigInvalidError that names the
 * remedy.
 */
export async function updateFile (file: string, update: () => Promise<string | null>, { lockWaitMs = 30_000 } = {}): Promise<void> {
  const { path } = await find(file)
  const draft = await openDraft(path, file, lockWaitMs)
  let isRenamed = false
  try {
    isRenamed = await replace(file, draft, update)
  } finally {
    await draft?.handle.close()
    if (draft !== null && !isRenamed) await rm(draft.path, { force: true })
  }
}

/** Resolves to whether the draft has replaced the file. */
async function replace (file: string, draft: Draft | null, update: () => Promise<string | null>): Promise<boolean> {
  for (let attempt = 1; attempt <= mostAttempts; attempt++) {
    const before = await find(file)
    const text = await update()
    if (text === null) return false
    const now = await find(file)
    if (before.path === now.path && versionOf(before.found) === versionOf(now.found)) return await write(file, now, draft, text)
  }
  throw new ConfigInvalidError(`${file}: is changed by another program again and again; end it, and try again`)
}

async function write (file: string, { path, found }: Target, draft: Draft | null, text: string): Promise<boolean> {
  try {
    if (draft !== null && (found === null ? await giveRights(draft) : await takeRights(draft, path, found)) && await renameDraft(draft, path, text, found)) return true
    await writeInPlace(path, text, found!)
    return false
  } catch (cause) {
    throw unwritable(file, cause, found)
  }
}

/** Resolves the target through links. Rejects a dangling link, and a target that exists and is not a regular file. */
async function find (file: string): Promise<Target> {
  try {
    const path = await realpath(file)
    const found = await stat(path)
    if (!found.isFile()) throw new ConfigInvalidError(`${file}: is ${found.isDirectory() ? 'a directory' : 'no regular file'}; name a file`)
    return { path, found }
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT') throw cause instanceof ConfigInvalidError ? cause : unwritable(file, cause, null)
    const link = await lstat(file).catch(() => null)
    if (link?.isSymbolicLink() === true) throw new ConfigInvalidError(`${file}: is a link to a file that is not there; make that file, or remove the link`, { cause })
    return { path: file, found: null }
  }
}

/**
 * Opens the draft. Null: the folder permits no second file, so the file can only be written in place, without a lock against other
 * editors.
 */
async function openDraft (target: string, file: string, lockWaitMs: number): Promise<Draft | null> {
  const path = `${target}.lock`
  for (const end = performance.now() + lockWaitMs; ;) {
    const opened = await open(path, 'wx', 0o600).catch((error: unknown) => error as Error)
    if (!(opened instanceof Error)) return { path, handle: opened }
    if (codeOf(opened) !== 'EEXIST') {
      const { found } = await find(file)
      if (found !== null && unreplaceable.includes(codeOf(opened))) return null
      throw unwritable(file, opened, found)
    }
    if (performance.now() > end) throw new ConfigInvalidError(`${file}: is being edited, says ${path}; if no other portcullis is at work, remove that file and try again`, { cause: opened })
    await wait(lockPauseMs)
  }
}

/** Sets the rights of a file that did not exist before. */
async function giveRights ({ path, handle }: Draft): Promise<boolean> {
  const own = await handle.stat()
  const rights = rightsOfNewFile(await stat(dirname(path)), own.uid)
  if (rights === null) return true
  await handle.chown(rights.uid, rights.gid)
  await handle.chmod(rights.mode)
  return true
}

/** Gives the draft, which is still empty, the rights of the file. Resolves to false when some cannot be set. */
async function takeRights (draft: Draft, path: string, found: Stats): Promise<boolean> {
  if (found.nlink > 1) return false
  const { handle } = draft
  const own = await handle.stat()
  try {
    if (own.uid !== found.uid || own.gid !== found.gid) await handle.chown(found.uid, found.gid)
    if (!await copyAttributes(path, handle)) return false
    await handle.chmod(found.mode & 0o7777)
  } catch (error) {
    if (unreplaceable.includes(codeOf(error))) return false
    throw error
  }
  return sameRights(await handle.stat(), found)
}

function sameRights (one: FileRights, other: FileRights): boolean {
  return one.uid === other.uid && one.gid === other.gid && one.mode === other.mode
}

/**
 * Renames the draft over the file: a reader sees the old file or the new one, also after a crash. Resolves to false when the name
 * cannot be replaced.
 */
async function renameDraft ({ path: draft, handle }: Draft, path: string, text: string, found: Stats | null): Promise<boolean> {
  await handle.writeFile(text)
  await handle.sync()
  try {
    await rename(draft, path)
  } catch (error) {
    if (found !== null && unreplaceable.includes(codeOf(error))) return false
    throw error
  }
  await syncDirectory(dirname(path))
  return true
}

/**
 * Writes in place. Trailing spaces first allocate the space, so a full disk leaves the old content, which is JSON with or without
 * them. The new content is then a single write.
 */
async function writeInPlace (path: string, text: string, found: Stats): Promise<void> {
  const content = Buffer.from(text)
  const handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const { ino, dev, size } = await handle.stat()
    if (ino !== found.ino || dev !== found.dev) throw new Error('another file has taken the name')
    if (content.length > size) await reserve(handle, size, content.length)
    await writeAll(handle, Buffer.concat([content, Buffer.alloc(Math.max(0, size - content.length), ' ')]), 0)
    await handle.truncate(content.length)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function reserve (handle: FileHandle, from: number, to: number): Promise<void> {
  try {
    await writeAll(handle, Buffer.alloc(to - from, ' '), from)
    await handle.sync()
  } catch (error) {
    await handle.truncate(from)
    throw error
  }
}

async function writeAll (handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at, bytes.length - at, position + at)).bytesWritten
}

async function syncDirectory (directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Copies the ACL and the extended attributes of the file, which Node cannot read. Resolves to false without a `cp` that can. `cp`
 * gets open files instead of names, because another user with write access to the folder could replace a name by a link.
 */
async function copyAttributes (path: string, draft: FileHandle): Promise<boolean> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const child = spawn('cp', ['--attributes-only', '--preserve=mode,xattr', '/proc/self/fd/3', '/proc/self/fd/4'], { stdio: ['ignore', 'ignore', 'ignore', file.fd, draft.fd] })
    const [code] = await once(child, 'close') as [number | null]
    return code === 0
  } catch {
    return false
  } finally {
    await file.close()
  }
}

function versionOf (found: Stats | null): string {
  return found === null ? '' : `${found.dev}:${found.ino}:${found.size}:${found.mtimeMs}:${found.ctimeMs}`
}

function unwritable (file: string, cause: unknown, found: Stats | null): Error {
  const code = codeOf(cause)
  const isDenied = found !== null && ['EACCES', 'EPERM'].includes(code)
  const fix = code === 'ENOSPC' || code === 'EDQUOT' ? 'make room; the old content is still there' : isDenied ? `run this as root or as the owner of the file (uid ${found.uid})` : 'check the directory and its permissions'
  return new ConfigInvalidError(`${file}: cannot be written (${code}); ${fix}`, { cause })
}

function codeOf (error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown error'
}

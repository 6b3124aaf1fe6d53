import { stat } from 'node:fs/promises'

/** Permission bits of users who are neither the owner nor in the group of a file. */
export const forOthers = 0o007
/** Permission bits of every user but the owner of a file. */
export const forAnyone = 0o077

/** Warns when a file has one of the permission bits in `who`, because its content must be kept from those users. A missing file is no problem. */
export async function warnOfReaders (setting: string, file: string, who: number): Promise<string[]> {
  const mode = await modeOf(file)
  return mode === null || (mode & who) === 0 ? [] : [`${setting}: ${file} is open to other users of this machine (mode ${(mode & 0o777).toString(8).padStart(4, '0')}); write: chmod ${who === forAnyone ? 'go=' : 'o='} ${file}`]
}

/** Returns the mode of a file, or null when it does not exist or cannot be looked up. */
export async function modeOf (file: string): Promise<number | null> {
  const found = await stat(file).catch(() => null)
  return found === null ? null : found.mode
}

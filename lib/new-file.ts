export interface FileRights { uid: number, gid: number, mode: number }

/**
 * Returns the owner and the mode of a file that a process creates in `folder`, if they must differ from those of the process. Root creates
 * a file for the owner of the folder. If root owns the folder and only one group may access it, that group may read the file.
 * Returns null if the file stays as the process creates it.
 */
export function rightsOfNewFile (folder: FileRights, maker: number): FileRights | null {
  if (maker !== 0) return null
  if (folder.uid !== 0) return { uid: folder.uid, gid: folder.gid, mode: 0o600 }
  const isForGroup = folder.gid !== 0 && (folder.mode & 0o057) === 0o050
  return isForGroup ? { uid: 0, gid: folder.gid, mode: 0o640 } : null
}

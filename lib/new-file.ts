export interface FileRights { uid: number, gid: number, mode: number }

/**
 * The owner and the mode of a file that a process makes in `folder`, when they must differ from the process's own. Root makes a
 * file for the owner of the folder; in a folder of root's that is closed to all but a group, that group may read the file.
 * Null: the file stays as the process makes it.
 */
export function rightsOfNewFile (folder: FileRights, maker: number): FileRights | null {
  if (maker !== 0) return null
  if (folder.uid !== 0) return { uid: folder.uid, gid: folder.gid, mode: 0o600 }
  const isForGroup = folder.gid !== 0 && (folder.mode & 0o057) === 0o050
  return isForGroup ? { uid: 0, gid: folder.gid, mode: 0o640 } : null
}

/** Returns whether a path, with or without a query, lies under a prefix in whole segments. The prefix is empty, or has no trailing slash. */
export function isUnder (path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || '/?#'.includes(path[prefix.length]!))
}

/**
 * Returns the path of a request target in the form that may be logged. Other targets can contain a password. A query, a fragment or
 * parameters after `;` can contain a session or a token. All of these are left out.
 */
export function loggedPath (target: string): string {
  const path = target.startsWith('/') ? target : pathOfAbsolute(target)
  return path === null ? '-' : path.replace(/(?:[?#;]|%3b).*$/is, '').slice(0, 1024)
}

/** Returns the path of a target in absolute form without a user name; null for all others. */
function pathOfAbsolute (target: string): string | null {
  const match = /^https?:\/\/[^/?#\\@]+(\/.*)?$/is.exec(target)
  return match === null ? null : match[1] ?? '/'
}

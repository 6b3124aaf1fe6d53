/**
 * Returns the path of a request target in the form that may be logged. Targets that are not a path can contain a password. A query, a
 * fragment or parameters after `;` can contain a session or a token. All of these are left out.
 */
export function loggedPath (target: string): string {
  return target.startsWith('/') ? target.replace(/(?:[?#;]|%3b).*$/is, '').slice(0, 1024) : '-'
}

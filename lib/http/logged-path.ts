/**
 * The path of a request target as it may be logged. Other forms of a target than a path can hold a password, and a query, a
 * fragment or parameters behind `;` can hold a session or a token, so these are left out.
 */
export function loggedPath (target: string): string {
  return target.startsWith('/') ? target.replace(/(?:[?#;]|%3b).*$/is, '').slice(0, 1024) : '-'
}

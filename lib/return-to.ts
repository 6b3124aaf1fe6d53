import { canonicalPath } from './path.ts'

/** A longer one would make the address of the sign-in page longer than some proxies take. */
const longest = 2048

/**
 * Where to go after signing in: a path of our own origin, in its one form, with its query. Null for whatever a browser, or a parser
 * on the way, could take for another place: a second slash, a backslash, blanks and control characters, what is encoded to look like
 * them, a scheme.
 */
export function localPath (text: string, origin: string): string | null {
  if (text.length > longest || !/^\/[\x21-\x5b\x5d-\x7e]*$/.test(text)) return null
  const path = canonicalPath(text)
  return path !== null && URL.parse(path, origin)?.origin === origin ? path : null
}

/** Whether a path is a prefix itself or lies under it. */
export function isUnder (path: string, prefix: string): boolean {
  return path.startsWith(prefix) && ['', '/', '?'].includes(path.charAt(prefix.length))
}

/** The address of a sign-in page that leads on to a path; to its default where there is none. */
export function signInAddress (signInPath: string, path: string | null, { isStepUp = false }: { isStepUp?: boolean } = {}): string {
  const query = [...isStepUp ? ['step_up=1'] : [], ...path === null ? [] : [`return_to=${encodeURIComponent(path)}`]]
  return query.length === 0 ? signInPath : `${signInPath}?${query.join('&')}`
}

import { canonicalPath } from './canonical-path.ts'

/** Characters that a path may have within the address of the sign-in page: three quarters of the smallest usual limit for a request's head. */
const longest = 12_288

/**
 * Where to go after signing in: a path of our own origin, in its one form, with its query. Null for whatever a browser, or a parser
 * on the way, could take for another place: a second slash, a backslash, blanks and control characters, what is encoded to look like
 * them, a scheme.
 */
export function localPath (text: string, origin: string): string | null {
  if (text.length > longest || !/^\/[\x21-\x5b\x5d-\x7e]*$/.test(text) || encodeURIComponent(text).length > longest) return null
  const path = canonicalPath(text)
  return path !== null && URL.parse(path, origin)?.origin === origin ? path : null
}

/** A local path with an optional fragment, which names a place within the page and never another page. Null as for `localPath`. */
export function localAddress (text: string, origin: string): string | null {
  const [path = '', ...fragment] = text.split('#')
  const local = localPath(path, origin)
  if (local === null || fragment.length === 0) return local
  const address = `${local}#${fragment.join('#')}`
  return /^[\x21-\x5b\x5d-\x7e]*$/.test(address) && encodeURIComponent(address).length <= longest ? address : null
}

/** Whether a path is a prefix itself or lies under it. */
export function isUnder (path: string, prefix: string): boolean {
  return path.startsWith(prefix) && ['', '/', '?', '#'].includes(path.charAt(prefix.length))
}

/** The address of a sign-in page that leads on to a path; to its default where there is none. */
export function signInAddress (signInPath: string, path: string | null, { isStepUp = false }: { isStepUp?: boolean } = {}): string {
  const query = [...isStepUp ? ['step_up=1'] : [], ...path === null ? [] : [`return_to=${encodeURIComponent(path)}`]]
  return query.length === 0 ? signInPath : `${signInPath}?${query.join('&')}`
}

import { canonicalPath } from './canonical-path.ts'

/**
 * Maximum length of a path in the address of the sign-in page, in characters: three quarters of the smallest common limit for a request
 * head.
 */
const longest = 12_288

/**
 * Returns the address to redirect to after sign-in: a same-origin path in canonical form, with its query. Returns null for a text that a
 * browser, or a parser on the way, could read as another address: a second slash, a backslash, white space, control characters, their
 * encoded forms, or a scheme.
 */
export function localPath (text: string, origin: string): string | null {
  if (text.length > longest || !/^\/[\x21-\x5b\x5d-\x7e]*$/.test(text) || encodeURIComponent(text).length > longest) return null
  const path = canonicalPath(text)
  return path !== null && URL.parse(path, origin)?.origin === origin ? path : null
}

/**
 * Returns a local path with an optional fragment, which identifies a place within the page and never another page. Returns null as
 * `localPath` does.
 */
export function localAddress (text: string, origin: string): string | null {
  const [path = '', ...fragment] = text.split('#')
  const local = localPath(path, origin)
  if (local === null || fragment.length === 0) return local
  const address = `${local}#${fragment.join('#')}`
  return /^[\x21-\x5b\x5d-\x7e]*$/.test(address) && encodeURIComponent(address).length <= longest ? address : null
}

/** Returns whether a path equals a prefix or lies under it. */
export function isUnder (path: string, prefix: string): boolean {
  return path.startsWith(prefix) && ['', '/', '?', '#'].includes(path.charAt(prefix.length))
}

/** The step-up that the address of a sign-in page names. */
export interface StepUpQuery {
  isStepUp?: boolean
  /** Maximum age of the authentication. Only an identity provider is told. */
  maxAgeSeconds?: number | undefined
  /** Strengths of which one is needed. Only an identity provider is told. */
  acrValues?: readonly string[] | undefined
}

/** Returns the address of a sign-in page that redirects to `path`; if it is null, the page redirects to its default. */
export function signInAddress (signInPath: string, path: string | null, { isStepUp = false, maxAgeSeconds, acrValues = [] }: StepUpQuery = {}): string {
  const demands = [...maxAgeSeconds === undefined ? [] : [`max_age=${maxAgeSeconds}`], ...acrValues.length === 0 ? [] : [`acr_values=${encodeURIComponent(acrValues.join(' '))}`]]
  const query = [...isStepUp ? ['step_up=1', ...demands] : [], ...path === null ? [] : [`return_to=${encodeURIComponent(path)}`]]
  return query.length === 0 ? signInPath : `${signInPath}?${query.join('&')}`
}

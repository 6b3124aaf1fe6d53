import type { IncomingHttpHeaders } from 'node:http'

/** Directives by which an upstream declares a response public, or excludes shared caches itself (RFC 9111, sections 3.5 and 5.2.2). */
const decided = /(?:^|,)[ \t]*(?:public|s-maxage=\d+|private|no-store)[ \t]*(?=,|$)/i

/** A quoted argument, which may contain commas, and words that are not directives. */
const quotedArgument = /="(?:[^"\\]|\\.)*"/g

/**
 * Makes an upstream's response private to the owner of the session cookie. The gateway added a credential to the upstream request, which
 * neither caches on the way nor the browser saw. They saw a cookie, which does not prevent a cache from serving the response to another
 * client, and which any page may include in a request if the response allows credentials.
 */
export function keepForOwner (upstream: IncomingHttpHeaders): void {
  upstream['cache-control'] = decidedOrPrivate(upstream['cache-control'])
  if (upstream['access-control-allow-credentials'] !== undefined) delete upstream['access-control-allow-credentials']
  for (const name in upstream) if (isTargeted(name) && !isDecidedAt(name, upstream[name])) delete upstream[name]
}

function decidedOrPrivate (said: string | string[] | undefined): string {
  if (said === undefined) return 'private'
  const text = String(said)
  if (isDecided(text)) return text
  // Caches could read a directive after an unclosed quote as a part of its text.
  return withoutQuoted(text).includes('"') ? 'private' : `${text}, private`
}

function isDecided (text: string): boolean {
  const directives = withoutQuoted(text)
  return decided.test(directives) && !directives.includes('"')
}

/** Removes quoted arguments. A quote remains only if it begins no argument, or if it is not closed. */
function withoutQuoted (text: string): string {
  return text.includes('"') ? text.replace(quotedArgument, '=?') : text
}

/**
 * Returns whether a header directs some shared caches in place of Cache-Control: `CDN-Cache-Control` and those of one vendor (RFC 9213),
 * and the older headers of CDNs and nginx. A header that does not restrict or permit shared caching is removed, so that these caches obey
 * Cache-Control. Adding `private` is not sufficient, because the older headers have no such directive.
 */
function isTargeted (name: string): boolean {
  return name.endsWith('-cache-control') || name === 'surrogate-control' || name === 'edge-control' || name === 'x-accel-expires'
}

function isDecidedAt (name: string, said: string | string[] | undefined): boolean {
  return name === 'x-accel-expires' ? said === '0' : isDecided(String(said))
}

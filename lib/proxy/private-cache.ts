import type { IncomingHttpHeaders } from 'node:http'

/** The directives by which an upstream says that an answer is for everybody, or keeps shared caches away itself (RFC 9111, sections 3.5 and 5.2.2). */
const decided = /(?:^|,)[ \t]*(?:public|s-maxage=\d+|private|no-store)[ \t]*(?=,|$)/i

/** Arguments in quotes may hold commas, and words that are no directives there. */
const quotedArgument = /="(?:[^"\\]|\\.)*"/g

/**
 * Makes an upstream's answer one for the owner of the session cookie alone. The upstream was asked with a credential that we added,
 * which neither caches on the way nor the browser saw: they saw a cookie, which keeps no cache from giving the answer to the next
 * one, and which any page may send along where the answer allows it.
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
  // Behind a quote that does not close, caches could read another directive as a part of its text.
  return withoutQuoted(text).includes('"') ? 'private' : `${text}, private`
}

function isDecided (text: string): boolean {
  const directives = withoutQuoted(text)
  return decided.test(directives) && !directives.includes('"')
}

/** A quote stays only where it begins no argument, or where none ends it. */
function withoutQuoted (text: string): string {
  return text.includes('"') ? text.replace(quotedArgument, '=?') : text
}

/**
 * Whether a header directs some shared caches in place of Cache-Control: `CDN-Cache-Control` and those of one vendor (RFC 9213),
 * and the older headers of CDNs and nginx. One that leaves it open who may see the answer is removed, so that these caches obey
 * Cache-Control; adding `private` would not do, because the older headers have no such directive.
 */
function isTargeted (name: string): boolean {
  return name.endsWith('-cache-control') || name === 'surrogate-control' || name === 'edge-control' || name === 'x-accel-expires'
}

function isDecidedAt (name: string, said: string | string[] | undefined): boolean {
  return name === 'x-accel-expires' ? said === '0' : isDecided(String(said))
}

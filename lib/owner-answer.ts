import type { IncomingHttpHeaders } from 'node:http'

/** What an upstream says when it means an answer for everybody, or keeps shared caches away itself (RFC 9111, sections 3.5 and 5.2.2). */
const decided = /(?:^|,)\s*(?:public|s-maxage\s*=[^,]*|private|no-store)\s*(?=,|$)/i

/**
 * Makes an upstream's answer one for the owner of the session cookie alone. The upstream was asked with a credential that we added,
 * which neither caches on the way nor the browser saw: they saw a cookie, which keeps no cache from giving the answer to the next
 * one, and which any page may send along where the answer allows it.
 */
export function keepForOwner (upstream: IncomingHttpHeaders): void {
  const said = upstream['cache-control']
  if (said === undefined) upstream['cache-control'] = 'private'
  else if (!decided.test(String(said))) upstream['cache-control'] = `${String(said)}, private`
  if (upstream['access-control-allow-credentials'] !== undefined) delete upstream['access-control-allow-credentials']
}

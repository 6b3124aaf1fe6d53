import { randomBytes } from 'node:crypto'

/** The name of one hop among all that a request may pass (RFC 8586). */
export function loopName (): string {
  return `portcullis-${randomBytes(8).toString('hex')}`
}

/**
 * What CDN-Loop says after this hop; null when the request has passed it before. Not Via: some servers stop compressing their
 * answers for requests that have one.
 */
export function passedHops (before: string | string[] | undefined, name: string): string | null {
  if (before === undefined) return name
  const hops = String(before)
  return hops.includes(name) ? null : `${hops}, ${name}`
}

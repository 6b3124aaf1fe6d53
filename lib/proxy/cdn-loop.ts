import { randomBytes } from 'node:crypto'

/** Returns a name that identifies this hop among all that a request may pass (RFC 8586). */
export function loopName (): string {
  return `portcullis-${randomBytes(8).toString('hex')}`
}

/**
 * Returns the value of CDN-Loop after this hop; null if the request has passed the hop before. Via is not used, because some servers do not
 * compress their responses to requests that carry it.
 */
export function passedHops (before: string | string[] | undefined, name: string): string | null {
  if (before === undefined) return name
  const hops = String(before)
  return hops.includes(name) ? null : `${hops}, ${name}`
}

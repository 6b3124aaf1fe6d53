import type { BoundDevice, SessionRecord } from './record.ts'

/**
 * Returns the device whose proof every use of the session requires, or null. Browsers need no proof until the device has shown that it
 * received the binding: the response may still be in transit, requests already in flight are still served, and a lost response leaves the
 * session unbound.
 */
export function deviceInForce ({ device }: Pick<SessionRecord, 'device'>): BoundDevice | null {
  return device !== null && device.renewals > 0 ? device : null
}

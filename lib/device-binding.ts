import type { BoundDevice, SessionRecord } from '../stores/store.ts'

/**
 * The device that a session cannot do without. A binding is in force once the device has shown that it knows of it: until then its
 * answer may be under way, requests that were sent before it came go on, and one that was lost leaves the session as it was.
 */
export function deviceInForce ({ device }: Pick<SessionRecord, 'device'>): BoundDevice | null {
  return device !== null && device.renewals > 0 ? device : null
}

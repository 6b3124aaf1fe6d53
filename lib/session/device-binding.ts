import type { BoundDevice, SessionRecord } from './record.ts'

/**
 * The device that nothing of a session can do without. A binding is in force for browsers once the device has shown that it knows of it:
 * until then its answer may be under way, what a page sent before it came goes on, and one that was lost leaves the session as it was.
 */
export function deviceInForce ({ device }: Pick<SessionRecord, 'device'>): BoundDevice | null {
  return device !== null && device.renewals > 0 ? device : null
}

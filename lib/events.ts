import { channel } from 'node:diagnostics_channel'

export type EventName =
  | 'session.opened' | 'session.closed' | 'session.expired' | 'login.refused'
  | 'refresh.rotated' | 'refresh.repeated' | 'refresh.held' | 'refresh.reused' | 'refresh.recovered' | 'refresh.refused'
  | 'revocation.added' | 'step_up.done' | 'csrf.refused' | 'rate.limited' | 'store.unavailable' | 'store.recovered'

/** Something that an operator wants to know of. Never holds a secret, a cookie or a token. */
export interface SecurityEvent {
  event: EventName
  sid?: string
  subject?: string
  ip?: string
  outcome?: string
}

/** The one channel of security events; audit logs and metrics subscribe to it, so that no plugin depends on them. */
export const eventChannel = channel('portcullis:event')

export function publish (event: SecurityEvent): void {
  if (eventChannel.hasSubscribers) eventChannel.publish(event)
}

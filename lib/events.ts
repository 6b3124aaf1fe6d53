import { channel } from 'node:diagnostics_channel'

export type EventName =
  | 'session.opened' | 'session.closed' | 'session.expired' | 'login.refused'
  | 'refresh.rotated' | 'refresh.repeated' | 'refresh.held' | 'refresh.reused' | 'refresh.recovered' | 'refresh.refused'
  | 'revocation.added' | 'sessions.listed' | 'keys.rotated' | 'keys.revoked' | 'step_up.done' | 'device.bound' | 'device.renewed' | 'device.refused' | 'csrf.refused' | 'rate.limited' | 'store.unavailable' | 'store.recovered'

/** Something that an operator wants to know of. Never holds a secret, a cookie or a token. */
export interface SecurityEvent {
  event: EventName
  sid?: string
  subject?: string
  ip?: string
  outcome?: string
  /** The id of the request, which its answer carries as `X-Request-Id`. */
  request?: string
  /** The operator who caused the event: the system's user of a command, or `admin` for the admin token. */
  by?: string
  /** `unknown` where the account of a refused sign-in does not exist. The name itself is never in an event, because it may be a mistyped password. */
  account?: 'unknown'
  method?: string
  /** The path of the request, without its query. */
  path?: string
  /** The name of the budget that was used up. */
  budget?: string
  /** How many sessions were ended or listed. */
  sessions?: number
  /** The id of a signing key. */
  kid?: string
}

/** The members that an event takes from the request that caused it. */
export function sourceOf ({ ip, id }: { ip: string, id: string }): { ip: string, request: string } {
  return { ip, request: id }
}

/** The one channel of security events; audit logs and metrics subscribe to it, so that no plugin depends on them. */
export const eventChannel = channel('portcullis:event')

/** Beside the events, so that whoever writes one down whole writes nothing of the server. */
const places = new WeakMap<SecurityEvent, object>()

/** `where`: `portcullis` of the scope in which it happened; one process may hold several servers, and a server several scopes. */
export function publish (event: SecurityEvent, where: object): void {
  if (!eventChannel.hasSubscribers) return
  places.set(event, where)
  eventChannel.publish(event)
}

/** Calls back for the events of one scope and of the scopes in it. Returns the unsubscriber. */
export function listenTo (where: object, listener: (event: SecurityEvent) => void): () => void {
  const onEvent = (event: unknown): void => {
    const place = places.get(event as SecurityEvent)
    if (place === where || (place !== undefined && Object.prototype.isPrototypeOf.call(where, place))) listener(event as SecurityEvent)
  }
  eventChannel.subscribe(onEvent)
  return () => { eventChannel.unsubscribe(onEvent) }
}

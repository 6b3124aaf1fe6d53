import { channel } from 'node:diagnostics_channel'
import { asError } from './as-error.ts'

export type EventName =
  | 'session.opened' | 'session.closed' | 'session.expired' | 'login.started' | 'login.refused' | 'provider.logout'
  | 'refresh.rotated' | 'refresh.repeated' | 'refresh.held' | 'refresh.reused' | 'refresh.recovered' | 'refresh.refused'
  | 'revocation.added' | 'sessions.listed' | 'keys.rotated' | 'keys.revoked' | 'step_up.done' | 'second_factor.required' | 'second_factor.refused' | 'device.bound' | 'device.renewed' | 'device.refused' | 'csrf.refused' | 'rate.limited' | 'store.unavailable' | 'store.recovered'

/** An event for operators. It never contains a secret, a cookie or a token. */
export interface SecurityEvent {
  /** What happened. */
  event: EventName
  /** Time of the event by the store's clock, in milliseconds since the epoch. `publish` sets it if the scope has a store. */
  at?: number
  /** Session that the event is about. */
  sid?: string
  /** Subject that the event is about. */
  subject?: string
  /** Address of the client. */
  ip?: string
  /** Outcome, as docs/reference/metrics-and-events.md lists them for each event. */
  outcome?: string
  /** Id of the request; the response carries it as `X-Request-Id`. */
  request?: string
  /** Operator that caused the event: the system user of a command, or `admin` for the admin token. */
  by?: string
  /**
   * `unknown` if the account of a refused sign-in does not exist. An event never contains the name itself, which may be a mistyped
   * password.
   */
  account?: 'unknown'
  /** Method of the request. */
  method?: string
  /** Path of the request, without its query. */
  path?: string
  /** Name of the exhausted budget. */
  budget?: string
  /** Number of sessions that were ended or listed. */
  sessions?: number
  /** Name of the identity provider. */
  provider?: string
  /** Id of a signing key. */
  kid?: string
}

/** Returns the members that an event takes from the request that caused it. */
export function sourceOf ({ ip, id }: { ip: string, id: string }): { ip: string, request: string } {
  return { ip, request: id }
}

/** The only channel of security events. Audit logs and metrics subscribe to it, so that no plugin depends on them. */
export const eventChannel = channel('portcullis:event')

/** Scope of each event. It is stored outside the event, so that a subscriber that serializes the event does not serialize the server. */
const places = new WeakMap<SecurityEvent, object>()

/** Parts of a scope, of which events need the store's clock alone. */
interface Place { readonly store?: { nowMs (): number } }

/**
 * Publishes an event. `where` is `portcullis` of the scope in which it happened; one process may hold several servers, and a server several
 * scopes.
 */
export function publish (event: SecurityEvent, where: object): void {
  if (!eventChannel.hasSubscribers) return
  const at = event.at ?? (where as Place).store?.nowMs()
  const published = at === undefined ? event : { ...event, at }
  places.set(published, where)
  eventChannel.publish(published)
}

type Listener = (event: SecurityEvent) => void | Promise<void>

/**
 * Subscribes to the events of one scope and of the scopes in it. Returns a function that ends the subscription. `onError` receives what the
 * listener throws, or its rejection. An exception of a subscriber of `eventChannel` would be an uncaught exception of the process.
 */
export function listenTo (where: object, listener: Listener, onError: (error: Error) => void): () => void {
  const onEvent = (event: unknown): void => {
    const place = places.get(event as SecurityEvent)
    if (place === where || (place !== undefined && Object.prototype.isPrototypeOf.call(where, place))) tell(listener, event as SecurityEvent, onError)
  }
  eventChannel.subscribe(onEvent)
  return () => { eventChannel.unsubscribe(onEvent) }
}

function tell (listener: Listener, event: SecurityEvent, onError: (error: Error) => void): void {
  const report = (thrown: unknown): void => { onError(asError(thrown)) }
  try {
    const told = listener(event)
    if (told instanceof Promise) told.catch(report)
  } catch (thrown) {
    report(thrown)
  }
}

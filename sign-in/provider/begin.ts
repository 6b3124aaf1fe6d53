import { randomBytes } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import { SessionInvalidError } from '../../lib/errors.ts'
import { publish, sourceOf } from '../../lib/events.ts'
import { smallerAge } from '../../lib/oidc/demands.ts'
import { longestReturnTo } from '../../lib/oidc/transaction.ts'
import type { SessionRecord } from '../../lib/session/record.ts'
import type { AuthorizationDemands, Provider } from '../../plugins/oidc/provider.ts'
import type { Portcullis } from '../../plugins/portcullis.ts'

export interface BeginOptions {
  provider: Provider
  /** Path to return to, of this origin; null for the default. */
  returnTo: string | null
  demands: AuthorizationDemands
  /** Session that the authentication strengthens; null for a sign-in. */
  stepUpSid: string | null
  portcullis: Portcullis
}

/** A sign-in that starts again: how often it did, and the `state` of the one before. */
export interface Restart { restarts: number, replaces: string }

/** Begins a sign-in at a provider. Returns the address to which the browser is redirected. Changes no session. */
export async function beginLogin (reply: FastifyReply, options: BeginOptions, restart?: Restart): Promise<string> {
  const { provider, returnTo, stepUpSid, portcullis } = options
  const maxAgeSeconds = smallerAge(provider.maxAgeSeconds, options.demands.maxAgeSeconds)
  const demands = maxAgeSeconds === null ? options.demands : { ...options.demands, maxAgeSeconds }
  const { oidc: { logins }, store } = portcullis
  const secrets = { state: random(), nonce: random(), codeVerifier: random() }
  // The time is taken first, so that the sign-in has begun before a cut that happens while the provider is asked.
  const beganAtMs = store.nowMs()
  const address = await provider.authorizationUrl(secrets, demands)
  const kept = returnTo !== null && returnTo.length <= longestReturnTo ? returnTo : null
  logins.begin(reply, { ...secrets, provider: provider.name, returnTo: kept, beganAtMs, demands, stepUpSid, restarts: restart?.restarts ?? 0 }, { replaces: restart?.replaces })
  publish({ event: 'login.started', provider: provider.name, ...sourceOf(reply.request), ...stepUpSid === null ? {} : { sid: stepUpSid } }, portcullis)
  return address
}

function random (): string {
  return randomBytes(32).toString('base64url')
}

/** Returns the session of the session cookie, if it is valid and began at the provider. Throws SessionInvalidError for another session. */
export async function sessionToStepUp ({ request }: FastifyReply, provider: string, { origin, portcullis }: { origin: string, portcullis: Portcullis }): Promise<SessionRecord> {
  const { sid } = await portcullis.identify(request, { audience: origin, access: 'session', consistency: 'strict' })
  const record = sid === null ? null : await portcullis.session.read(sid)
  if (record?.provider?.name !== provider) throw new SessionInvalidError({ cause: new Error('the session did not begin at this provider') })
  return record
}

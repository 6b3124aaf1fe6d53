import { Type, type Static } from '@sinclair/typebox'
import { deviceInForce, lastUseOnGrid, seconds, type SessionRecord } from './record.ts'
import { sidPattern } from './sid.ts'

const Instant = (description: string) => Type.Integer({ minimum: 0, description: `${description}, in seconds since the epoch.` })

/** Schema of a session as its owner sees it, for the responses of every endpoint and for OpenAPI documents. */
export const Session = Type.Object({
  sid: Type.String({ pattern: sidPattern, description: 'Public id of the session; not a credential.' }),
  subject: Type.String({ description: 'Whose session it is.' }),
  created_at: Instant('When it was opened'),
  auth_time: Instant('When the subject last authenticated'),
  acr: Type.String({ description: 'Strength of the authentication.' }),
  amr: Type.Array(Type.String(), { description: 'Methods of the authentication, such as pwd.' }),
  idle_expires_at: Instant('When it ends unless it is used'),
  expires_at: Instant('When it ends even if it is used'),
  client: Type.Object({ user_agent: Type.String(), ip: Type.String() }, { additionalProperties: false, description: 'The client that opened it.' }),
  device: Type.Union([Type.Null(), Type.Object({ bound_at: Instant('When it was bound') }, { additionalProperties: false })], { description: 'The device to which it is bound; null if it is not bound.' }),
  provider: Type.Union([Type.Null(), Type.Object({ name: Type.String() }, { additionalProperties: false })], { description: 'The identity provider at which it began; null if it began at none.' })
}, { title: 'Session', additionalProperties: false })

/** A session as its owner sees it. Instants are seconds since the epoch. */
export type SessionView = Static<typeof Session>

export function viewSession (record: SessionRecord, idleTimeoutMs: number): SessionView {
  const device = deviceInForce(record)
  const idleExpiresAtMs = lastUseOnGrid(record, idleTimeoutMs) + idleTimeoutMs
  return {
    sid: record.sid,
    subject: record.subject,
    created_at: seconds(record.createdAtMs),
    auth_time: seconds(record.authTimeMs),
    acr: record.acr,
    amr: record.amr,
    idle_expires_at: seconds(Math.min(idleExpiresAtMs, record.expiresAtMs)),
    expires_at: seconds(record.expiresAtMs),
    client: { user_agent: record.client.userAgent, ip: record.client.ip },
    device: device === null ? null : { bound_at: seconds(device.boundAtMs) },
    provider: record.provider == null ? null : { name: record.provider.name }
  }
}

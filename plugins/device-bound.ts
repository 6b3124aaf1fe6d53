import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ConfigInvalidError } from '../lib/errors.ts'
import { checkOptions, durationMs, DurationOption, type Duration } from '../lib/options.ts'
import type { SessionRecord } from '../stores/store.ts'
import { Devices } from './device-bound/devices.ts'
import { deriveSecrets } from './keys.ts'
import { addPart, beginPart } from './portcullis.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    deviceBound: DeviceBound
  }
}

/** What a browser is told of the session that it keeps alive (Device Bound Session Credentials, session instructions). */
export interface SessionInstructions {
  session_identifier: string
  refresh_url: string
  scope: { origin: string, include_site: false, scope_specification: [] }
  credentials: Array<{ type: 'cookie', name: string, attributes: string }>
}

export interface DeviceBound {
  readonly cookieTtlMs: number
  /** The session whose cookie the request carries, whatever it is bound to: for `register` and `refresh`. Rejects when there is none. */
  presented (request: FastifyRequest): Promise<SessionRecord>
  /**
   * Binds the session to the key that the request proves to have, and sets the device cookie. Rejects with DeviceProofRequiredError
   * when the proof is not good, or the session is bound to another key; with SessionInvalidError when there is no session any more.
   */
  register (reply: FastifyReply, record: SessionRecord): Promise<SessionInstructions>
  /**
   * The next device cookie for whoever proves to have the session's key. Rejects with DeviceProofRequiredError, which carries the
   * challenge to prove it with, when the request does not; with SessionInvalidError when there is nothing to renew (any more).
   */
  refresh (reply: FastifyReply, record: SessionRecord): Promise<SessionInstructions>
  /** When the device cookie of the request runs out, by the store's clock in milliseconds; null when it has none of this session. */
  endOfRequest (request: FastifyRequest, sid: string): number | null
}

export interface DeviceBoundOptions {
  /** What browsers see; they bind sessions of an https origin alone. */
  origin: string
  /** Makes challenges and device cookies; at least 32 bytes, base64url. A list while it is changed: the first one issues. */
  secret: string | string[]
  /** How long a device cookie is good: how long stolen cookies are. 1s to 1h, default 5m. */
  cookieTtl?: Duration
  /** Where the routes of devices are registered. Default /auth/device. */
  path?: string
}

const Options = Type.Object({
  origin: Type.String({ pattern: '^https?://[^/?#]+$', errorMessage: 'must be scheme, host and port alone' }),
  secret: Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], { errorMessage: 'must be a base64url text, or a list of them' }),
  cookieTtl: Type.Union(DurationOption.anyOf, { ...DurationOption, default: '5m' }),
  path: Type.String({ pattern: '^(?:/[A-Za-z0-9._~-]+)+$', default: '/auth/device', errorMessage: 'must be a path such as /auth/device' })
}, { additionalProperties: false })

/** Seen with Chromium 156: of what is left for less than two minutes it renews at every request, and signs no more than six times in nine minutes. */
const shortestMs = 240_000

/**
 * Binds sessions to a key that never leaves the device (Device Bound Session Credentials): stolen cookies are dead within `cookieTtl`.
 * Browsers that cannot do it go on as before.
 */
export default fp<DeviceBoundOptions>(async function deviceBoundPlugin (fastify, options) {
  const { origin, secret, cookieTtl, path } = checkOptions('portcullis-device-bound', Options, options)
  const cookieTtlMs = durationMs(cookieTtl)
  if (cookieTtlMs < 1000 || cookieTtlMs > 3_600_000) throw new ConfigInvalidError('portcullis-device-bound: cookieTtl must be from 1s to 1h')
  if (!origin.startsWith('https:')) fastify.log.warn(`no browser will bind a session to its device, because origin is ${origin}: they do so over https alone`)
  if (cookieTtlMs < shortestMs) fastify.log.warn('people will be signed out for minutes at a time, because cookieTtl is below 4m: Chromium signs six times in nine minutes at most, and renews two minutes ahead')
  const portcullis = beginPart(fastify, 'deviceBound')
  const devices = new Devices(portcullis, { secrets: deriveSecrets('portcullis-device-bound', secret), origin, path, cookieTtlMs })
  if (!Object.hasOwn(portcullis, 'session')) throw new ConfigInvalidError('portcullis-device-bound: register it in the scope that has portcullis-session, or register that one in this scope too')
  portcullis.session.guardDevices(devices)
  addPart(fastify, 'deviceBound', devices)
}, { name: 'portcullis-device-bound', fastify: '5.x', dependencies: ['portcullis-store', 'portcullis-cookies', 'portcullis-blocklist', 'portcullis-session'] })

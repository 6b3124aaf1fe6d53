import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { ConfigInvalidError } from '../lib/errors.ts'
import { checkOptions } from '../lib/check-options.ts'
import { optional, optionsOf, type OptionsFrom } from '../lib/settings/options.ts'
import { secretOption } from '../lib/settings/secret.ts'
import { deviceBound } from '../lib/settings/session.ts'
import { Devices, type DeviceBound } from './device-bound/devices.ts'
import { deriveSecrets } from './keys.ts'
import { addPart, beginPart } from './portcullis.ts'

export type { DeviceBound, SessionInstructions } from './device-bound/devices.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    deviceBound: DeviceBound
  }
}

const own = {
  /** Origin that browsers see. They bind only sessions of an https origin. */
  origin: Type.String({ pattern: '^https?://[^/?#]+$', errorMessage: 'must be scheme, host and port alone' }),
  /** Secret for challenges and device cookies; at least 32 bytes, base64url. A list serves to change it: the first one issues. */
  secret: secretOption,
  /** Path under which the routes of devices are registered. Default /auth/device. */
  path: optional('/auth/device', Type.String({ pattern: '^(?:/[A-Za-z0-9._~-]+)+$', errorMessage: 'must be a path such as /auth/device' }))
}

export interface DeviceBoundOptions extends OptionsFrom<typeof deviceBound.properties, typeof own> {}

const Options = optionsOf(deviceBound.properties, own)

/**
 * Shortest practical lifetime, observed with Chromium 156: it renews a cookie at every request in its last two minutes, and signs at most
 * six times in nine minutes.
 */
const shortestMs = 240_000

/**
 * Binds sessions to a key that never leaves the device (Device Bound Session Credentials): stolen cookies expire within `cookieTtl`.
 * Browsers without support are not affected.
 */
export default fp<DeviceBoundOptions>(async function deviceBoundPlugin (fastify, options) {
  const { origin, secret, cookieTtlMs, path } = checkOptions('portcullis-device-bound', Options, options)
  if (!origin.startsWith('https:')) fastify.log.warn(`no browser will bind a session to its device, because origin is ${origin}: they do so over https alone`)
  if (cookieTtlMs < shortestMs) fastify.log.warn('people will be signed out for minutes at a time, because cookieTtl is below 4m: Chromium signs six times in nine minutes at most, and renews two minutes ahead')
  const portcullis = beginPart(fastify, 'deviceBound')
  const devices = new Devices(portcullis, { secrets: deriveSecrets('portcullis-device-bound', secret), origin, path, cookieTtlMs })
  if (!Object.hasOwn(portcullis, 'session')) throw new ConfigInvalidError('portcullis-device-bound: register it in the scope that has portcullis-session, or register that one in this scope too')
  addPart(fastify, 'deviceBound', devices)
}, { name: 'portcullis-device-bound', fastify: '5.x', dependencies: ['portcullis-store', 'portcullis-cookies', 'portcullis-blocklist', 'portcullis-session'] })

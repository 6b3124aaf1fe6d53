import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import type { Jwk } from '../../lib/jwt/signing-key.ts'
import { password, post, setCookies } from './build-gateway.ts'

export const deviceCookieName = '__Host-portcullis-device'

/** A device key, and the proofs that a browser makes with it. */
export interface Device {
  jwk: Jwk
  privateKey: KeyObject
  /** Makes a proof as browsers do: with the key for a registration, without for a refresh. `changes` replaces members of the proof. */
  register (challenge: string, changes?: { header?: object, payload?: object }): string
  refresh (challenge: string, changes?: { header?: object, payload?: object }): string
}

export function createDevice (): Device {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk: Jwk = publicKey.export({ format: 'jwk' })
  const prove = (header: object, payload: object): string => signJws(header, payload, input => sign('sha256', input, { key: privateKey, dsaEncoding: 'ieee-p1363' }))
  return {
    jwk,
    privateKey,
    register: (challenge, { header = {}, payload = {} } = {}) => prove({ alg: 'ES256', jwk, typ: 'dbsc+jwt', ...header }, { jti: challenge, ...payload }),
    refresh: (challenge, { header = {}, payload = {} } = {}) => prove({ alg: 'ES256', typ: 'dbsc+jwt', ...header }, { jti: challenge, ...payload })
  }
}

export function signJws (header: object, payload: object, signature: (input: Buffer) => Buffer): string {
  const input = [header, payload].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${input}.${signature(Buffer.from(input)).toString('base64url')}`
}

/** Returns the challenge of Secure-Session-Registration or Secure-Session-Challenge; empty when there is none. */
export function challengeOf (response: Response): string {
  const { headers } = response
  const registration = headers.get('secure-session-registration')
  const challenge = registration === null ? /^"([^"]+)";id="/.exec(headers.get('secure-session-challenge') ?? '') : /;challenge="([^"]+)"/.exec(registration)
  return challenge?.[1] ?? ''
}

/** Returns the device cookie that a response sets, in the form of a Cookie header; empty when it sets none. */
export function deviceCookieOf (response: Response): string {
  const value = setCookies(response)[deviceCookieName] ?? ''
  return value === '' ? '' : `${deviceCookieName}=${value}`
}

export interface SignedIn { cookie: string, sid: string, challenge: string }

/** Signs in with a session cookie; resolves to the offer to bind the session too. */
export async function signInToBind (url: string, username = 'ada', headers: Record<string, string> = {}): Promise<SignedIn> {
  const response = await post(`${url}/auth/login`, { username, password }, headers)
  const { session: { sid } } = await response.json() as { session: { sid: string } }
  return { cookie: `__Host-Http-portcullis=${setCookies(response)['__Host-Http-portcullis'] ?? ''}`, sid, challenge: challengeOf(response) }
}

/** Sends the request by which a browser binds its session. */
export async function register (url: string, cookie: string, proof: string): Promise<Response> {
  return await post(`${url}/auth/device/register`, undefined, { cookie, 'secure-session-response': proof })
}

/** Sends the request by which a browser renews its device cookie, with a proof or without. */
export async function refresh (url: string, cookie: string, sid: string, proof?: string): Promise<Response> {
  return await post(`${url}/auth/device/refresh`, undefined, { cookie, 'sec-secure-session-id': sid, ...proof === undefined ? {} : { 'secure-session-response': proof } })
}

export interface Bound extends SignedIn {
  device: Device
  deviceCookie: string
  /** The Cookie header with both cookies. */
  both: string
  /** The next challenge, sent in advance. */
  next: string
}

/** Signs in and binds the session to a new device, which has sent its cookie once, so that the binding is in force. */
export async function signInBound (url: string, username = 'ada'): Promise<Bound> {
  const device = createDevice()
  const signedIn = await signInToBind(url, username)
  const response = await register(url, signedIn.cookie, device.register(signedIn.challenge))
  if (response.status !== 200) throw new Error(`the registration was answered ${response.status}: ${await response.text()}`)
  const deviceCookie = deviceCookieOf(response)
  const both = `${signedIn.cookie}; ${deviceCookie}`
  await (await fetch(`${url}/auth/session`, { headers: { cookie: both } })).body?.cancel()
  return { ...signedIn, device, deviceCookie, both, next: challengeOf(response) }
}
